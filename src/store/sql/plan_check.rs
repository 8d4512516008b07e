//! The check at the end of a read: whether its plan is still that of the tables.

use super::Dialect;
use crate::store::schema::Schema;

/// SQL that is true if no table of this read (bitmask `$1`) was rewritten after the
/// snapshot and the plan omits no added column. A dropped column makes a statement fail.
pub(in crate::store) fn plan_is_current(dialect: Dialect, schema: &Schema) -> String {
    match dialect {
        // A change of the schema is part of a snapshot, as any other is.
        Dialect::Sqlite => format!(
            "SELECT schema_version = {} AS plan_is_current FROM pragma_schema_version",
            schema.version
        ),
        Dialect::Postgres => {
            let conditions: Vec<_> = [tables_not_rewritten(schema)]
                .into_iter()
                .chain(nothing_added(schema))
                .collect();
            format!("SELECT {} AS plan_is_current", conditions.join(" AND "))
        }
    }
}

/// A rewritten table looks empty to an older snapshot, for instance after a change of a
/// column's type. So does a table that replaced another. Either has another file now than
/// the snapshot says. And one that lacked a column has more columns when it gets it.
///
/// Kept from being rearranged (OFFSET 0), so that it looks no further than at these
/// tables, by their ids.
fn tables_not_rewritten(schema: &Schema) -> String {
    let tables = (0..).zip(&schema.tables).map(|(index, (table, columns))| {
        let bit = 1_i64 << index;
        let columns = columns
            .filter(|_| schema.incomplete.contains(table))
            .map_or_else(|| "NULL".to_owned(), |count| count.to_string());
        format!("('{table}', CAST({bit} AS bigint), CAST({columns} AS bigint))")
    });
    let tables: Vec<_> = tables.collect();
    format!(
        "(SELECT coalesce(bool_and(coalesce(
            (n.bit & $1 = 0
                OR nullif(c.relfilenode, 0) IS NOT DISTINCT FROM pg_relation_filenode(n.oid))
            AND (n.columns IS NULL OR n.columns = c.relnatts), false)), true)
        FROM (SELECT v.bit, v.columns, to_regclass(v.name) AS oid
            FROM (VALUES {}) AS v(name, bit, columns)
            WHERE v.bit & $1 <> 0 OR v.columns IS NOT NULL OFFSET 0) n
        LEFT JOIN LATERAL (SELECT p.relfilenode, p.relnatts FROM pg_catalog.pg_class p
            WHERE p.oid = n.oid OFFSET 0) c ON true)",
        tables.join(", ")
    )
}

/// That there is no table yet of those that were not there, nor a grant of what was
/// not granted.
fn nothing_added(schema: &Schema) -> impl Iterator<Item = String> {
    let tables = schema.tables.iter().filter(|(_, count)| count.is_none());
    let tables = tables.map(|(table, _)| format!("to_regclass('{table}') IS NULL"));
    let grants = schema.omitted.iter().filter_map(|omitted| {
        let (table, number) = (omitted.table, omitted.number?);
        Some(format!(
            "has_column_privilege(to_regclass('{table}'), CAST({number} AS smallint), 'SELECT') \
             IS NOT TRUE"
        ))
    });
    tables.chain(grants)
}
