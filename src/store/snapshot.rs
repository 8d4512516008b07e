//! One read-only transaction, on either database.

use std::sync::Arc;

use sqlx::{
    AssertSqlSafe, FromRow, Postgres, Sqlite, Transaction, postgres::PgRow, sqlite::SqliteRow,
};

use super::{error::StoreError, statements::Statement};

/// What was committed when the snapshot was taken, and nothing since.
pub(super) enum Snapshot {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

/// A value bound to a statement.
#[derive(Clone)]
pub(super) enum Argument {
    Id(i64),
    Ids(Vec<i64>),
}

/// A row of either database.
pub(super) trait Row:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}

impl<R> Row for R where R: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{}

impl Snapshot {
    pub(super) async fn fetch<R: Row>(
        &mut self,
        statement: &Statement,
        arguments: &[Argument],
    ) -> Result<Vec<R>, StoreError> {
        // Safe: statements are made of constants alone, see `statements`.
        let sql = AssertSqlSafe(Arc::clone(&statement.sql));
        let rows = match self {
            Self::Postgres(transaction) => {
                let mut query = sqlx::query_as::<Postgres, R>(sql);
                for argument in arguments {
                    query = match argument {
                        Argument::Id(id) => query.bind(*id),
                        Argument::Ids(ids) => query.bind(ids.clone()),
                    };
                }
                query.fetch_all(&mut **transaction).await
            }
            Self::Sqlite(transaction) => {
                let mut query = sqlx::query_as::<Sqlite, R>(sql);
                for argument in arguments {
                    query = match argument {
                        Argument::Id(id) => query.bind(*id),
                        // SQLite has no arrays; `json_each` unfolds this.
                        Argument::Ids(ids) => query.bind(json_list(ids)),
                    };
                }
                query.fetch_all(&mut **transaction).await
            }
        };
        rows.map_err(|error| StoreError::reading(&statement.table, &error))
    }

    /// Ends the snapshot and gives its connection back.
    pub(super) async fn end(self) -> Result<(), StoreError> {
        Ok(match self {
            Self::Postgres(transaction) => transaction.commit().await,
            Self::Sqlite(transaction) => transaction.commit().await,
        }?)
    }
}

fn json_list(ids: &[i64]) -> String {
    let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(","))
}
