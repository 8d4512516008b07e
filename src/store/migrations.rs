//! Our own tables: when they are made, and when they never are.

use sqlx::{PgConnection, PgPool, SqlitePool, migrate::Migrator};

use super::{
    Ownership, error::OpenError, pace::Pace, patience::Patience, postgres, snapshot::Pool,
};

static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// Rails marks its databases with a table of its own.
pub(super) async fn ownership(connection: &mut PgConnection) -> Result<Ownership, OpenError> {
    Ok(if has_table(connection, "ar_internal_metadata").await? {
        Ownership::Attached
    } else {
        Ownership::Own
    })
}

/// Whether every migration of this program was applied.
pub(super) async fn require_current(pool: &Pool) -> Result<(), OpenError> {
    match numbers(pool).await? {
        (None, _) => Err(OpenError::SchemaMissing),
        (Some(applied), newest) if applied < newest => Err(OpenError::SchemaOld),
        _ => Ok(()),
    }
}

/// The numbers of the newest migration that was applied, if any was, and of the
/// newest that there is.
pub(super) async fn numbers(pool: &Pool) -> Result<(Option<i64>, i64), OpenError> {
    const APPLIED: &str = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    const TABLE: &str = "_sqlx_migrations";
    match pool {
        Pool::Postgres(connections) => {
            let mut connection = connections.pool.acquire().await?;
            let pace = Pace::new(&Patience::endless());
            let mut transaction = postgres::begin(&mut connection, &pace).await?;
            let applied = if has_table(&mut transaction, TABLE).await? {
                let applied = sqlx::query_scalar(APPLIED).persistent(false);
                applied.fetch_one(&mut *transaction).await?
            } else {
                None
            };
            transaction.commit().await?;
            Ok((applied, newest(&POSTGRES)))
        }
        Pool::Sqlite(pool) if sqlite_has_table(pool, TABLE).await? => {
            let applied = sqlx::query_scalar(APPLIED).fetch_one(pool).await?;
            Ok((applied, newest(&SQLITE)))
        }
        Pool::Sqlite(_) => Ok((None, newest(&SQLITE))),
    }
}

fn newest(all: &Migrator) -> i64 {
    let numbers = all.iter().map(|migration| migration.version);
    numbers.max().unwrap_or_default()
}

pub(super) async fn migrate_postgres(pool: &PgPool) -> Result<(), OpenError> {
    let mut connection = pool.acquire().await?;
    if ownership(&mut connection).await? == Ownership::Attached {
        return Err(OpenError::RailsDatabase);
    }
    drop(connection);
    Ok(POSTGRES.run(pool).await?)
}

pub(super) async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), OpenError> {
    refuse_rails(pool).await?;
    Ok(SQLITE.run(pool).await?)
}

/// Rails' tables in a file are not served.
pub(super) async fn refuse_rails(pool: &SqlitePool) -> Result<(), OpenError> {
    if sqlite_has_table(pool, "ar_internal_metadata").await? {
        return Err(OpenError::RailsDatabase);
    }
    Ok(())
}

async fn sqlite_has_table(pool: &SqlitePool, table: &str) -> Result<bool, OpenError> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = $1")
        .bind(table)
        .fetch_one(pool)
        .await?;
    Ok(count > 0)
}

async fn has_table(connection: &mut PgConnection, table: &str) -> Result<bool, OpenError> {
    Ok(sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .persistent(false)
        .bind(table)
        .fetch_one(connection)
        .await?)
}
