//! Our own tables: when they are made, and when they never are.

use std::sync::LazyLock;

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

use super::{
    Ownership,
    error::{StoreError, open::OpenError},
    schema::table_schemas::{self, RAILS_TABLE, TableSchema},
    snapshot::{Pool, context::ReadContext},
    sql::{Argument, Statement},
};

/// The migrations of one folder, in order. The list is written by hand: sqlx' macro would
/// compile every driver a second time for the host. A test compares it with the folder.
macro_rules! migrator {
    ($folder:literal: $($version:literal $name:literal $description:literal,)*) => {
        LazyLock::new(|| {
            Migrator::with_migrations(vec![$(Migration::new(
                $version,
                $description.into(),
                MigrationType::Simple,
                include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql"))
                    .into_sql_str(),
                false,
            )),*])
        })
    };
}

static POSTGRES: LazyLock<Migrator> = migrator!("postgres":
    1 "0001_leadchat_tables" "leadchat tables",
    2 "0002_channel_reauthorizations" "channel reauthorizations",
    3 "0003_newer_leadchat" "newer leadchat",
);
static SQLITE: LazyLock<Migrator> = migrator!("sqlite":
    1 "0001_leadchat_tables" "leadchat tables",
    2 "0002_channel_reauthorizations" "channel reauthorizations",
    3 "0003_newer_leadchat" "newer leadchat",
);

/// Where sqlx keeps what was applied.
const APPLIED: &str = "_sqlx_migrations";

pub(super) async fn ownership(pool: &Pool) -> Result<Ownership, StoreError> {
    Ok(if has_table(pool, RAILS_TABLE).await? {
        Ownership::Attached
    } else {
        Ownership::Own
    })
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

/// Applies what was not applied yet. Rails' tables are not ours to change, and none of
/// ours are made where there are such tables, in whatever schema.
pub(super) async fn migrate(pool: &Pool) -> Result<(), OpenError> {
    refuse_rails(pool).await?;
    let schemas = TableSchema::all(pool).await?;
    let refusal = match numbers(pool).await? {
        (Some(_), _) => table_schemas::elsewhere(&schemas, |schema| schema.has_mark),
        (None, _) => table_schemas::not_empty(&schemas),
    };
    refusal.map_or(Ok(()), Err)?;
    match pool {
        Pool::Postgres(connections) => {
            let mut connection = connections.acquire(&ReadContext::unlimited()).await?;
            if let Some((connection, ..)) = connection.parts() {
                POSTGRES.run(connection).await?;
            }
        }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::migrate::MigrationSource;

    use super::*;

    /// Number, description, checksum and whether it runs outside of a transaction.
    #[tokio::test]
    async fn the_list_of_migrations_is_the_folder() {
        for (folder, listed) in [("postgres", &POSTGRES), ("sqlite", &SQLITE)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("migrations")
                .join(folder);
            let found = folder.as_path().resolve().await.unwrap();
            let said = |migration: &Migration| {
                (
                    migration.version,
                    migration.description.to_string(),
                    migration.checksum.to_vec(),
                    migration.no_tx,
                )
            };
            let listed: Vec<_> = listed.iter().map(said).collect();
            let found: Vec<_> = found.iter().map(said).collect();
            assert_eq!(listed, found, "{}", folder.display());
        }
    }
}
