//! Inspection of a database before it is served: owner, version, missing tables and
//! columns. Nothing is created, migrated or refused for what is missing.

pub(super) mod completeness;
pub(super) mod sample;

use std::num::NonZeroUsize;

use super::{
    DatabaseSettings, Ownership, Store,
    error::{StoreError, open::OpenError},
    migrations, postgres,
    schema::{
        Missing,
        probe::Probed,
        rows::{NumberRow, ServerRow},
    },
    snapshot::{Pool, retry::with_retries, rows::Row},
    sql::{Dialect, Statement},
    sqlite,
};
use crate::leadchat::{Installation, Keys, encryption::Encryption, features::Features};
use sample::Sampled;

/// Fewer than a service has: a check must not take connections from it.
const MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// A probed database.
pub struct Inspection {
    pub(super) probed: Probed,
    server: Server,
    migrations: Migrations,
}

/// The connections to a probed database.
pub struct Connections(Pool);

impl Connections {
    /// Closes them, once no read uses one.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// Facts that a database reports about itself; `None` for those it does not report.
#[derive(Clone, Debug, Default)]
pub struct Server {
    pub version: Option<String>,
    /// SQLite has no users.
    pub user: Option<String>,
    pub is_standby: bool,
    /// Whether transactions are read-only unless they say otherwise.
    pub is_read_only: bool,
}

/// How new its tables say they are.
#[derive(Clone, Copy, Debug)]
pub enum Migrations {
    /// Rails' newest version; `None` where this user may not read it.
    Rails(Option<i64>),
    /// The number of our newest migration that was applied, and of the newest
    /// there is.
    Own { applied: Option<i64>, newest: i64 },
}

impl Inspection {
    /// Connects, and probes the schema.
    pub async fn of(
        settings: &DatabaseSettings,
        connections: NonZeroUsize,
    ) -> Result<Self, OpenError> {
        let connections = connections.min(MAX_CONNECTIONS);
        let pool = match settings {
            DatabaseSettings::Postgres(settings) => {
                Pool::Postgres(postgres::connect(settings, connections).await?)
            }
            DatabaseSettings::Sqlite(path) => {
                let pool = Pool::Sqlite(sqlite::connect_to_existing(path, connections).await?);
                migrations::refuse_rails(&pool).await?;
                pool
            }
        };
        let probed = Probed::at(pool).await?;
        let migrations = with_retries(|| probed.migrations()).await?;
        if matches!(migrations, Migrations::Own { applied: None, .. }) {
            probed.not_empty().map_or(Ok(()), Err)?;
        }
        probed.refuse_other_schema()?;
        Ok(Self {
            server: with_retries(|| probed.server()).await?,
            migrations,
            probed,
        })
    }

    pub fn connections(&self) -> Connections {
        Connections(self.probed.pool.clone())
    }

    pub const fn ownership(&self) -> Ownership {
        self.probed.ownership
    }

    pub const fn server(&self) -> &Server {
        &self.server
    }

    pub const fn migrations(&self) -> Migrations {
        self.migrations
    }

    /// Schemas outside the search path with leadchat's tables or Rails' mark.
    pub fn other_schemas(&self) -> Vec<String> {
        let all = self.probed.table_schemas.iter();
        let others = all.filter(|schema| !schema.is_searched);
        others.map(|schema| schema.name.clone()).collect()
    }

    /// Required columns that are missing.
    pub const fn missing(&self) -> &Missing {
        &self.probed.schema.missing
    }

    /// Optional columns that are missing.
    pub fn omitted(&self) -> Missing {
        let mut omitted_names = Missing::default();
        for omitted in &self.probed.schema.omitted {
            let names = match omitted.number {
                Some(_) => &mut omitted_names.not_granted,
                None => &mut omitted_names.missing,
            };
            names.push(format!("{}.{}", omitted.table, omitted.column));
        }
        omitted_names
    }

    pub fn features(&self) -> Features {
        self.probed.schema.features()
    }

    /// Tries keys on some rows.
    pub async fn sample(&self, encryption: &Encryption) -> Result<Vec<Sampled>, StoreError> {
        self.probed.sample(encryption).await
    }

    /// The store, if nothing is lacking.
    pub async fn store(
        self,
        has_flags: bool,
        installation: Installation,
        keys: Keys,
    ) -> Result<Store, OpenError> {
        if !self.missing().is_empty() {
            return Err(OpenError::SchemaLacks(self.missing().clone()));
        }
        Store::from_probed(self.probed, has_flags, installation, keys).await
    }
}

impl Probed {
    async fn server(&self) -> Result<Server, StoreError> {
        let sql = match self.dialect {
            Dialect::Postgres => SERVER_ON_POSTGRES,
            Dialect::Sqlite => SERVER_ON_SQLITE,
        };
        let rows: Vec<ServerRow> = self.asked(sql).await?;
        let Some(row) = rows.first() else {
            return Ok(Server::default());
        };
        let text = |text: Result<Option<&str>, _>| text.ok().flatten().map(ToOwned::to_owned);
        Ok(Server {
            version: text(row.version.text()),
            user: text(row.user_name.text()),
            is_standby: matches!(row.standby.get(), Ok(Some(true))),
            is_read_only: matches!(row.read_only.get(), Ok(Some(true))),
        })
    }

    async fn migrations(&self) -> Result<Migrations, StoreError> {
        match self.ownership {
            Ownership::Own => {
                let (applied, newest) = migrations::numbers(&self.pool).await?;
                Ok(Migrations::Own { applied, newest })
            }
            Ownership::Attached => {
                let is_granted = self.number(RAILS_VERSION_IS_GRANTED).await?.is_some();
                let version = if is_granted {
                    self.number(RAILS_VERSION).await?
                } else {
                    None
                };
                Ok(Migrations::Rails(version))
            }
        }
    }

    async fn number(&self, sql: &str) -> Result<Option<i64>, StoreError> {
        let rows: Vec<NumberRow> = self.asked(sql).await?;
        Ok(rows.first().and_then(|row| row.number.get().ok()?.copied()))
    }

    async fn asked<R: Row>(&self, sql: &str) -> Result<Vec<R>, StoreError> {
        self.pool.ask(&Statement::of_catalog(sql), &[]).await
    }
}

const SERVER_ON_POSTGRES: &str = "SELECT current_setting('server_version') AS version,
    CAST(current_user AS text) AS user_name, pg_is_in_recovery() AS standby,
    CAST(current_setting('default_transaction_read_only') AS boolean) AS read_only";

const SERVER_ON_SQLITE: &str = "SELECT sqlite_version() AS version, NULL AS user_name,
    false AS standby, false AS read_only";

/// Asked first, because PostgreSQL would log a refusal.
const RAILS_VERSION_IS_GRANTED: &str = "SELECT CAST(a.attnum AS bigint) AS number
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = to_regclass('schema_migrations') AND a.attname = 'version'
        AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
        AND NOT row_security_active(a.attrelid)";

/// Rails' versions are points in time; any other is ignored.
const RAILS_VERSION: &str = "SELECT CAST(max(version) AS bigint) AS number
    FROM schema_migrations WHERE CAST(version AS text) ~ '^[0-9]{1,18}$'";
