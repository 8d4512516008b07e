//! Our own tables: when they are made, and when they never are.

use sqlx::{PgPool, SqlitePool, migrate::Migrator};

use super::{Ownership, error::OpenError, snapshot::Pool};

static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// Rails marks its databases with a table of its own.
pub(super) async fn ownership(pool: &PgPool) -> Result<Ownership, OpenError> {
    Ok(if has_table(pool, "ar_internal_metadata").await? {
        Ownership::Attached
    } else {
        Ownership::Own
    })
}

/// Whether every migration of this program was applied.
pub(super) async fn require_current(pool: &PgPool) -> Result<(), OpenError> {
    if !has_table(pool, "_sqlx_migrations").await? {
        return Err(OpenError::SchemaMissing);
    }
    let applied: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(pool)
            .await?;
    let wanted = POSTGRES.iter().map(|migration| migration.version).max();
    if applied < wanted {
        Err(OpenError::SchemaOld)
    } else {
        Ok(())
    }
}

/// The numbers of the newest migration that was applied, if any was, and of the
/// newest that there is.
pub(super) async fn numbers(pool: &Pool) -> Result<(Option<i64>, i64), OpenError> {
    const NEWEST: &str = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    let (applied, all) = match pool {
        Pool::Postgres(pool) if has_table(pool, "_sqlx_migrations").await? => {
            (sqlx::query_scalar(NEWEST).fetch_one(pool).await?, &POSTGRES)
        }
        Pool::Postgres(_) => (None, &POSTGRES),
        Pool::Sqlite(pool) if sqlite_has_table(pool, "_sqlx_migrations").await? => {
            (sqlx::query_scalar(NEWEST).fetch_one(pool).await?, &SQLITE)
        }
        Pool::Sqlite(_) => (None, &SQLITE),
    };
    let newest = all.iter().map(|migration| migration.version).max();
    Ok((applied, newest.unwrap_or_default()))
}

pub(super) async fn migrate_postgres(pool: &PgPool) -> Result<(), OpenError> {
    if ownership(pool).await? == Ownership::Attached {
        return Err(OpenError::RailsDatabase);
    }
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

async fn has_table(pool: &PgPool, table: &str) -> Result<bool, OpenError> {
    Ok(sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(pool)
        .await?)
}
