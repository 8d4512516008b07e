//! A session of a test's own database, for transactions that a test commits itself.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::{Backend, Database};

pub enum Connection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Database {
    /// A session that waits for other writers for as long as a busy machine needs.
    pub async fn connect(&self) -> Connection {
        match self.backend() {
            Backend::Postgres => {
                Connection::Postgres(PgConnection::connect(&self.url()).await.unwrap())
            }
            Backend::Sqlite => {
                let session = SqliteConnection::connect(&self.url()).await.unwrap();
                let mut session = Connection::Sqlite(session);
                // Nothing here outlives the process, so no commit waits for the disk.
                let settings = "PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF";
                session.run(settings).await.unwrap();
                session
            }
        }
    }
}

impl Connection {
    /// Runs statements. Outside a transaction, a single one is a transaction of its own.
    pub async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let statements = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(session) => statements.execute(session).await.map(drop),
            Self::Sqlite(session) => statements.execute(session).await.map(drop),
        }
    }

    /// Begins a transaction that may write.
    pub async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(_) => self.run("BEGIN").await,
            Self::Sqlite(_) => self.run("BEGIN IMMEDIATE").await,
        }
    }
}

/// Nanoseconds of the wall clock of this machine, since 1970.
pub fn now() -> i64 {
    nanoseconds(SystemTime::now())
}

pub fn nanoseconds(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(elapsed.as_nanos()).unwrap()
}
