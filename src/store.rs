//! Rows become domain values.
//!
//! [`Store`] reads an account, some inboxes of it, or the inboxes that own an
//! address, as one consistent whole: a read-only transaction with a constant
//! number of statements. The statements are made for the tables as they are, and
//! anew when these change. The same rows, statements and assembly serve PostgreSQL
//! and SQLite; what differs between the two is in `postgres` and `sqlite`. What
//! Rails keeps in Redis alone comes from there, once the transaction has ended.
//!
//! This is the one place that seals: `assemble` decides what of a row is for
//! administrators. Who asks, and what they may see, is not known here.

mod accounts;
mod assemble;
mod channel_tables;
mod channels;
mod columns;
mod completeness;
mod decryption;
mod derived;
mod encoding;
mod error;
mod find;
mod grants;
mod inspection;
mod look_ups;
mod looked;
mod migrations;
mod pace;
mod patience;
mod plan;
mod postgres;
mod read;
mod reading;
mod reauthorizations;
mod redis;
mod retries;
mod rows;
mod sample;
mod schema;
mod snapshot;
mod sqlite;
mod statements;
mod table_schemas;
mod tls;
mod tries;

use std::{
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

pub use completeness::{Dangling, PartialTable};
pub use decryption::Losses;
pub use error::{OpenError, StoreError};
pub use grants::Grants;
pub use inspection::{Inspection, Migrations, Server};
pub use patience::Patience;
pub use postgres::{
    PostgresHost, PostgresParts, PostgresPlace, PostgresSettings, SearchPath, TargetSession,
    TlsFile,
};
pub use redis::{RedisPlace, RedisSettings, Sentinels};
pub use sample::Sampled;
pub use schema::Lacks;
use tokio::sync::watch;
use tracing::info;

use crate::leadchat::{Installation, Keys, avatar::Signer};
use decryption::Decryption;
use look_ups::Order;
use looked::Looked;
use plan::Plan;
use redis::Redis;
use schema::Wanted;
use snapshot::Pool;
use statements::Dialect;
use tries::Plans;

/// What may quote a row or a password, and is not for any log: the targets that
/// sqlx tells it under.
pub const UNLOGGED_TARGETS: [&str; 3] = [
    // What PostgreSQL says by itself, in words that anyone may have chosen.
    "sqlx::postgres::notice",
    // What went wrong with a connection, in a database's own words.
    "sqlx_core::pool",
    // Parameters of a connection, and lines of a `.pgpass`, that it cannot read.
    "sqlx_postgres::options",
];

/// Which database to use.
#[derive(Clone, Debug)]
pub enum DatabaseSettings {
    Postgres(PostgresSettings),
    /// The path of the file; created when missing.
    Sqlite(PathBuf),
}

/// Never a password.
impl fmt::Display for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(settings) => settings.fmt(f),
            Self::Sqlite(path) => path.display().fmt(f),
        }
    }
}

/// Inboxes in a database.
pub struct Store {
    pool: Pool,
    dialect: Dialect,
    order: Order,
    wanted: Wanted,
    plans: Plans,
    ownership: Ownership,
    /// Where Rails keeps what it keeps in no table.
    redis: Option<Redis>,
    installation: Installation,
    signer: Option<Signer>,
    decryption: Decryption,
}

/// Whose tables these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Rails writes them; this service never changes them.
    Attached,
    /// Made by our migrations.
    Own,
}

impl Store {
    /// Connects, makes sure that the schema can be served, and says which store
    /// it is. SQLite is created and migrated as needed; PostgreSQL never is.
    /// Redis may be away.
    pub async fn open(
        settings: &DatabaseSettings,
        connections: NonZeroUsize,
        redis: Option<RedisSettings>,
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
                    migrations::require_current(&looked).await?;
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
        Self::over(looked, redis, installation, keys).await
    }

    /// Over tables that lack nothing. Every statement is tried once.
    async fn over(
        looked: Looked,
        redis: Option<RedisSettings>,
        installation: Installation,
        keys: Keys,
    ) -> Result<Self, OpenError> {
        let Looked {
            pool,
            dialect,
            order,
            ownership,
            wanted,
            schema,
            table_schemas: _,
        } = looked;
        let store = Self {
            pool,
            dialect,
            order,
            wanted,
            plans: Plans::new(Plan::new(dialect, order, schema, 0)),
            ownership,
            redis: reauthorizations::source(redis, ownership).await,
            installation,
            signer: keys.signer,
            decryption: Decryption::new(keys.encryption),
        };
        store.try_statements().await?;
        Ok(store)
    }

    /// What becomes known of values that cannot be decrypted.
    pub fn losses(&self) -> Losses {
        self.decryption.losses()
    }

    /// How many connections reads can have, as far as is known; changes as more or fewer
    /// are had.
    pub fn connections(&self) -> watch::Receiver<usize> {
        self.pool.available()
    }

    /// Why Redis refuses to tell flags, if it does, in a few words.
    pub fn redis_refusals(&self) -> Option<String> {
        self.redis.as_ref().and_then(Redis::refusals)
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
