//! Rows become domain values.
//!
//! [`Store`] reads an account, some inboxes of it, or the inboxes that own an address.
//! Each read is one snapshot: a read-only transaction with a constant number of
//! statements. The statements are made for the tables as they are, and anew when these
//! change. The same rows, statements and assembly serve PostgreSQL and SQLite. Differences
//! are in `postgres`, `sqlite` and the matches on `Dialect` or `Pool`. Flags that Rails
//! keeps in Redis are read after the transaction.
//!
//! This is the one place that seals: `assemble` decides what of a row is for
//! administrators. Rights are decided in the domain alone.

mod assemble;
mod credentials;
mod data_version;
mod error;
mod fingerprint;
mod grants;
mod inspect;
mod load;
mod migrations;
mod open;
mod postgres;
mod redis;
mod schema;
mod secret_file;
mod snapshot;
mod sql;
mod sqlite;
mod tls;

use std::{fmt, path::PathBuf};

use tokio::sync::watch;

use crate::{
    leadchat::{Installation, avatar::Signer},
    metrics::store::StoreMetrics,
};
use assemble::secrets::Decryption;
pub use assemble::secrets::DecryptionFailures;
pub use credentials::{Credentials, CredentialsFile, CredentialsFiles};
pub use data_version::DataVersion;
pub use error::{StoreError, open::OpenError};
pub use grants::Grants;
pub use inspect::{
    Inspection, Migrations, Server,
    completeness::{Dangling, PartialTable},
    sample::Sampled,
};
pub use postgres::{
    PostgresHost, PostgresParts, PostgresPlace, PostgresSettings, SearchPath, TargetSession,
    TlsFile,
};
pub use redis::{RedisAddress, RedisSettings, Sentinels, flags::RedisFlags};
pub use schema::Missing;
pub use secret_file::{SecretFile, SecretFileError, SecretReading};
pub use snapshot::context::ReadContext;
use snapshot::{
    Pool, Snapshot,
    replan::{Attempts, Planner},
    rows::{Row, Rows},
};
use sql::{Argument, Statement, plan::Plan};

/// Log targets of sqlx that may quote a row or a password.
pub const UNLOGGED_TARGETS: [&str; 3] = [
    // Notices of PostgreSQL, whose texts any function may choose.
    "sqlx::postgres::notice",
    // Errors of connections, with the database's own texts.
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
    planner: Planner,
    ownership: Ownership,
    /// Whether our own table says which channels must be connected again.
    has_state_table: bool,
    installation: Installation,
    signer: Option<Signer>,
    decryption: Decryption,
    metrics: StoreMetrics,
}

/// The owner of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Rails writes them; this service never changes them.
    Attached,
    /// Made by our migrations.
    Own,
}

impl Store {
    /// The counts of values that cannot be decrypted.
    pub fn decryption_failures(&self) -> DecryptionFailures {
        self.decryption.decryption_failures()
    }

    /// How many connections reads can have, as far as is known; changes as more or fewer
    /// are had.
    pub fn connections(&self) -> watch::Receiver<usize> {
        self.pool.available()
    }

    /// Whether the database answers: one statement, in a snapshot like any read.
    pub async fn probe(&self, context: &ReadContext) -> Result<(), StoreError> {
        self.read(context, &Probe).await
    }

    /// The owner of the tables.
    pub const fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// Runs one read: an attempt in a read-only transaction over one snapshot, with the
    /// statements for the tables as they are. There is another attempt, in a transaction of
    /// its own, where the tables have changed or the database has interrupted it.
    async fn read<O: ReadOperation>(
        &self,
        context: &ReadContext,
        operation: &O,
    ) -> Result<O::Output, StoreError> {
        let mut attempts = Attempts::new(&self.planner, context);
        loop {
            let plan = attempts.plan();
            let answer = async {
                let mut connection = self.pool.acquire(context).await?;
                let mut read = Read {
                    store: self,
                    plan: &plan,
                    snapshot: connection.begin(context).await?,
                };
                if context.requires_primary() {
                    read.snapshot.require_primary().await?;
                }
                let answer = operation.attempt(&mut read).await?;
                read.snapshot.end(&plan.is_current).await?;
                Ok(answer)
            };
            if let Some(answer) = attempts.next_attempt(answer.await).await {
                return answer;
            }
        }
    }
}

/// A read, as a value that can be attempted again. (An `async` closure over a borrowed
/// snapshot would say the same, but cannot be shown to be `Send`.)
trait ReadOperation: Sync {
    type Output: Send;

    fn attempt(
        &self,
        read: &mut Read<'_>,
    ) -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}

/// A read of nothing.
struct Probe;

impl ReadOperation for Probe {
    type Output = ();

    async fn attempt(&self, _: &mut Read<'_>) -> Result<(), StoreError> {
        Ok(())
    }
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

    async fn fetch_undecoded(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Rows, StoreError> {
        self.snapshot.fetch_undecoded(statement, arguments).await
    }
}
