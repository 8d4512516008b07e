//! The schemas with leadchat's tables or Rails' mark. Schemas outside the search path or
//! without a grant for this user are included.
//!
//! A database without such tables in the search path is not necessarily empty.

use crate::store::{
    error::{StoreError, open::OpenError},
    snapshot::Pool,
    sql::Statement,
};

/// Rails marks its databases with a table of its own.
pub(in crate::store) const RAILS_TABLE: &str = "ar_internal_metadata";

/// A schema with such tables.
#[derive(Debug)]
pub(in crate::store) struct TableSchema {
    pub name: String,
    /// Whether it is in the search path.
    pub is_searched: bool,
    pub has_mark: bool,
    pub has_tables: bool,
}

/// A schema with both of these tables holds leadchat's.
pub(in crate::store) const TABLES: [&str; 2] = ["accounts", "inboxes"];

/// How many schemas an error names.
const MAX_NAMED: usize = 3;

impl TableSchema {
    /// Finds all of them in the catalog, which needs no rights.
    pub async fn all(pool: &Pool) -> Result<Vec<Self>, StoreError> {
        // SQLite has no schemas.
        if matches!(pool, Pool::Sqlite(_)) {
            return Ok(Vec::new());
        }
        let tables = TABLES.join("', '");
        // Safe: names of ours alone.
        let all = Statement::of_catalog(&format!(
            "SELECT CAST(n.nspname AS text), n.nspname = ANY (current_schemas(false)),
                bool_or(c.relname = '{RAILS_TABLE}'), count(*) FILTER (WHERE c.relname <> '{RAILS_TABLE}') = 2
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relname IN ('{RAILS_TABLE}', '{tables}')
                AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
            GROUP BY n.nspname ORDER BY n.nspname"
        ));
        let all: Vec<(String, bool, bool, bool)> = pool.ask(&all, &[]).await?;
        let all = all.into_iter();
        Ok(all
            .map(|(name, is_searched, has_mark, has_tables)| Self {
                name,
                is_searched,
                has_mark,
                has_tables,
            })
            .filter(|schema| schema.has_mark || schema.has_tables)
            .collect())
    }
}

/// The refusal to hold a database for empty; `None` if it is.
pub(in crate::store) fn not_empty(schemas: &[TableSchema]) -> Option<OpenError> {
    elsewhere(schemas, |_| true).or_else(|| {
        let unmarked = schemas.iter().filter(|it| it.has_tables && !it.has_mark);
        named(unmarked).map(OpenError::TablesUnmarked)
    })
}

/// The refusal that names schemas outside the search path, of those that count.
pub(in crate::store) fn elsewhere(
    schemas: &[TableSchema],
    counts: fn(&TableSchema) -> bool,
) -> Option<OpenError> {
    let elsewhere = schemas
        .iter()
        .filter(|schema| !schema.is_searched && counts(schema));
    named(elsewhere).map(OpenError::TablesElsewhere)
}

/// The names for an error, if there are any.
fn named<'a>(schemas: impl Iterator<Item = &'a TableSchema>) -> Option<String> {
    let names: Vec<_> = schemas.map(|schema| format!("{:?}", schema.name)).collect();
    let named = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>();
    let named = named.join(", ");
    match names.len() {
        0 => None,
        1 => Some(format!("the schema {named}")),
        2..=MAX_NAMED => Some(format!("the schemas {named}")),
        _ => Some(format!("the schemas {named} and others")),
    }
}
