//! What is PostgreSQL's alone: how it is reached, also through PgBouncer, and how a
//! snapshot begins.
//!
//! PgBouncer gives a session to whoever has a transaction to run. So no statement is
//! run outside of one, nothing is set for longer than one, and with `--pgbouncer`
//! nothing is prepared for longer than one. Without it, statements are prepared once
//! for a connection, and would meet those of others there: so each connection is
//! asked whether it has a session of its own.

mod pool;

use std::{fmt, fs::File, num::NonZeroUsize, path::PathBuf, sync::Mutex, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::Instant;
use url::Url;

use super::{
    encoding::Encoding,
    error::{OpenError, describe},
    pace::Pace,
};
use pool::Connector;
pub(super) use pool::{Connections, Lease};

/// A caller is told that the database is away rather than kept waiting.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// The same of a database that is far away.
const LONGEST_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// At the start, a database may be far away or slow to wake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that was idle and does not answer in this time, or in that which it took
/// to connect at first, is given up for another: the way to a database may be cut without
/// a word.
const PING_TIMEOUT: Duration = Duration::from_millis(250);

/// A setting that a session is begun with, and what asks for it. PgBouncer refuses
/// it or drops it, and a session that somebody else has begun lacks it.
const OWN: [(&str, &str); 1] = [("leadchat_inbox.own", "on")];
const IS_OWN: &str = "SELECT coalesce(current_setting('leadchat_inbox.own', true), '') = 'on'";

/// Parameters of a URL that are meant for a connection. Others are meant for
/// Rails (`pool`, `prepared_statements`), and would be logged with their values.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Where PostgreSQL is, and how it is reached.
#[derive(Clone)]
pub struct PostgresSettings {
    pub place: PostgresPlace,
    /// Whether PgBouncer stands before it.
    pub pgbouncer: bool,
    /// What certificates are verified with and proven by, as the place has it too.
    pub tls_files: Vec<TlsFile>,
}

/// A file that a setting names.
#[derive(Clone)]
pub struct TlsFile {
    pub setting: &'static str,
    /// `None` where the setting holds what would be in it.
    pub path: Option<PathBuf>,
    pub is_authority: bool,
}

/// Where PostgreSQL is.
#[derive(Clone)]
pub enum PostgresPlace {
    /// DATABASE_URL.
    Url(Box<PgConnectOptions>),
    /// leadchat's POSTGRES_* variables.
    Parts {
        host: String,
        port: u16,
        database: String,
        username: String,
        password: SecretString,
    },
}

impl PostgresPlace {
    /// `None` where a part of the URL cannot be used. Why is not said: it may
    /// hold a password.
    pub fn from_url(url: &Url) -> Option<Self> {
        let known: Vec<_> = url
            .query_pairs()
            .filter(|(key, _)| PARAMETERS.contains(&key.as_ref()) || key.starts_with("options["))
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        let mut url = url.clone();
        url.set_query(None);
        if !known.is_empty() {
            url.query_pairs_mut().extend_pairs(known);
        }
        let options: PgConnectOptions = url.as_str().parse().ok()?;
        // An IPv6 address has brackets in a URL, and none where it is looked up.
        let address = options
            .get_host()
            .strip_prefix('[')
            .and_then(|it| it.strip_suffix(']'));
        let address = address.map(ToOwned::to_owned);
        let options = match address {
            Some(address) => options.host(&address),
            None => options,
        };
        Some(Self::Url(Box::new(options)))
    }

    fn options(&self) -> PgConnectOptions {
        match self {
            Self::Url(options) => PgConnectOptions::clone(options),
            Self::Parts {
                host,
                port,
                database,
                username,
                password,
            } => PgConnectOptions::new_without_pgpass()
                .host(host)
                .port(*port)
                .database(database)
                .username(username)
                .password(password.expose_secret()),
        }
    }

    const fn setting(&self) -> &'static str {
        match self {
            Self::Url(_) => "DATABASE_URL (--database-url)",
            Self::Parts { .. } => "POSTGRES_HOST",
        }
    }
}

/// Host, port and database; never the password.
impl fmt::Display for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options();
        let database = options
            .get_database()
            .unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(folder) => write!(f, "{}/{database}", folder.display()),
            None => write!(
                f,
                "{}:{}/{database}",
                options.get_host(),
                options.get_port()
            ),
        }
    }
}

impl fmt::Debug for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl PostgresSettings {
    fn options(&self) -> PgConnectOptions {
        let options = self.place.options();
        // As libpq has it, and with it Rails: who names an authority wants it asked.
        let is_authority_named = self.tls_files.iter().any(|file| file.is_authority);
        match options.get_ssl_mode() {
            PgSslMode::Require if is_authority_named => options.ssl_mode(PgSslMode::VerifyCa),
            _ => options,
        }
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let through = if self.pgbouncer { ", PgBouncer" } else { "" };
        write!(f, "{}{through}", self.place)
    }
}

