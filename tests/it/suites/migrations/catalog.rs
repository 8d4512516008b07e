//! The tables of a database, read from its own catalog.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::*;

pub(super) async fn tables_on_postgres(database: &Database) -> Tables {
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> $1",
    )
    .bind(NOTED)
    .fetch_all(&mut connection)
    .await
    .unwrap();

    let mut tables = Tables::new();
    for name in names {
        let mut columns: Vec<Column> = sqlx::query_as(
            r#"SELECT a.attname::text AS "name", format_type(a.atttypid, a.atttypmod) AS declared,
                a.attnotnull AS required, pg_get_expr(d.adbin, d.adrelid) AS "default"
            FROM pg_attribute a
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum"#,
        )
        .bind(&name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        for column in &mut columns {
            column.given = match &column.default {
                Some(default) if default.starts_with("nextval(") => Some(NEXT_ID.to_owned()),
                Some(default) if default.contains("now()") => Some(CLOCK.to_owned()),
                Some(default) => {
                    let query = AssertSqlSafe(format!("SELECT ({default})::text"));
                    let given = sqlx::query_scalar(query).fetch_one(&mut connection);
                    given.await.unwrap()
                }
                None => None,
            };
        }
        let indexes = sqlx::query_as(
            r#"SELECT c.relname::text AS "name", i.indisprimary AS is_primary,
                i.indisunique AS is_unique, i.indpred IS NOT NULL AS is_partial,
                ARRAY(
                    SELECT pg_get_indexdef(i.indexrelid, n, true)
                        || CASE i.indoption[n - 1] & 1 WHEN 1 THEN ' DESC' ELSE '' END
                    FROM generate_series(1, i.indnkeyatts) n ORDER BY n
                ) AS columns,
                p.indexdef AS definition
            FROM pg_index i
            JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_indexes p ON p.schemaname = 'public' AND p.indexname = c.relname
            WHERE i.indrelid = $1::regclass"#,
        )
        .bind(&name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        // Newer servers list what columns require here too.
        let constraints = sqlx::query_as(
            "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = $1::regclass AND contype <> 'n'",
        )
        .bind(&name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let table = Table {
            columns,
            indexes,
            constraints,
        };
        tables.insert(name, table);
    }
    tables
}

pub(super) async fn tables_on_sqlite(database: &Database) -> Tables {
    let mut connection = SqliteConnection::connect(&database.url()).await.unwrap();
    let names: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, sql FROM sqlite_schema
        WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> ?",
    )
    .bind(NOTED)
    .fetch_all(&mut connection)
    .await
    .unwrap();

    let mut tables = Tables::new();
    for (name, definition) in names {
        let mut columns: Vec<Column> = sqlx::query_as(
            r#"SELECT name, type AS declared, "notnull" AS required, dflt_value AS "default"
            FROM pragma_table_xinfo(?) ORDER BY cid"#,
        )
        .bind(&name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        for column in &mut columns {
            let counts = format!(" {} INTEGER PRIMARY KEY AUTOINCREMENT", column.name);
            column.given = match &column.default {
                None if definition.contains(&counts) => Some(NEXT_ID.to_owned()),
                None => None,
                Some(default) if default.contains("'now'") => Some(CLOCK.to_owned()),
                Some(default) => {
                    let text = if column.declared == "BOOLEAN" {
                        format!("CASE ({default}) WHEN 0 THEN 'false' WHEN 1 THEN 'true' END")
                    } else {
                        format!("CAST(({default}) AS TEXT)")
                    };
                    let query = AssertSqlSafe(format!("SELECT {text}"));
                    let given = sqlx::query_scalar(query).fetch_one(&mut connection);
                    given.await.unwrap()
                }
            };
        }
        let table = Table {
            columns,
            indexes: indexes_on_sqlite(&mut connection, &name).await,
            constraints: foreign_keys_on_sqlite(&mut connection, &name).await,
        };
        tables.insert(name, table);
    }
    tables
}

async fn indexes_on_sqlite(connection: &mut SqliteConnection, table: &str) -> Vec<Index> {
    let primary: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk")
            .bind(table)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    let mut indexes = Vec::new();
    if !primary.is_empty() {
        indexes.push(Index {
            name: String::new(),
            is_primary: true,
            is_unique: true,
            is_partial: false,
            definition: format!("PRIMARY KEY ({})", primary.join(", ")),
            columns: primary,
        });
    }
    // The index of a primary key is compared above.
    let others: Vec<(String, bool, bool, Option<String>)> = sqlx::query_as(
        r#"SELECT l.name, l."unique", l.partial, s.sql
        FROM pragma_index_list(?) l JOIN sqlite_schema s ON s.type = 'index' AND s.name = l.name
        WHERE l.origin <> 'pk'"#,
    )
    .bind(table)
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    for (name, is_unique, is_partial, definition) in others {
        let columns = sqlx::query_scalar(
            r#"SELECT coalesce(name, 'an expression') || CASE "desc" WHEN 1 THEN ' DESC' ELSE '' END
            FROM pragma_index_xinfo(?) WHERE "key" = 1 ORDER BY seqno"#,
        )
        .bind(&name)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        indexes.push(Index {
            definition: definition.unwrap_or_else(|| name.clone()),
            name,
            is_primary: false,
            is_unique,
            is_partial,
            columns,
        });
    }
    indexes
}

/// In PostgreSQL's words.
async fn foreign_keys_on_sqlite(
    connection: &mut SqliteConnection,
    table: &str,
) -> Vec<(String, String)> {
    let definitions: Vec<String> = sqlx::query_scalar(
        r#"SELECT 'FOREIGN KEY (' || group_concat("from", ', ' ORDER BY seq) || ') REFERENCES '
            || "table" || '(' || coalesce(group_concat("to", ', ' ORDER BY seq), '') || ')'
            || CASE on_update WHEN 'NO ACTION' THEN '' ELSE ' ON UPDATE ' || on_update END
            || CASE on_delete WHEN 'NO ACTION' THEN '' ELSE ' ON DELETE ' || on_delete END
        FROM pragma_foreign_key_list(?) GROUP BY id"#,
    )
    .bind(table)
    .fetch_all(connection)
    .await
    .unwrap();
    let unnamed = definitions.into_iter();
    unnamed
        .map(|definition| (String::new(), definition))
        .collect()
}
