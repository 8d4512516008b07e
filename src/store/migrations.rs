//! Our own tables: when they are made, and when they never are.

use sqlx::{PgPool, SqlitePool, migrate::Migrator};

use super::{Ownership, error::OpenError};

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

pub(super) async fn migrate_postgres(pool: &PgPool) -> Result<(), OpenError> {
    if ownership(pool).await? == Ownership::Attached {
        return Err(OpenError::RailsDatabase);
    }
    Ok(POSTGRES.run(pool).await?)
}

pub(super) async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), OpenError> {
    let rails: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_master WHERE name = 'ar_internal_metadata'",
    )
    .fetch_one(pool)
    .await?;
    if rails > 0 {
        return Err(OpenError::RailsDatabase);
    }
    Ok(SQLITE.run(pool).await?)
}

async fn has_table(pool: &PgPool, table: &str) -> Result<bool, OpenError> {
    Ok(sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(pool)
        .await?)
}
