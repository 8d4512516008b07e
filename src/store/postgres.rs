//! PostgreSQL: connections, also through PgBouncer, and the begin of a snapshot.
//!
//! PgBouncer assigns a session to each transaction. So no statement is run outside of
//! one, nothing is set for longer than one, and with `--pgbouncer` nothing is prepared
//! for longer than one. Without it, statements are prepared once a connection. On a
//! shared session they would collide with those of other clients, so each connection is
//! checked for a session of its own.

pub(super) mod encoding;
mod hosts;
mod place;
mod pool;
mod search_path;

use std::{fs::File, num::NonZeroUsize, sync::Mutex, time::Duration};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};

use super::{error::open::OpenError, snapshot::time_limits::TimeLimits};
use encoding::Encoding;
use hosts::Hosts;
pub use place::{
    PostgresHost, PostgresParts, PostgresPlace, PostgresSettings, TargetSession, TlsFile,
};
use pool::Connector;
pub(super) use pool::{Connections, PooledConnection};
pub use search_path::SearchPath;

/// A call fails rather than waits longer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// The same of a database that is far away.
const LONGEST_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// At the start, a database may be far away or slow to wake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time of each of several hosts at the start, at least.
const MIN_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The time-out of the ping before an idle connection is used; at least as long as the
/// first connect took. Networks fail silently.
const PING_TIMEOUT: Duration = Duration::from_millis(250);

/// A setting that a session is begun with, and what asks for it. PgBouncer refuses it or
/// drops it, and a session of another client lacks it.
const SESSION_MARK: [(&str, &str); 1] = [("leadchat_inbox.own", "on")];
const HAS_SESSION_MARK: &str =
    "SELECT coalesce(current_setting('leadchat_inbox.own', true), '') = 'on'";

/// Connects once, and gives a pool of at most `connections`.
pub(super) async fn connect(
    settings: &PostgresSettings,
    connections: NonZeroUsize,
) -> Result<Connections, OpenError> {
    let PostgresSettings {
        place,
        credentials_files: _,
        target: _,
        search_path,
        pgbouncer,
        tls_files,
        connection_retry_interval,
    } = settings;
    let unreachable = |reason: &str| OpenError::Unreachable {
        setting: place.setting(),
        reason: format!("{reason} ({place})"),
    };
    let unreadable = |file: &&TlsFile| {
        let path = file.path.as_ref();
        path.is_some_and(|path| File::open(path).is_err())
    };
    if let Some(file) = tls_files.iter().find(unreadable) {
        return Err(unreachable(&format!(
            "the file of {} cannot be read",
            file.setting
        )));
    }
    let hosts = Hosts::new(settings);
    // A pool would try again and again, and then only say that time is up.
    let attempt_timeout = MIN_ATTEMPT_TIMEOUT.max(CONNECT_TIMEOUT / hosts.max_attempts());
    let first = match hosts.connect(attempt_timeout).await {
        Ok(connected) => connected,
        Err(error) if error.is_pooled => {
            return Err(OpenError::Pooled {
                setting: place.setting(),
                place: place.to_string(),
            });
        }
        Err(error) => return Err(unreachable(&error.reason)),
    };
    // A database that is far away takes longer to connect to, and no less the next time.
    let acquire_timeout = (first.took * 2).clamp(ACQUIRE_TIMEOUT, LONGEST_ACQUIRE_TIMEOUT);
    let connector = Connector {
        hosts,
        pgbouncer: *pgbouncer,
        connect_timeout: acquire_timeout,
        ping_timeout: first.took.clamp(PING_TIMEOUT, ACQUIRE_TIMEOUT),
        first: Mutex::new(Some(first.connection)),
        search_path: search_path
            .as_ref()
            .filter(|_| *pgbouncer)
            .map(|path| format!("; SET LOCAL search_path TO {path}").into()),
    };
    Connections::new(
        connector,
        connections,
        acquire_timeout,
        *connection_retry_interval,
    )
    .ok_or_else(|| unreachable("there is no timer"))
}

/// Connections that each have a session of their own, whatever is served through:
/// migrations take locks that last for a session.
pub(super) async fn connect_direct(settings: &PostgresSettings) -> Result<Connections, OpenError> {
    let direct = PostgresSettings {
        pgbouncer: false,
        ..settings.clone()
    };
    connect(&direct, NonZeroUsize::MIN).await
}

/// Begins one consistent whole: every statement sees what the first one saw.
pub(super) async fn begin<'c>(
    connection: &'c mut PgConnection,
    limits: &TimeLimits,
    encoding: Encoding,
    search_path: Option<&str>,
) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
    let settings = [
        NO_ROW_SECURITY,
        encoding.setting(),
        search_path.unwrap_or_default(),
    ];
    // Safe: numbers, constants, and names in quotes.
    let begin = AssertSqlSafe(limits.begin() + &settings.concat());
    connection.begin_with(begin).await
}

/// Row-level security would hide rows without a word. Switched off, it makes an error of
/// each statement that it would hide rows from.
const NO_ROW_SECURITY: &str = "; SET LOCAL row_security = off";

/// The name of a database's encoding.
pub(super) const ENCODING: &str = "SELECT CAST(getdatabaseencoding() AS text)";

/// Whether the collation ignores case, so that every mixture of cases lies between both
/// cases. Checked with single letters before others, and with all pairs that some
/// language treats as one letter or orders apart.
pub(super) const COLLATION: &str = "SELECT 'a' < 'B', bool_and(
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
