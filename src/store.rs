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

mod account_list;
mod assemble;
mod columns;
mod completeness;
mod derived;
mod encoding;
mod error;
mod grants;
mod inspection;
mod load;
mod look_ups;
mod looked;
mod migrations;
mod pace;
mod patience;
mod plan;
mod postgres;
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

pub use assemble::secrets::Losses;
pub use completeness::{Dangling, PartialTable};
pub use error::{OpenError, StoreError};
pub use grants::Grants;
pub use inspection::{Inspection, Migrations, Server};
pub use patience::Patience;
pub use postgres::{
    PostgresHost, PostgresParts, PostgresPlace, PostgresSettings, SearchPath, TargetSession,
    TlsFile,
};
pub use redis::{RedisPlace, RedisSettings, Sentinels, flags::RedisFlags};
pub use sample::Sampled;
pub use schema::Lacks;
use tokio::sync::watch;
use tracing::info;

use crate::leadchat::{Installation, Keys, avatar::Signer};
use assemble::secrets::Decryption;
use look_ups::Order;
use looked::Looked;
use plan::Plan;
use schema::Wanted;
use snapshot::{Argument, Pool, Row, Snapshot};
use statements::{Dialect, Statement};
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
    /// Whether our own table says which channels must be connected again.
    has_state_table: bool,
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
        Self::over(looked, has_flags, installation, keys).await
    }

    /// Over tables that lack nothing. Every statement is tried once.
    async fn over(
        looked: Looked,
        has_flags: bool,
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
            has_state_table: ownership == Ownership::Own && !has_flags,
            installation,
            signer: keys.signer,
            decryption: Decryption::new(keys.encryption),
        };
        store.verify_statements().await?;
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

    /// Whose tables these are.
    pub const fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// Runs one read: an attempt in a read-only transaction over one snapshot, with the
    /// statements for the tables as they are. There is another attempt, in a transaction of
    /// its own, where the tables have changed or the database has interrupted it.
    async fn read<O: ReadOperation>(
        &self,
        patience: &Patience,
        operation: &O,
    ) -> Result<O::Answer, StoreError> {
        let mut tries = self.tries(patience);
        loop {
            let plan = tries.plan();
            let answer = async {
                let mut connection = self.pool.acquire(patience).await?;
                let mut read = Read {
                    store: self,
                    plan: &plan,
                    snapshot: connection.begin(patience).await?,
                };
                let answer = operation.attempt(&mut read).await?;
                read.snapshot.end(&plan).await?;
                Ok(answer)
            };
            if let Some(answer) = tries.outcome(answer.await).await {
                return answer;
            }
        }
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

/// A read, as a value that can be attempted again. (An `async` closure over a borrowed
/// snapshot would say the same, but cannot be shown to be `Send`.)
trait ReadOperation: Sync {
    type Answer: Send;

    fn attempt(
        &self,
        read: &mut Read<'_>,
    ) -> impl Future<Output = Result<Self::Answer, StoreError>> + Send;
}

/// One attempt of a read.
struct Read<'a> {
    store: &'a Store,
    plan: &'a Plan,
    snapshot: Snapshot<'a>,
}

impl Read<'_> {
    async fn fetch<R: Row>(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<R>, StoreError> {
        self.snapshot.fetch(statement, arguments).await
    }
}
