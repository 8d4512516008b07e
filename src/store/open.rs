//! How a store is opened: connect, probe, verify. And how own tables are made.

use std::{num::NonZeroUsize, path::Path};

use tracing::info;

use super::{
    DatabaseSettings, Ownership, Store,
    assemble::secrets::Decryption,
    error::open::OpenError,
    migrations, postgres,
    schema::probe::Looked,
    snapshot::{Pool, replan::Planner, retry::retried},
    sqlite,
};
use crate::leadchat::{Installation, Keys};

impl Store {
    /// Connects, makes sure that the schema can be served, and says which store
    /// it is. SQLite is created and migrated as needed; PostgreSQL never is.
    /// `has_flags` says that leadchat's flags are read from Redis, also for an own store.
    pub async fn open(
        settings: &DatabaseSettings,
        connections: NonZeroUsize,
        has_flags: bool,
        installation: Installation,
        keys: Keys,
    ) -> Result<Self, OpenError> {
        let looked = match settings {
            DatabaseSettings::Postgres(settings) => {
                let connections = postgres::connect(settings, connections).await?;
                let looked = Looked::at(Pool::Postgres(connections)).await?;
                let (ownership, pgbouncer) = (looked.ownership, settings.pgbouncer);
                info!(store = "postgres", ?ownership, pgbouncer, database = %settings, "store chosen");
                let is_secured = !looked.schema.lacks.row_security.is_empty();
                if ownership == Ownership::Own && !is_secured {
                    require_current(&looked).await?;
                }
                looked.refuse_other_schema()?;
                looked
            }
            DatabaseSettings::Sqlite(path) => {
                let pool = Pool::Sqlite(sqlite::connect(path, connections).await?);
                migrations::migrate(&pool).await?;
                info!(store = "sqlite", path = %path.display(), "store chosen");
                Looked::at(pool).await?
            }
        };
        let lacks = &looked.schema.lacks;
        if !lacks.is_empty() {
            return Err(OpenError::SchemaLacks(lacks.clone()));
        }
        info!(left_out = %looked.schema.left_out(), "tables looked at");
        Self::over(looked, has_flags, installation, keys).await
    }

    /// Over tables that lack nothing. Every statement is tried once.
    pub(super) async fn over(
        looked: Looked,
        has_flags: bool,
        installation: Installation,
        keys: Keys,
    ) -> Result<Self, OpenError> {
        let ownership = looked.ownership;
        let store = Self {
            pool: looked.pool.clone(),
            planner: Planner::new(looked),
            ownership,
            has_state_table: ownership == Ownership::Own && !has_flags,
            installation,
            signer: keys.signer,
            decryption: Decryption::new(keys.encryption),
        };
        store.verify_statements().await?;
        Ok(store)
    }

    /// Runs a script of `INSERT`s on an SQLite file, for demonstration data.
    pub async fn fill_sqlite(path: &Path, script: &'static str) -> Result<(), OpenError> {
        let pool = sqlite::connect_without_statement_logging(path, NonZeroUsize::MIN).await?;
        migrations::migrate(&Pool::Sqlite(pool.clone())).await?;
        sqlx::raw_sql(script)
            .execute(&pool)
            .await
            .map_err(OpenError::from)?;
        pool.close().await;
        Ok(())
    }

    /// Brings an own PostgreSQL store up to date; refuses Rails' database.
    pub async fn migrate(settings: &DatabaseSettings) -> Result<(), OpenError> {
        let pool = match settings {
            DatabaseSettings::Postgres(settings) => {
                Pool::Postgres(postgres::connect_straight(settings).await?)
            }
            DatabaseSettings::Sqlite(path) => {
                Pool::Sqlite(sqlite::connect(path, NonZeroUsize::MIN).await?)
            }
        };
        migrations::migrate(&pool).await
    }
}

/// Whether every migration of this program was applied.
async fn require_current(looked: &Looked) -> Result<(), OpenError> {
    match retried(|| migrations::numbers(&looked.pool)).await? {
        (None, _) => Err(looked.not_empty().unwrap_or(OpenError::SchemaMissing)),
        (Some(applied), newest) if applied < newest => Err(OpenError::SchemaOld),
        _ => Ok(()),
    }
}
