//! Errors of a database.
//!
//! A database's own message may quote a value, so none is kept for the log: only
//! its SQLSTATE, or what kind of failure it was.

pub(super) mod open;

use std::io;

use sqlx::{error::DatabaseError, postgres::PgDatabaseError};

use super::tls;

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, too slow, or turning this connection down.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The call was cancelled.
    #[error("the call was cancelled")]
    Cancelled,
    /// The database is a hot standby, and the read requires a primary.
    #[error("the database is a hot standby")]
    Standby,
    /// The database refused a statement, or a row was not as expected.
    #[error("the database answered something unexpected: {0}")]
    Unexpected(String),
    /// The tables are not those that a statement was made for. Known within the
    /// store alone, which tries again.
    #[error(transparent)]
    StalePlan(#[from] StalePlan),
    /// The database interrupted the read; another attempt may succeed. Known within the
    /// store alone, which makes one.
    #[error("the database does not answer: {reason}")]
    Interrupted { cause: Interruption, reason: String },
}

/// Why a read was interrupted, through no fault of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// A standby had to replay what its primary did.
    Conflict,
    /// A table was locked, by a migration say.
    Lock,
    /// The connection was lost.
    Connection,
}

/// How a statement turned out to be made for other tables.
#[derive(Debug, thiserror::Error)]
pub enum StalePlan {
    /// A table or column is not there, or not granted.
    #[error("{0}")]
    Refused(String),
    /// The database has planned it, and finds that the plan no longer holds.
    #[error("{0}")]
    Planned(String),
    /// It was answered, but not from the tables as they are.
    #[error("the schema changed during every attempt")]
    SchemaChanged,
}

impl StoreError {
    /// A failure of a read of a table, which is named: it may be one that is
    /// missing, or not granted.
    pub(super) fn reading(table: &str, error: &sqlx::Error) -> Self {
        let reason = format!("{} (reading {table})", describe(error));
        if is_refusal(error) {
            StalePlan::Refused(reason).into()
        } else if is_stale(error) {
            StalePlan::Planned(reason).into()
        } else {
            Self::classify(error, reason)
        }
    }

    /// By whether it may pass.
    fn classify(error: &sqlx::Error, reason: String) -> Self {
        if let Some(cause) = interruption(error) {
            Self::Interrupted { cause, reason }
        } else if is_transient(error) {
            Self::Unavailable(reason)
        } else {
            Self::Unexpected(reason)
        }
    }

    /// A failure to get a connection or a snapshot: whatever is in the way, it says
    /// nothing of the read.
    pub(super) fn before_reading(error: &sqlx::Error) -> Self {
        let reason = describe(error);
        match interruption(error) {
            Some(cause) => Self::Interrupted { cause, reason },
            None => Self::Unavailable(reason),
        }
    }

    /// The final error, when there is no further attempt.
    pub(super) fn into_final(self) -> Self {
        match self {
            Self::StalePlan(StalePlan::Refused(reason) | StalePlan::Planned(reason)) => {
                Self::Unexpected(reason)
            }
            Self::StalePlan(cause @ StalePlan::SchemaChanged) => {
                Self::Unavailable(cause.to_string())
            }
            Self::Interrupted { reason, .. } => Self::Unavailable(reason),
            other => other,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::classify(&error, describe(&error))
    }
}

/// The errors that the pool passes on if a session may not be used.
pub(super) const POOLED_SESSION: &str =
    "its sessions are shared, as by PgBouncer; that needs --pgbouncer or PGBOUNCER=true";
pub(super) const WRONG_TARGET: &str = "it is not the kind of server that target_session_attrs \
    requires; correct the hosts or target_session_attrs in the URL";

/// The description of an error, without the database's own text.
pub(super) fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // SQLite's codes that operators see.
            Some("8" | "264" | "520" | "776") => "the file may not be written".to_owned(),
            // The second one is of the file `-shm`.
            Some("13" | "4874") => "the disk is full".to_owned(),
            Some("14") => "the file cannot be opened; is its folder there?".to_owned(),
            Some("26") => "the file is no SQLite database".to_owned(),
            // PostgreSQL's.
            Some("28P01") => "it refuses the user or the password".to_owned(),
            Some("28000") => "it does not admit this user in this way: pg_hba.conf may ask for \
                another user, for TLS (sslmode) or for a certificate (sslcert, sslkey)"
                .to_owned(),
            Some("3D000") => "it has no such database".to_owned(),
            Some("08P01") => format!(
                "it ends the connection{}",
                pgbouncer_reason(error.message())
            ),
            Some("22021" | "22P05") => "it has a text that it cannot convert to UTF-8: bytes that \
                are none of its encoding, or have no equivalent"
                .to_owned(),
            Some("25006") => "it is read-only: a standby, or default_transaction_read_only \
                is on for the user or the database"
                .to_owned(),
            Some("53300") => "it allows no more connections: CONNECTION LIMIT of the user or the \
                database, or max_connections"
                .to_owned(),
            Some("57P03") => "it takes no connections at present: it starts, stops, or is a \
                standby without hot_standby"
                .to_owned(),
            Some("40001") => "it had to replay a change of its primary (code 40001)".to_owned(),
            Some("3F000") => "no schema of the search path exists (schema_search_path, \
                POSTGRES_SCHEMA)"
                .to_owned(),
            Some("42P01") => "there is no such table".to_owned(),
            Some("42703") => "a column is missing".to_owned(),
            Some("42501") if is_of_row_security(error.as_ref()) => "row-level security may hide \
                rows of it from this user"
                .to_owned(),
            Some("42501") if is_of_connect(error.as_ref()) => {
                "this user may not connect to it; as \
                the owner of the database: GRANT CONNECT ON DATABASE ... TO the user"
                    .to_owned()
            }
            Some("42501") => "it may not be read by this user".to_owned(),
            Some(code) => format!("code {code}"),
            None => "error without a code".to_owned(),
        },
        sqlx::Error::Io(error) => tls_failure(error).unwrap_or_else(|| describe_io(error)),
        sqlx::Error::Tls(error) if error.to_string() == NO_TLS => {
            "it offers no TLS, and sslmode asks for it".to_owned()
        }
        sqlx::Error::Tls(error) => error.downcast_ref::<rustls::Error>().map_or_else(
            || "TLS failed; its files may not be what they should be".to_owned(),
            |cause| tls::POSTGRES.describe(cause),
        ),
        sqlx::Error::PoolTimedOut => "no connection within the time allowed".to_owned(),
        sqlx::Error::PoolClosed => "the pool is closed".to_owned(),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} has another type"),
        sqlx::Error::ColumnNotFound(column) => format!("column {column} is missing"),
        sqlx::Error::Protocol(text) if [POOLED_SESSION, WRONG_TARGET].contains(&text.as_str()) => {
            text.clone()
        }
        _ => "protocol error".to_owned(),
    }
}

