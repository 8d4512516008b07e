//! Our own tables: when they are made, and when they never are.

use sqlx::migrate::Migrator;

use super::{
    Ownership,
    error::{OpenError, StoreError},
    retries::retried,
    snapshot::{Argument, Pool},
    statements::Statement,
};

static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// Rails marks its databases with a table of its own.
const MARK: &str = "ar_internal_metadata";

/// Where sqlx keeps what was applied.
const APPLIED: &str = "_sqlx_migrations";

pub(super) async fn ownership(pool: &Pool) -> Result<Ownership, StoreError> {
    Ok(if has_table(pool, MARK).await? {
        Ownership::Attached
    } else {
        Ownership::Own
    })
}

/// Whether every migration of this program was applied.
pub(super) async fn require_current(pool: &Pool) -> Result<(), OpenError> {
    match retried(|| numbers(pool)).await? {
        (None, _) => Err(OpenError::SchemaMissing),
        (Some(applied), newest) if applied < newest => Err(OpenError::SchemaOld),
        _ => Ok(()),
    }
}

/// The numbers of the newest migration that was applied, if any was, and of the
/// newest that there is.
pub(super) async fn numbers(pool: &Pool) -> Result<(Option<i64>, i64), StoreError> {
    let all = match pool {
        Pool::Postgres(_) => &POSTGRES,
        Pool::Sqlite(_) => &SQLITE,
    };
    let newest = all.iter().map(|migration| migration.version).max();
    let mut applied = None;
    if has_table(pool, APPLIED).await? {
        let newest = format!("SELECT max(version) FROM {APPLIED} WHERE success");
        let rows = pool.ask(&Statement::of_catalog(&newest), &[]).await?;
        applied = rows
            .first()
            .and_then(|(version,): &(Option<i64>,)| *version);
    }
    Ok((applied, newest.unwrap_or_default()))
}

/// Applies what was not applied yet. Rails' tables are not ours to change.
pub(super) async fn migrate(pool: &Pool) -> Result<(), OpenError> {
    refuse_rails(pool).await?;
    match pool {
        Pool::Postgres(connections) => POSTGRES.run(&connections.pool).await?,
        Pool::Sqlite(pool) => SQLITE.run(pool).await?,
    }
    Ok(())
}

pub(super) async fn refuse_rails(pool: &Pool) -> Result<(), OpenError> {
    match ownership(pool).await? {
        Ownership::Attached => Err(OpenError::RailsDatabase),
        Ownership::Own => Ok(()),
    }
}

async fn has_table(pool: &Pool, name: &str) -> Result<bool, StoreError> {
    let sql = match pool {
        Pool::Postgres(_) => "SELECT to_regclass($1) IS NOT NULL",
        Pool::Sqlite(_) => "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = $1)",
    };
    let name = [Argument::Text(name.to_owned())];
    let rows = pool.ask(&Statement::of_catalog(sql), &name).await?;
    Ok(matches!(rows.first(), Some((true,))))
}
