//! One read-only transaction, on either database.

pub(super) mod context;
pub(super) mod replan;
pub(super) mod retry;
pub(super) mod rows;
pub(super) mod time_limits;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Connection as _, Postgres, Sqlite, SqlitePool, Transaction, pool::PoolConnection,
};
use tokio::{sync::watch, time::timeout};

use super::{
    error::{Interruption, StalePlan, StoreError, is_not_encodable},
    postgres::{self, PooledConnection, encoding::Encoding},
    schema::rows::{PlanCurrentRow, StandbyRow},
    sql::{Argument, Statement},
};
use crate::metrics::store::ConnectionLoad;
use context::ReadContext;
use rows::{Row, Rows, SentRows};
use time_limits::TimeLimits;

/// The connections to a database.
#[derive(Clone)]
pub(super) enum Pool {
    Postgres(postgres::Connections),
    Sqlite(SqlitePool),
}

/// A connection to a database.
pub(super) enum Connection {
    Postgres(PooledConnection),
    Sqlite(PoolConnection<Sqlite>),
}

/// The committed state at the time of the snapshot.
pub(super) struct Snapshot<'c> {
    transaction: ActiveTransaction<'c>,
    context: &'c ReadContext,
    /// A bit for each table that statements have named so far.
    tables: i64,
}

enum ActiveTransaction<'c> {
    Postgres {
        transaction: Transaction<'c, Postgres>,
        prepares: bool,
        encoding: Encoding,
        limits: TimeLimits,
        is_unresponsive: &'c mut bool,
        is_in_transaction: &'c mut bool,
    },
    Sqlite(Transaction<'c, Sqlite>),
}

impl Pool {
    /// Waits for a connection, but not for longer than the caller does.
    pub async fn acquire(&self, context: &ReadContext) -> Result<Connection, StoreError> {
        match self {
            Self::Postgres(connections) => {
                connections.acquire(context).await.map(Connection::Postgres)
            }
            Self::Sqlite(pool) => tokio::select! {
                biased;
                () = context.cancelled_by_caller() => Err(StoreError::Cancelled),
                acquired = pool.acquire() => acquired
                    .map(Connection::Sqlite)
                    .map_err(|error| StoreError::before_reading(&error)),
            },
        }
    }

