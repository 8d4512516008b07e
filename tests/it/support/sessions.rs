//! Sessions of PostgreSQL: what those of the program do, and one that locks a table.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Database, program::WAIT_TIMEOUT};

/// A table that no other session may read. Dropped, it is released with its session.
pub struct TableLock(PgConnection);

impl TableLock {
    pub async fn release(mut self) {
        let rollback = sqlx::raw_sql("ROLLBACK");
        rollback.execute(&mut self.0).await.unwrap();
    }
}

impl Database {
    /// Locks a table, once no other session reads it.
    pub async fn lock_table(&self, table: &str) -> TableLock {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        let lock = sqlx::raw_sql(AssertSqlSafe(lock));
        lock.execute(&mut connection).await.unwrap();
        TableLock(connection)
    }

    /// How many sessions of the program meet a condition on `pg_stat_activity`.
    pub async fn sessions(&self, condition: &str) -> i64 {
        let sql = format!(
            "SELECT count(*) AS id FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'leadchat-inbox' AND {condition}"
        );
        self.numbers(&sql).await[0]
    }

    /// Waits until so many sessions of the program wait for a lock.
    pub async fn until_sessions_wait(&self, count: i64) {
        until("sessions wait for the lock", async || {
            self.sessions("wait_event_type = 'Lock'").await >= count
        })
        .await;
    }
}

/// Waits until a condition holds.
pub async fn until(condition: &str, holds: impl AsyncFn() -> bool) {
    let end = Instant::now() + WAIT_TIMEOUT;
    while !holds().await {
        assert!(Instant::now() < end, "waited in vain: {condition}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