/// The description of a failed connection, to a database or to Redis.
pub(super) fn describe_io(error: &io::Error) -> String {
    let kind = error.kind().to_string();
    match error.raw_os_error() {
        _ if !kind.starts_with("uncat") => kind,
        // For instance, too many open files.
        Some(_) => error.to_string(),
        // A failed name lookup has no kind and no number.
        None => "the host is not found".to_owned(),
    }
}

/// Whether a statement was refused because a policy would hide rows. The SQLSTATE is that
/// of any missing right, and the message is in the server's language.
fn is_of_row_security(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.and_then(PgDatabaseError::routine) == Some("check_enable_rls")
}

/// The message of sqlx when a server declines TLS.
const NO_TLS: &str = "server does not support TLS";

/// Why TLS failed, if that is the error.
fn tls_failure(error: &io::Error) -> Option<String> {
    let cause = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(tls::POSTGRES.describe(cause))
}

/// Whether the right to CONNECT is missing. The routine shows it, because the message may
/// be in any language.
fn is_of_connect(error: &dyn DatabaseError) -> bool {
    error
        .try_downcast_ref::<PgDatabaseError>()
        .is_some_and(|error| error.routine() == Some("CheckMyDatabase"))
}

/// Messages of PgBouncer, which hold no values. PgBouncer has one code for all reasons to
/// end a connection.
fn pgbouncer_reason(message: &str) -> &'static str {
    const WORDS: [(&str, &str); 10] = [
        (
            "unsupported startup parameter: options",
            ": PgBouncer takes no options (PGOPTIONS, or options in the URL); \
             schema_search_path sets a search path",
        ),
        ("no such database", ": PgBouncer has no such database"),
        ("database \"", ": PgBouncer's server has no such database"),
        (
            "transaction blocks not allowed",
            ": PgBouncer's statement mode has no transactions",
        ),
        ("no such user", ": PgBouncer knows no such user"),
        ("server login", ": PgBouncer is refused by its server"),
        (
            "pgbouncer cannot connect",
            ": PgBouncer cannot reach its server",
        ),
        (
            "bouncer config error",
            ": PgBouncer is not set up for this user or database",
        ),
        (
            "query_wait_timeout",
            ": PgBouncer had no session within its query_wait_timeout",
        ),
        ("server conn crashed", ": PgBouncer lost its server"),
    ];
    WORDS
        .iter()
        .find(|(begin, _)| message.starts_with(begin))
        .map_or(" (code 08P01)", |(_, words)| words)
}

/// Why a read was interrupted, if another attempt may succeed.
fn interruption(error: &sqlx::Error) -> Option<Interruption> {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref()? {
            // A standby ends a statement that is in the way of what it replays, and the
            // connection of a transaction that is between two statements.
            "40001" | "40P01" => Some(Interruption::Conflict),
            "55P03" => Some(Interruption::Lock),
            // It stopped, crashed, or held the connection to be idle; PgBouncer lost it.
            "57P01" | "57P02" | "25P03" | "08P01" | "08006" | "08003" => {
                Some(Interruption::Connection)
            }
            _ => None,
        },
        sqlx::Error::Io(_) => Some(Interruption::Connection),
        _ => None,
    }
}

/// Whether a table or a column is not there, or not for this user. (SQLite has one
/// code for all that is wrong with a statement.)
fn is_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        let message = error.message();
        match error.code().as_deref() {
            Some("42P01" | "42703" | "42501") => true,
            Some("1") => {
                message.starts_with("no such column") || message.starts_with("no such table")
            }
            _ => false,
        }
    })
}

/// Whether a database's plan of a statement no longer holds: of PostgreSQL
/// "cached plan must not change result type", of SQLite "schema has changed".
fn is_stale(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| matches!(error.code().as_deref(), Some("0A000" | "17")))
}

/// Whether PostgreSQL cannot convert a text to the encoding of its database.
pub(super) fn is_not_encodable(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| matches!(error.code().as_deref(), Some("22P05" | "22021")))
}

/// Whether the same read may succeed a little later, where it was not [`interruption`].
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // PostgreSQL: connection exceptions, rollbacks, too few resources,
            // operator intervention (a shutdown, a statement cut off).
            // SQLite: busy and locked, and locks that no reader gets.
            ["08", "25P", "40", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class))
                && code.len() == 5
                || matches!(code.as_ref(), "5" | "6" | "15" | "261" | "262" | "517")
        }),
        sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => false,
    }
}
