//! Probing of a database before it is served: the owner and the columns of its tables.
//! Nothing is refused here for what they lack.

use std::{collections::BTreeSet, fmt::Write};

use super::{
    ColumnName, Found, Required, Schema,
    rows::{OfferedRow, SchemaVersionRow},
    table_schemas::{self, TABLES, TableSchema},
};
use crate::store::{
    Ownership,
    error::{StoreError, open::OpenError},
    migrations,
    postgres::{self, encoding::Encoding},
    snapshot::{Pool, context::ReadContext, retry::with_retries},
    sql::{Dialect, Statement, address_lookup::Collation},
};

/// A database whose tables were probed.
pub(in crate::store) struct Probed {
    pub pool: Pool,
    pub dialect: Dialect,
    pub collation: Collation,
    pub ownership: Ownership,
    pub probe: SchemaProbe,
    pub schema: Schema,
    /// All schemas with such tables, also outside the search path.
    pub table_schemas: Vec<TableSchema>,
}

impl Probed {
    /// Whatever is passing does not end it.
    pub async fn at(mut pool: Pool) -> Result<Self, StoreError> {
        if let Pool::Postgres(_) = pool {
            let encoding = with_retries(|| encoding(&pool)).await?;
            if let Pool::Postgres(connections) = &mut pool {
                connections.encoding = encoding;
            }
        }
        let (dialect, ownership, collation) = match &pool {
            Pool::Postgres(_) => (
                Dialect::Postgres,
                with_retries(|| migrations::ownership(&pool)).await?,
                with_retries(|| collation(&pool)).await?,
            ),
            Pool::Sqlite(_) => (Dialect::Sqlite, Ownership::Own, Collation::Binary),
        };
        let probe = SchemaProbe::new(dialect, ownership);
        let schema = with_retries(|| probe.probe(&pool)).await?;
        let table_schemas = with_retries(|| TableSchema::all(&pool)).await?;
        Ok(Self {
            pool,
            dialect,
            collation,
            ownership,
            probe,
            schema,
            table_schemas,
        })
    }

    /// The refusal to hold a database without our migrations for empty; `None` if it is.
    pub fn not_empty(&self) -> Option<OpenError> {
        table_schemas::not_empty(&self.table_schemas)
    }

    /// Refuses to go on without tables that are in a schema outside the search path.
    pub fn refuse_other_schema(&self) -> Result<(), OpenError> {
        let is_missing = |table: &&str| matches!(self.schema.tables.get(table), Some(None));
        if !TABLES.iter().any(is_missing) {
            return Ok(());
        }
        let refusal = table_schemas::elsewhere(&self.table_schemas, |schema| schema.has_tables);
        refusal.map_or(Ok(()), Err)
    }
}

/// How PostgreSQL encodes texts.
async fn encoding(pool: &Pool) -> Result<Encoding, StoreError> {
    let encoding = Statement::of_catalog(postgres::ENCODING);
    let rows: Vec<(String,)> = pool.ask(&encoding, &[]).await?;
    Ok(rows
        .first()
        .map_or(Encoding::Utf8, |(name,)| Encoding::named(name)))
}

/// How PostgreSQL orders texts, which depends on its locale.
async fn collation(pool: &Pool) -> Result<Collation, StoreError> {
    let rows = pool
        .ask(&Statement::of_catalog(postgres::COLLATION), &[])
        .await?;
    Ok(match rows.first() {
        Some((false, _)) => Collation::Binary,
        Some((true, true)) => Collation::CaseInsensitive,
        Some((true, false)) | None => Collation::Other,
    })
}

/// The statements that ask a database for its schema.
pub(in crate::store) struct SchemaProbe {
    pub required: Required,
    columns: Statement,
    /// SQLite counts the changes of its schema.
    version: Option<Statement>,
}

impl SchemaProbe {
    pub fn new(dialect: Dialect, ownership: Ownership) -> Self {
        let required = Required::new(ownership);
        let tables: BTreeSet<_> = required.places().map(|(table, _)| table).collect();
        let (columns, version) = match dialect {
            Dialect::Postgres => (on_postgres(required.places()), None),
            Dialect::Sqlite => (on_sqlite(&tables), Some(SQLITE_VERSION)),
        };
        Self {
            required,
            columns: Statement::of_catalog(&columns),
            version: version.map(Statement::of_catalog),
        }
    }

    /// Probes the tables.
    pub async fn probe(&self, pool: &Pool) -> Result<Schema, StoreError> {
        let context = ReadContext::unlimited();
        let mut connection = pool.acquire(&context).await?;
        let mut snapshot = connection.begin(&context).await?;
        let mut version = 0;
        if let Some(statement) = &self.version {
            let rows: Vec<SchemaVersionRow> = snapshot.fetch(statement, &[]).await?;
            version = rows.first().map_or(0, |row| row.version);
        }
        let rows: Vec<OfferedRow> = snapshot.fetch(&self.columns, &[]).await?;
        snapshot.close().await?;
        Ok(self
            .required
            .compare(rows.iter().filter_map(found), version))
    }
}

fn found(row: &OfferedRow) -> Option<Found<'_>> {
    Some(Found {
        table: row.table_name.text().ok()??,
        column: row.column_name.text().ok()??,
        column_count: *row.column_count.get().ok()??,
        number: row.number.get().ok()?.copied(),
        is_granted: matches!(row.granted.get(), Ok(Some(true))),
        is_secured: matches!(row.secured.get(), Ok(Some(true))),
    })
}

fn on_postgres(places: impl Iterator<Item = ColumnName>) -> String {
    let mut values = String::new();
    for (table, column) in places {
        // Writing to a text cannot fail.
        let _ = write!(values, ", ('{table}', '{column}')");
    }
    format!(
        "SELECT w.table_name, w.column_name, CAST(c.relnatts AS bigint) AS column_count,
            CAST(a.attnum AS bigint) AS number,
            has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS granted,
            row_security_active(c.oid) AS secured
        FROM (VALUES {}) AS w(table_name, column_name)
        JOIN pg_catalog.pg_class c ON c.oid = to_regclass(w.table_name)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
            AND a.attname = w.column_name AND a.attnum > 0 AND NOT a.attisdropped",
        values.trim_start_matches(", ")
    )
}

fn on_sqlite(tables: &BTreeSet<&str>) -> String {
    let of_each: Vec<_> = tables
        .iter()
        .map(|table| {
            format!(
                "SELECT '{table}' AS table_name, name AS column_name, 0 AS column_count,
                    cid AS number, true AS granted, false AS secured
                FROM pragma_table_info('{table}')"
            )
        })
        .collect();
    of_each.join(" UNION ALL ")
}

const SQLITE_VERSION: &str = "SELECT schema_version AS version FROM pragma_schema_version";
