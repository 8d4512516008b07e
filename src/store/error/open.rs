//! Why a store cannot be opened or migrated.

use super::{StoreError, describe};
use crate::store::schema::Missing;

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
    #[error(
        "{setting}: sessions of the database are shared, as by PgBouncer ({place}); \
         that needs --pgbouncer or PGBOUNCER=true, and `migrate` the database itself"
    )]
    Pooled {
        setting: &'static str,
        place: String,
    },
    #[error("DATABASE_URL: the tables cannot be read as leadchat's: {0}")]
    SchemaUnreadable(StoreError),
    #[error("DATABASE_URL: the tables are not all that leadchat has; {0}")]
    SchemaLacks(Missing),
    #[error(
        "DATABASE_URL: this database is Rails' (it has the table ar_internal_metadata); \
         it is served as it is and never migrated"
    )]
    RailsDatabase,
    /// Schemas, as words.
    #[error(
        "DATABASE_URL: this database has leadchat's or Rails' tables in {0}, outside the search \
         path; set schema_search_path in the URL or POSTGRES_SCHEMA, and GRANT USAGE on the \
         schema to this user. Such a database is never migrated"
    )]
    TablesElsewhere(String),
    #[error(
        "DATABASE_URL: {0} of this database has leadchat's tables, but not Rails' table \
         ar_internal_metadata, and no migration of this program made them; to have them served, \
         copy that table too"
    )]
    TablesUnmarked(String),
    #[error("DATABASE_URL: the migration failed: {0}")]
    Migration(String),
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