/// Makes sure that the database answers, and gives connections to it: so many at the
/// most.
pub(super) async fn connect(
    settings: &PostgresSettings,
    connections: NonZeroUsize,
) -> Result<Connections, OpenError> {
    let PostgresSettings {
        place, pgbouncer, ..
    } = settings;
    let unreachable = |reason: &str| OpenError::Unreachable {
        setting: place.setting(),
        reason: format!("{reason} ({place})"),
    };
    let unreadable = |file: &&TlsFile| {
        let path = file.path.as_ref();
        path.is_some_and(|path| File::open(path).is_err())
    };
    if let Some(file) = settings.tls_files.iter().find(unreadable) {
        return Err(unreachable(&format!(
            "the file of {} cannot be read",
            file.setting
        )));
    }
    // PgBouncer refuses the digits; those of PostgreSQL's own are as many.
    let mut options = settings
        .options()
        .application_name("leadchat-inbox")
        .extra_float_digits(None::<i8>);
    if !pgbouncer {
        options = options.options(OWN);
    }
    let began = Instant::now();
    // A pool would try again and again, and then only say that time is up.
    let reached = tokio::time::timeout(CONNECT_TIMEOUT, async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let is_own = *pgbouncer || is_own(&mut connection).await?;
        Ok((connection, is_own))
    });
    let first = match reached.await {
        Ok(Ok((connection, true))) => connection,
        Ok(Ok((_, false))) => return Err(shared(place)),
        Ok(Err(error)) if !pgbouncer && is_refused_by_pgbouncer(&error) => {
            return Err(shared(place));
        }
        Ok(Err(error)) => return Err(unreachable(&describe(&error))),
        Err(_) => return Err(unreachable("it does not answer")),
    };
    let took = began.elapsed();
    let connector = Connector {
        options,
        pgbouncer: *pgbouncer,
        ping_timeout: took.clamp(PING_TIMEOUT, ACQUIRE_TIMEOUT),
        first: Mutex::new(Some(first)),
    };
    // A database that is far away takes longer to connect to, and no less the next time.
    let acquire_timeout = (took * 2).clamp(ACQUIRE_TIMEOUT, LONGEST_ACQUIRE_TIMEOUT);
    Connections::new(connector, connections, acquire_timeout)
        .ok_or_else(|| unreachable("there is no timer"))
}

/// Connections that each have a session of their own, whatever is served through:
/// migrations take locks that last for a session.
pub(super) async fn connect_straight(
    settings: &PostgresSettings,
) -> Result<Connections, OpenError> {
    let straight = PostgresSettings {
        pgbouncer: false,
        ..settings.clone()
    };
    connect(&straight, NonZeroUsize::MIN).await
}

fn shared(place: &PostgresPlace) -> OpenError {
    OpenError::Pooled {
        setting: place.setting(),
        place: place.to_string(),
    }
}

/// By the simple protocol, which prepares nothing.
async fn is_own(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let row = sqlx::raw_sql(IS_OWN).fetch_one(connection).await?;
    sqlx::Row::try_get(&row, 0)
}

/// PgBouncer's own words; PostgreSQL takes all that a session is begun with here.
fn is_refused_by_pgbouncer(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.message().starts_with("unsupported startup parameter"))
}

/// Begins one consistent whole: every statement sees what the first one saw.
pub(super) async fn begin<'c>(
    connection: &'c mut PgConnection,
    pace: &Pace,
    encoding: Encoding,
) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
    // Safe: numbers and constants alone.
    let begin = AssertSqlSafe(pace.begin() + NO_ROW_SECURITY + encoding.setting());
    connection.begin_with(begin).await
}

/// Row-level security would hide rows without a word. Switched off, it makes an error of
/// each statement that it would hide rows from.
const NO_ROW_SECURITY: &str = "; SET LOCAL row_security = off";

/// The name of a database's encoding.
pub(super) const ENCODING: &str = "SELECT CAST(getdatabaseencoding() AS text)";

/// Whether texts are ordered as in a dictionary, and whether every mixture of
/// cases lies between both cases: of single letters before others, and of all
/// pairs that some language takes for one letter or orders apart.
pub(super) const ORDER: &str = "SELECT 'a' < 'B', bool_and(
        mixed BETWEEN least(lower, upper) AND greatest(lower, upper))
    FROM (SELECT a || b || 'x' AS lower,
            translate(a || b, alphabet, capitals) || 'X' AS upper,
            unnest(ARRAY[
                translate(a, alphabet, capitals) || b || 'x',
                a || translate(b, alphabet, capitals) || 'X',
                a || translate(b, alphabet, capitals) || 'x',
                translate(a, alphabet, capitals) || b || 'X']) AS mixed
        FROM (SELECT 'abcdefghijklmnopqrstuvwxyz' AS alphabet,
                'ABCDEFGHIJKLMNOPQRSTUVWXYZ' AS capitals) letters,
            regexp_split_to_table(alphabet, '') a,
            regexp_split_to_table(alphabet, '') b) pairs";
