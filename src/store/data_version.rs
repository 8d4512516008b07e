//! Tells whether an SQLite file has changed: by a number that changes with every commit of
//! another connection, of this process or of another one.

use sqlx::{Connection as _, SqliteConnection};

use super::{Store, StoreError, snapshot::Pool};

/// A connection that never writes, so that it sees the commits of all others.
pub struct DataVersion(SqliteConnection);

impl Store {
    /// Whether its changes can be told by a number, as those of an SQLite file.
    pub const fn has_data_version(&self) -> bool {
        matches!(self.pool, Pool::Sqlite(_))
    }

    /// Opens a connection for it, beside those of reads.
    pub async fn data_version(&self) -> Result<DataVersion, StoreError> {
        let Pool::Sqlite(pool) = &self.pool else {
            return Err(StoreError::Unexpected(
                "PostgreSQL has no data version".to_owned(),
            ));
        };
        let connection = SqliteConnection::connect_with(&pool.connect_options()).await;
        connection
            .map(DataVersion)
            .map_err(|error| StoreError::before_reading(&error))
    }
}

impl DataVersion {
    /// The number, which says nothing by itself.
    pub async fn read(&mut self) -> Result<i64, StoreError> {
        let read = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.0);
        read.await
            .map_err(|error| StoreError::before_reading(&error))
    }
}