    /// One statement, in a transaction of its own: for what is asked of a database
    /// before it is served.
    pub async fn ask<R: Row>(
        &self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<R>, StoreError> {
        let context = ReadContext::unlimited();
        let mut connection = self.acquire(&context).await?;
        let mut snapshot = connection.begin(&context).await?;
        let rows = snapshot.fetch(statement, arguments).await?;
        snapshot.close().await?;
        Ok(rows)
    }

    /// How many connections can be had.
    pub fn available(&self) -> watch::Receiver<usize> {
        match self {
            Self::Postgres(connections) => connections.available(),
            Self::Sqlite(pool) => {
                let connections = pool.options().get_max_connections();
                watch::Sender::new(usize::try_from(connections).unwrap_or(1)).subscribe()
            }
        }
    }

    /// The connections there are.
    pub fn load(&self) -> ConnectionLoad {
        let (open, idle) = match self {
            Self::Postgres(connections) => connections.open_and_idle(),
            Self::Sqlite(pool) => (usize::try_from(pool.size()).unwrap_or(0), pool.num_idle()),
        };
        ConnectionLoad {
            in_use: open.saturating_sub(idle),
            idle,
            available: *self.available().borrow(),
        }
    }

    /// Closes its connections, once none is used any more: SQLite then leaves no
    /// file behind that was not there.
    pub async fn close(&self) {
        match self {
            Self::Postgres(connections) => connections.close(),
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

impl Connection {
    pub async fn begin<'c>(
        &'c mut self,
        context: &'c ReadContext,
    ) -> Result<Snapshot<'c>, StoreError> {
        let transaction = match self {
            Self::Postgres(connection) => {
                let (prepares, encoding) = (connection.prepares(), connection.encoding());
                let search_path = connection.search_path();
                let limits = TimeLimits::new(context);
                let Some((connection, is_unresponsive, is_in_transaction)) = connection.parts()
                else {
                    return Err(StoreError::Unexpected(
                        "a connection was given back".to_owned(),
                    ));
                };
                let begin = postgres::begin(connection, &limits, encoding, search_path.as_deref());
                let begun = timeout(limits.response_timeout(), begin);
                let transaction = match within_timeout(begun.await, is_unresponsive)? {
                    Ok(transaction) => transaction,
                    Err(error) => {
                        // Part of it may have begun, and would be left open.
                        *is_unresponsive = true;
                        return Err(StoreError::before_reading(&error));
                    }
                };
                *is_in_transaction = true;
                ActiveTransaction::Postgres {
                    transaction,
                    prepares,
                    encoding,
                    limits,
                    is_unresponsive,
                    is_in_transaction,
                }
            }
            Self::Sqlite(connection) => ActiveTransaction::Sqlite(
                connection
                    .begin()
                    .await
                    .map_err(|error| StoreError::before_reading(&error))?,
            ),
        };
        Ok(Snapshot {
            transaction,
            context,
            tables: 0,
        })
    }
}

/// The answer of a database, if it arrived.
fn within_timeout<T, E>(answer: Result<T, E>, is_unresponsive: &mut bool) -> Result<T, StoreError> {
    answer.map_err(|_| {
        *is_unresponsive = true;
        StoreError::Interrupted {
            cause: Interruption::Connection,
            reason: "no response within the time-out".to_owned(),
        }
    })
}

impl Snapshot<'_> {
    pub(super) async fn fetch<R: Row>(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<R>, StoreError> {
        self.fetch_undecoded(statement, arguments).await?.decode()
    }

    pub(super) async fn fetch_undecoded(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Rows, StoreError> {
        self.get_ready().await?;
        self.tables |= statement.tables;
        let rows = self.answer(statement, arguments).await?;
        let rows = rows.map_err(|error| StoreError::reading(&statement.table, &error))?;
        Ok(Rows::new(Arc::clone(&statement.table), rows))
    }

    /// Refuses a hot standby. To be asked first: the answer is as old as the snapshot then,
    /// and a server that is no standby never becomes one.
    pub(super) async fn require_primary(&mut self) -> Result<(), StoreError> {
        if matches!(self.transaction, ActiveTransaction::Sqlite(_)) {
            return Ok(());
        }
        let statement = Statement::of_catalog("SELECT pg_is_in_recovery() AS standby");
        let rows: Vec<StandbyRow> = self.fetch(&statement, &[]).await?;
        let is_primary = |row: &StandbyRow| matches!(row.standby.get(), Ok(Some(false)));
        if rows.first().is_some_and(is_primary) {
            Ok(())
        } else {
            Err(StoreError::Standby)
        }
    }

    /// Checks before a statement: cancellation and the time that is left.
    async fn get_ready(&mut self) -> Result<(), StoreError> {
        if self.context.is_cancelled() {
            return Err(StoreError::Cancelled);
        }
        if let ActiveTransaction::Postgres { limits, .. } = &mut self.transaction {
            let slow = |_| StoreError::Unavailable("a read takes too long".to_owned());
            if let Some(first) = limits.next().map_err(slow)? {
                self.execute(first).await?;
            }
        }
        Ok(())
    }

    /// The answer to a statement, errors included.
    async fn answer(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Result<SentRows, sqlx::Error>, StoreError> {
        self.context.count_statement();
        // Safe: statements are made of constants alone, see `sql`.
        let sql = AssertSqlSafe(Arc::clone(&statement.sql));
        Ok(match &mut self.transaction {
            ActiveTransaction::Postgres {
                transaction,
                prepares,
                limits,
                is_unresponsive,
                ..
            } => {
                let mut query = sqlx::query::<Postgres>(sql).persistent(*prepares);
                for argument in arguments {
                    query = match argument {
                        Argument::Id(id) => query.bind(*id),
                        Argument::Ids(ids) => query.bind(ids.clone()),
                        Argument::Text(text) => query.bind(text.clone()),
                        Argument::Texts(texts) => query.bind(exposed(texts)),
                    };
                }
                let rows = query.fetch_all(&mut **transaction);
                let rows = timeout(limits.response_timeout(), rows).await;
                within_timeout(rows, is_unresponsive)?.map(SentRows::Postgres)
            }
            ActiveTransaction::Sqlite(transaction) => {
                let mut query = sqlx::query::<Sqlite>(sql);
                for argument in arguments {
                    query = match argument {
                        Argument::Id(id) => query.bind(*id),
                        Argument::Text(text) => query.bind(text.clone()),
                        // SQLite has no arrays; `json_each` unfolds these.
                        Argument::Ids(ids) => query.bind(Value::from(ids.clone()).to_string()),
                        Argument::Texts(texts) => {
                            query.bind(Value::from(exposed(texts)).to_string())
                        }
                    };
                }
                let rows = query.fetch_all(&mut **transaction).await;
                rows.map(SentRows::Sqlite)
            }
        })
    }

    /// Whether texts are converted, so that not every one can be stored or compared.
    pub(super) const fn converts_encoding(&self) -> bool {
        let ActiveTransaction::Postgres { encoding, .. } = &self.transaction else {
            return false;
        };
        matches!(encoding, Encoding::Other)
    }

    /// Whether the encoding of the database has all letters of a text. PostgreSQL refuses
    /// unknown characters, which would end the transaction.
    pub(super) async fn can_encode(&mut self, text: &str) -> Result<bool, StoreError> {
        if text.is_ascii() || !self.converts_encoding() {
            return Ok(true);
        }
        // A setting made after a savepoint would be rolled back with it.
        self.get_ready().await?;
        self.execute("SAVEPOINT spelling".to_owned()).await?;
        let statement = Statement::of_catalog("SELECT CAST($1 AS text) IS NOT NULL");
        let text = [Argument::Text(text.to_owned())];
        match self.answer(&statement, &text).await? {
            Ok(_) => Ok(true),
            Err(error) if is_not_encodable(&error) => {
                self.execute("ROLLBACK TO SAVEPOINT spelling".to_owned())
                    .await?;
                Ok(false)
            }
            Err(error) => Err(StoreError::reading(&statement.table, &error)),
        }
    }

    /// Runs what gives no rows, on PostgreSQL.
    async fn execute(&mut self, sql: String) -> Result<(), StoreError> {
        if let ActiveTransaction::Postgres {
            transaction,
            limits,
            is_unresponsive,
            ..
        } = &mut self.transaction
        {
            // Safe: constants and numbers alone.
            let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction);
            within_timeout(
                timeout(limits.response_timeout(), done).await,
                is_unresponsive,
            )??;
        }
        Ok(())
    }

    /// Ends a read, unless its statements were made for other tables than it was
    /// answered from.
    pub(super) async fn end(mut self, check: &Statement) -> Result<(), StoreError> {
        let tables = [Argument::Id(self.tables)];
        let arguments = match self.transaction {
            ActiveTransaction::Postgres { .. } => tables.as_slice(),
            ActiveTransaction::Sqlite(_) => &[],
        };
        let rows: Vec<PlanCurrentRow> = self.fetch(check, arguments).await?;
        let is_current = |row: &PlanCurrentRow| matches!(row.plan_is_current.get(), Ok(Some(true)));
        if !rows.first().is_some_and(is_current) {
            return Err(StalePlan::SchemaChanged.into());
        }
        self.close().await
    }

    /// Ends the snapshot and gives its connection back.
    pub(super) async fn close(self) -> Result<(), StoreError> {
        Ok(match self.transaction {
            ActiveTransaction::Postgres {
                transaction,
                limits,
                is_unresponsive,
                is_in_transaction,
                ..
            } => {
                let committed = timeout(limits.response_timeout(), transaction.commit()).await;
                let committed = within_timeout(committed, is_unresponsive)?;
                *is_in_transaction = committed.is_err();
                committed
            }
            ActiveTransaction::Sqlite(transaction) => transaction.commit().await,
        }?)
    }
}

fn exposed(texts: &[SecretString]) -> Vec<&str> {
    texts.iter().map(ExposeSecret::expose_secret).collect()
}
