//! How a store is opened: connect, probe, verify. And how own tables are made.

use std::{num::NonZeroUsize, path::Path};

use tracing::info;

use super::{
    DatabaseSettings, Ownership, Store,
    assemble::secrets::Decryption,
    error::open::OpenError,
    migrations, postgres,
    schema::probe::Probed,
    snapshot::{Pool, replan::Planner, retry::with_retries},
    sqlite,
};
use crate::{
    leadchat::{Installation, Keys},
    metrics::store::StoreMetrics,
};

impl Store {
    /// Connects, makes sure that the schema can be served, and says which store
    /// it is. SQLite is created and migrated as needed; PostgreSQL never is.
    /// `has_flags` says that leadchat's flags are read from Redis, also for an own
    /// database.
    pub async fn open(
        settings: &DatabaseSettings,
        connections: NonZeroUsize,
        has_flags: bool,
        installation: Installation,
        keys: Keys,
        metrics: &StoreMetrics,
    ) -> Result<Self, OpenError> {
        let probed = match settings {
            DatabaseSettings::Postgres(settings) => {
                settings.credentials_files.count(&metrics.files);
                let connections = postgres::connect(settings, connections).await?;
                let probed = Probed::at(Pool::Postgres(connections)).await?;
                let (ownership, pgbouncer) = (probed.ownership, settings.pgbouncer);
                info!(store = "postgres", ?ownership, pgbouncer, database = %settings, "store chosen");
                let is_secured = !probed.schema.missing.row_security.is_empty();
                if ownership == Ownership::Own && !is_secured {
                    require_current(&probed).await?;
                }
                probed.refuse_other_schema()?;
                probed
            }
            DatabaseSettings::Sqlite(path) => {
                let pool = Pool::Sqlite(sqlite::connect(path, connections).await?);
                migrations::migrate(&pool).await?;
                info!(store = "sqlite", path = %path.display(), "store chosen");
                Probed::at(pool).await?
            }
        };
        let missing = &probed.schema.missing;
        if !missing.is_empty() {
            return Err(OpenError::SchemaLacks(missing.clone()));
        }
        info!(omitted = %probed.schema.omitted_names(), "probed the schema");
        let mut store = Self::from_probed(probed, has_flags, installation, keys).await?;
        let pool = store.pool.clone();
        metrics.read_connections(move || pool.load());
        store.metrics = metrics.clone();
        Ok(store)
    }

    /// Over tables that lack nothing. Every statement is tried once.
    pub(super) async fn from_probed(
        probed: Probed,
        has_flags: bool,
        installation: Installation,
        keys: Keys,
    ) -> Result<Self, OpenError> {
        let ownership = probed.ownership;
        let store = Self {
            pool: probed.pool.clone(),
            planner: Planner::new(probed),
            ownership,
            has_state_table: ownership == Ownership::Own && !has_flags,
            installation,
            signer: keys.signer,
            decryption: Decryption::new(keys.encryption),
            metrics: StoreMetrics::default(),
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

    /// Brings an own PostgreSQL database up to date; refuses Rails' database.
    pub async fn migrate(settings: &DatabaseSettings) -> Result<(), OpenError> {
        let pool = match settings {
            DatabaseSettings::Postgres(settings) => {
                Pool::Postgres(postgres::connect_direct(settings).await?)
            }
            DatabaseSettings::Sqlite(path) => {
                Pool::Sqlite(sqlite::connect(path, NonZeroUsize::MIN).await?)
            }
        };
        migrations::migrate(&pool).await
    }
}

/// Whether every migration of this program was applied.
async fn require_current(probed: &Probed) -> Result<(), OpenError> {
    match with_retries(|| migrations::numbers(&probed.pool)).await? {
        (None, _) => Err(probed.not_empty().unwrap_or(OpenError::SchemaMissing)),
        (Some(applied), newest) if applied < newest => Err(OpenError::SchemaOld),
        _ => Ok(()),
    }
}
