//! A database of each test's own.

use std::{
    fs,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::{cluster::Cluster, golden, program::Program};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Postgres,
    Sqlite,
}

/// An own store: our tables, and the rows that the test puts there.
pub enum Database {
    Postgres { name: String },
    Sqlite { folder: TempDir },
}

impl Backend {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }

    /// A store without rows.
    pub fn empty(self) -> Database {
        copy(template(self, "empty", Vec::new))
    }

    /// A store with the oracle's rows and Redis flags.
    pub fn golden(self) -> Database {
        self.filled("golden", golden::ROWS)
    }

    /// The same with encrypted columns.
    pub fn golden_encrypted(self) -> Database {
        self.filled("encrypted", golden::ENCRYPTED_ROWS)
    }

    fn filled(self, kind: &'static str, rows: &'static str) -> Database {
        copy(template(self, kind, || match self {
            Self::Postgres => [golden::statements(rows), golden::counters(rows)].concat(),
            Self::Sqlite => golden::statements(rows),
        }))
    }
}

/// The first column of what a query finds.
macro_rules! found {
    ($database:expr, $connection:ident, $sql:expr) => {{
        let mut connection = $connection::connect(&$database.url()).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe($sql))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }};
}

fn copy(template: &Template) -> Database {
    match template {
        Template::Postgres { name: template } => {
            let name = unique_name();
            Cluster::shared().create_database(&name, Some(template));
            Database::Postgres { name }
        }
        Template::Sqlite { content } => {
            let folder = tempfile::tempdir().unwrap();
            fs::write(file(&folder), content).unwrap();
            Database::Sqlite { folder }
        }
    }
}

/// The template databases. Lives as long as the process, so it holds no folder, which
/// nobody would remove.
enum Template {
    Postgres { name: String },
    Sqlite { content: Vec<u8> },
}

impl Database {
    pub const fn backend(&self) -> Backend {
        match self {
            Self::Postgres { .. } => Backend::Postgres,
            Self::Sqlite { .. } => Backend::Sqlite,
        }
    }

    /// A name on PostgreSQL that no other test has, for a database yet to be made.
    pub fn unique() -> Self {
        Self::Postgres {
            name: unique_name(),
        }
    }

    /// On PostgreSQL.
    pub fn name(&self) -> &str {
        match self {
            Self::Postgres { name } => name,
            Self::Sqlite { .. } => panic!("a file has no name"),
        }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Postgres { name } => Cluster::shared().url(name),
            Self::Sqlite { folder } => format!("sqlite://{}", file(folder).display()),
        }
    }

    /// Runs statements, of any number and on one connection.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.unwrap();
    }

    /// On PostgreSQL: whoever reads working hours sleeps for so long.
    pub async fn slow_down(&self, seconds: f32) {
        let slow = format!(
            "ALTER TABLE working_hours RENAME TO hours;
            CREATE VIEW working_hours AS
                SELECT * FROM hours WHERE (SELECT CAST(pg_sleep({seconds}) AS text)) IS NOT NULL"
        );
        self.execute(&slow).await;
    }

    pub async fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url()).await?;
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
            Self::Sqlite { .. } => {
                let mut connection = SqliteConnection::connect(&self.url()).await?;
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
        }
    }

    /// The numbers in the column `id` of what a query finds.
    pub async fn numbers(&self, sql: &str) -> Vec<i64> {
        let sql = format!("SELECT CAST(q.id AS bigint) FROM ({sql}) q");
        match self {
            Self::Postgres { .. } => found!(self, PgConnection, sql),
            Self::Sqlite { .. } => found!(self, SqliteConnection, sql),
        }
    }

    /// The texts in the column `found` of what a query finds.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = format!("SELECT CAST(q.found AS text) FROM ({sql}) q");
        match self {
            Self::Postgres { .. } => found!(self, PgConnection, sql),
            Self::Sqlite { .. } => found!(self, SqliteConnection, sql),
        }
    }

    /// The result of a query: a number and a text.
    pub async fn pairs(&self, sql: &str) -> Vec<(i64, String)> {
        let sql = AssertSqlSafe(format!(
            "SELECT CAST(q.id AS bigint), CAST(q.text AS text) FROM ({sql}) q"
        ));
        match self {
            Self::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url()).await.unwrap();
                sqlx::query_as(sql).fetch_all(&mut connection).await
            }
            Self::Sqlite { .. } => {
                let mut connection = SqliteConnection::connect(&self.url()).await.unwrap();
                sqlx::query_as(sql).fetch_all(&mut connection).await
            }
        }
        .unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres { name } = self {
            Cluster::shared().drop_database(name);
        }
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("store.db")
}

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Made once a run, by our own migrations as an operator runs them.
fn template(
    backend: Backend,
    kind: &'static str,
    statements: impl Fn() -> Vec<String> + Sync,
) -> &'static Template {
    static EMPTY: [OnceLock<Template>; 2] = [const { OnceLock::new() }; 2];
    static GOLDEN: [OnceLock<Template>; 2] = [const { OnceLock::new() }; 2];
    static ENCRYPTED: [OnceLock<Template>; 2] = [const { OnceLock::new() }; 2];
    let templates = match kind {
        "empty" => &EMPTY,
        "golden" => &GOLDEN,
        "encrypted" => &ENCRYPTED,
        other => panic!("{other}"),
    };
    templates[backend as usize].get_or_init(|| {
        let database = match backend {
            Backend::Postgres => {
                let name = format!("template_{kind}");
                Cluster::shared().create_database(&name, None);
                Database::Postgres { name }
            }
            Backend::Sqlite => Database::Sqlite {
                folder: tempfile::tempdir().unwrap(),
            },
        };
        let migrated = Program::new(&["migrate"])
            .env("DATABASE_URL", &database.url())
            .output();
        assert!(
            migrated.status.success(),
            "{}",
            String::from_utf8_lossy(&migrated.stderr)
        );

        // Called within a test's runtime, which may not be blocked on.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(load(&database, &statements()));
            });
        });
        match &database {
            Database::Postgres { name } => {
                let name = name.clone();
                // Kept, for copies.
                std::mem::forget(database);
                Template::Postgres { name }
            }
            Database::Sqlite { folder } => Template::Sqlite {
                content: fs::read(file(folder)).unwrap(),
            },
        }
    })
}

async fn load(database: &Database, statements: &[String]) {
    let script = format!("BEGIN;\n{}\nCOMMIT;", statements.join("\n"));
    database.execute(&script).await;
    if let Database::Sqlite { .. } = database {
        // All of it into the one file that is copied.
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    }
}
