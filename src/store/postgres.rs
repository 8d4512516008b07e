//! What is PostgreSQL's alone: how it is reached and how a snapshot begins.

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use url::Url;

use super::{
    error::{OpenError, describe},
    look_ups::Order,
    patience::Patience,
};

/// Connections that are kept; more callers than this wait for one.
const CONNECTIONS: u32 = 16;

/// A caller is told that the database is away rather than kept waiting.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// At the start, a database may be far away or slow to wake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time-outs keep a read from holding up a migration of Rails'.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

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

/// Where PostgreSQL is.
#[derive(Clone)]
pub enum PostgresSettings {
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

impl PostgresSettings {
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
impl fmt::Display for PostgresSettings {
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

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes sure that the database answers, and gives a pool of connections to it.
pub(super) async fn connect(settings: &PostgresSettings) -> Result<PgPool, OpenError> {
    let unreachable = |reason: &str| OpenError::Unreachable {
        setting: settings.setting(),
        reason: format!("{reason} ({settings})"),
    };
    let options = settings.options().application_name("leadchat-inbox");
    // A pool would try again and again, and then only say that time is up.
    let reached = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options));
    match reached.await {
        // That it was not closed in form does not matter.
        Ok(Ok(connection)) => _ = connection.close().await,
        Ok(Err(error)) => return Err(unreachable(&describe(&error))),
        Err(_) => return Err(unreachable("it does not answer")),
    }
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options))
}

/// Begins one consistent whole: every statement sees what the first one saw. The
/// time-outs hold for this transaction alone.
pub(super) async fn begin<'c>(
    connection: &'c mut PgConnection,
    patience: &Patience,
) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
    let statement = patience.at_most(STATEMENT_TIMEOUT).as_millis();
    let lock = patience.at_most(LOCK_TIMEOUT).as_millis();
    // Safe: numbers alone.
    let begin = AssertSqlSafe(format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
         SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}"
    ));
    connection.begin_with(begin).await
}

/// How it orders texts, which depends on its locale.
pub(super) async fn order(pool: &PgPool) -> Result<Order, sqlx::Error> {
    let order = sqlx::query_as(ORDER).fetch_one(pool).await?;
    Ok(match order {
        (false, _) => Order::Bytes,
        (true, true) => Order::Dictionary,
        (true, false) => Order::Otherwise,
    })
}

/// Whether texts are ordered as in a dictionary, and whether every mixture of
/// cases lies between both cases: of single letters before others, and of all
/// pairs that some language takes for one letter or orders apart.
const ORDER: &str = "SELECT 'a' < 'B', bool_and(
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
