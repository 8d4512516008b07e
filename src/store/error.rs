//! What can go wrong with a database.
//!
//! A database's own message may quote a value, so none is kept for the log: only
//! its SQLSTATE, or what kind of failure it was.

use super::schema::Lacks;

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, too slow, or turning this connection down.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// Nobody waits for it any more.
    #[error("nobody waits for the answer")]
    Abandoned,
    /// The database refused a statement, or a row was not as expected.
    #[error("the database answered something unexpected: {0}")]
    Fault(String),
    /// The tables are not those that a statement was made for. Known within the
    /// store alone, which tries again.
    #[error(transparent)]
    Outdated(#[from] Outdated),
}

/// How a statement turned out to be made for other tables.
#[derive(Debug, thiserror::Error)]
pub enum Outdated {
    /// A table or column is not there, or not granted.
    #[error("{0}")]
    Refused(String),
    /// The database has planned it, and finds that the plan no longer holds.
    #[error("{0}")]
    Planned(String),
    /// It was answered, but not from the tables as they are.
    #[error("the tables kept changing")]
    Unsteady,
}

/// Why a store cannot be opened or migrated. Texts are for the operator and
/// name no password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{setting}: cannot reach the database: {reason}")]
    Unreachable {
        setting: &'static str,
        reason: String,
    },
    #[error(
        "DATABASE_URL: the database has none of leadchat's tables; \
         create them with `leadchat-inbox migrate`"
    )]
    SchemaMissing,
    #[error(
        "DATABASE_URL: the database's tables are older than this program; \
         bring them up to date with `leadchat-inbox migrate`"
    )]
    SchemaOld,
    #[error("DATABASE_URL: the tables cannot be read as leadchat's: {0}")]
    SchemaUnreadable(StoreError),
    #[error("DATABASE_URL: the tables are not all that leadchat has; {0}")]
    SchemaLacks(Lacks),
    #[error(
        "DATABASE_URL: this database is Rails' (it has the table ar_internal_metadata); \
         it is served as it is and never migrated"
    )]
    RailsDatabase,
    #[error("DATABASE_URL: the migration failed: {0}")]
    Migration(String),
}

impl StoreError {
    /// A failure of a read of a table, which is named: it may be one that is
    /// missing, or not granted.
    pub(super) fn reading(table: &str, error: &sqlx::Error) -> Self {
        let reason = format!("{} (reading {table})", describe(error));
        if is_transient(error) {
            Self::Unavailable(reason)
        } else if is_refusal(error) {
            Outdated::Refused(reason).into()
        } else if is_stale(error) {
            Outdated::Planned(reason).into()
        } else {
            Self::Fault(reason)
        }
    }

    /// What it is when there is no further try.
    pub(super) fn settled(self) -> Self {
        match self {
            Self::Outdated(Outdated::Refused(reason) | Outdated::Planned(reason)) => {
                Self::Fault(reason)
            }
            Self::Outdated(cause @ Outdated::Unsteady) => Self::Unavailable(cause.to_string()),
            other => other,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let reason = describe(&error);
        if is_transient(&error) {
            Self::Unavailable(reason)
        } else {
            Self::Fault(reason)
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::SchemaUnreadable(error)
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::SchemaUnreadable(error.into())
    }
}

impl From<sqlx::migrate::MigrateError> for OpenError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Migration(match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => describe(&error),
            other => other.to_string(),
        })
    }
}

/// What happened, without a word of the database's own.
pub(super) fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // SQLite's, as an operator meets them.
            Some("8" | "264" | "520" | "776") => "the file may not be written".to_owned(),
            Some("13") => "the disk is full".to_owned(),
            Some("14") => "the file cannot be opened; is its folder there?".to_owned(),
            Some("26") => "the file is no SQLite database".to_owned(),
            // PostgreSQL's.
            Some("28P01" | "28000") => "it refuses the user or the password".to_owned(),
            Some("3D000") => "it has no such database".to_owned(),
            Some("42P01") => "there is no such table".to_owned(),
            Some("42703") => "a column is missing".to_owned(),
            Some("42501") => "it may not be read by this user".to_owned(),
            Some(code) => format!("code {code}"),
            None => "error without a code".to_owned(),
        },
        sqlx::Error::Io(error) => match error.kind() {
            // A name that is looked up in vain has no kind, and no number.
            kind if error.raw_os_error().is_none() && kind.to_string().starts_with("uncat") => {
                "the host is not found".to_owned()
            }
            kind => kind.to_string(),
        },
        sqlx::Error::Tls(_) => "TLS failed".to_owned(),
        sqlx::Error::PoolTimedOut => "no connection within the time allowed".to_owned(),
        sqlx::Error::PoolClosed => "the pool is closed".to_owned(),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} has another type"),
        sqlx::Error::ColumnNotFound(column) => format!("column {column} is missing"),
        _ => "protocol error".to_owned(),
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

/// Whether the same read may succeed a little later.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // PostgreSQL: connection exceptions, rollbacks, too few resources,
            // operator intervention (a shutdown, a statement cut off), locks.
            // SQLite: busy and locked.
            ["08", "40", "53", "57", "55P03"]
                .iter()
                .any(|class| code.starts_with(class))
                && code.len() == 5
                || matches!(code.as_ref(), "5" | "6" | "261" | "262" | "517")
        }),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => false,
    }
}
