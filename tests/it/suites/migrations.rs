//! The tables that our migrations make: leadchat's on PostgreSQL, and the same
//! on SQLite as far as SQLite can say it.

mod catalog;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use catalog::{tables_on_postgres, tables_on_sqlite};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type, postgres::PgRow};

use crate::support::{
    Backend, Database, Program,
    cluster::Cluster,
    leadchat_versions::{LeadchatVersion, VERSIONS},
};

on_both_databases!(migrating_again_changes_nothing);

/// The columns of a user that are read; leadchat has more.
const OF_USERS: [&str; 6] = ["id", "name", "email", "created_at", "updated_at", "type"];

/// In leadchat's database alone: never read, or Rails' own marks.
const ONLY_OF_LEADCHAT: [&str; 5] = [
    "access_tokens",
    "ar_internal_metadata",
    "custom_roles",
    "installation_configs",
    "schema_migrations",
];

/// In our databases alone: leadchat has it in Redis.
const OURS_ALONE: [&str; 1] = ["channel_reauthorizations"];

/// Where the migrations already run are noted.
const NOTED: &str = "_sqlx_migrations";

const CLOCK: &str = "the clock";
const NEXT_ID: &str = "an id never used before";

/// By name.
type Tables = BTreeMap<String, Table>;

#[derive(Default)]
struct Table {
    columns: Vec<Column>,
    indexes: Vec<Index>,
    /// Name and definition.
    constraints: Vec<(String, String)>,
}

struct Column {
    name: String,
    declared: String,
    required: bool,
    /// As an expression.
    default: Option<String>,
    /// The default value of a new row.
    given: Option<String>,
}

impl<'r, R: Row> FromRow<'r, R> for Column
where
    &'static str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            declared: row.try_get("declared")?,
            required: row.try_get("required")?,
            default: row.try_get("default")?,
            given: None,
        })
    }
}

struct Index {
    name: String,
    is_primary: bool,
    is_unique: bool,
    is_partial: bool,
    columns: Vec<String>,
    definition: String,
}

impl FromRow<'_, PgRow> for Index {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            is_primary: row.try_get("is_primary")?,
            is_unique: row.try_get("is_unique")?,
            is_partial: row.try_get("is_partial")?,
            columns: row.try_get("columns")?,
            definition: row.try_get("definition")?,
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_those_of_leadchat() {
    let ours = Backend::Postgres.empty();
    let leadchat = Database::Postgres {
        name: "leadchat_tables".to_owned(),
    };
    let cluster = Cluster::shared();
    cluster.create_database("leadchat_tables", None);
    cluster.psql(
        "leadchat_tables",
        include_str!("../../golden/leadchat_tables.sql"),
    );

    // Our tables are as new as those of the newest leadchat.
    for change in VERSIONS.iter().flat_map(LeadchatVersion::additions) {
        leadchat.execute(&change).await;
    }

    let mut ours = tables_on_postgres(&ours).await;
    let mut leadchat = tables_on_postgres(&leadchat).await;
    for (tables, alone) in [
        (&mut ours, OURS_ALONE.as_slice()),
        (&mut leadchat, &ONLY_OF_LEADCHAT),
    ] {
        for table in alone {
            assert!(tables.remove(*table).is_some(), "{table} is not there");
        }
    }
    let users = leadchat.get_mut("users").unwrap();
    let read = |column: &String| OF_USERS.contains(&column.as_str());
    users.columns.retain(|column| read(&column.name));
    users.indexes.retain(|index| index.columns.iter().all(read));

    assert_same(
        ("leadchat", &leadchat, &Table::exactly),
        ("migrations", &ours, &Table::exactly),
    );
    assert_eq!(
        counted("as leadchat's", &ours),
        "24 tables, 257 columns, 65 indexes"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_have_the_same_tables() {
    let of_postgres = tables_on_postgres(&Backend::Postgres.empty()).await;
    let of_sqlite = tables_on_sqlite(&Backend::Sqlite.empty()).await;
    assert_same(
        ("postgres", &of_postgres, &|table| {
            table.in_general(declared_on_sqlite)
        }),
        ("sqlite", &of_sqlite, &|table| table.in_general(|kind| kind)),
    );
    assert_eq!(
        counted("postgres", &of_postgres),
        "25 tables, 262 columns, 66 indexes"
    );
    assert_eq!(
        counted("sqlite", &of_sqlite),
        "25 tables, 262 columns, 66 indexes"
    );

    // Any other name would let SQLite take what looks like a number for one.
    let mut documents = 0;
    for (name, table) in &of_postgres {
        for (column, twin) in table.columns.iter().zip(&of_sqlite[name].columns) {
            if column.declared == "jsonb" {
                assert_eq!(twin.declared, "TEXT", "{name}.{}", column.name);
                documents += 1;
            }
        }
    }
    println!("migrations: {documents} columns of JSON");
    assert_eq!(documents, 19);
}

#[test]
fn every_migration_has_its_twin() {
    let [of_postgres, of_sqlite] = ["postgres", "sqlite"].map(files);
    println!("migrations: {} files a database", of_postgres.len());
    assert_eq!(of_postgres, of_sqlite);
    assert!(of_postgres.len() >= 2, "{of_postgres:?}");
}

async fn migrating_again_changes_nothing(backend: Backend) {
    // Made by `migrate` already.
    let database = backend.empty();
    let noted = async || {
        let mut noted = database
            .numbers(&format!("SELECT version AS id FROM {NOTED}"))
            .await;
        noted.sort_unstable();
        noted
    };
    let tables = async || match backend {
        Backend::Postgres => tables_on_postgres(&database).await,
        Backend::Sqlite => tables_on_sqlite(&database).await,
    };
    let numbers: Vec<i64> = files(backend.name())
        .iter()
        .map(|file| file.split_once('_').unwrap().0.parse().unwrap())
        .collect();
    assert_eq!(noted().await, numbers);
    let before = tables().await;
    for _ in 0..2 {
        let again = Program::new(&["migrate"])
            .env("DATABASE_URL", &database.url())
            .output();
        let error = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success(), "{error}");
        assert_eq!(noted().await, numbers);
        assert_same(
            ("before", &before, &Table::exactly),
            ("after", &tables().await, &Table::exactly),
        );
    }
}

/// The names in a folder of migrations.
fn files(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(folder);
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Prints how much there is to compare.
fn counted(what: &str, tables: &Tables) -> String {
    let of_all = |count: fn(&Table) -> usize| tables.values().map(count).sum::<usize>();
    let counted = format!(
        "{} tables, {} columns, {} indexes",
        tables.len(),
        of_all(|table| table.columns.len()),
        of_all(|table| table.indexes.len()),
    );
    println!("migrations {what}: {counted}");
    counted
}

/// A side of a comparison: whose tables, and how to write one down.
type Side<'a> = (&'a str, &'a Tables, &'a dyn Fn(&Table) -> BTreeSet<String>);

/// Says all that differs, not only the first of it.
fn assert_same(one: Side<'_>, other: Side<'_>) {
    let lines = |(_, tables, lines): Side<'_>| -> BTreeSet<String> {
        let of_each = tables.iter().map(|(name, table)| {
            let lines = lines(table).into_iter();
            lines.map(move |line| format!("{name}: {line}"))
        });
        of_each.flatten().collect()
    };
    let (left, right) = (lines(one), lines(other));
    let only = |who: &str, of: &BTreeSet<String>, not_of: &BTreeSet<String>| -> Vec<String> {
        of.difference(not_of)
            .map(|line| format!("only {who}: {line}"))
            .collect()
    };
    let differences = [only(one.0, &left, &right), only(other.0, &right, &left)].concat();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

impl Table {
    /// All that its own database says of it.
    fn exactly(&self) -> BTreeSet<String> {
        let columns = (1..).zip(&self.columns).map(|(number, column)| {
            let Column {
                name,
                declared,
                required,
                default,
                ..
            } = column;
            format!("column {number}: {name} {declared}, required {required}, default {default:?}")
        });
        let indexes = self.indexes.iter().map(|index| index.definition.clone());
        let constraints = self.constraints.iter();
        columns
            .chain(indexes)
            .chain(constraints.map(|(name, definition)| format!("{name} {definition}")))
            .collect()
    }

    /// The properties of a column that both databases report.
    fn in_general(&self, declared: fn(&str) -> &str) -> BTreeSet<String> {
        let columns = (1..).zip(&self.columns).map(|(number, column)| {
            let (name, declared) = (&column.name, declared(&column.declared));
            let (required, given) = (column.required, &column.given);
            format!("column {number}: {name} {declared}, required {required}, default {given:?}")
        });
        let indexes = self.indexes.iter().map(|index| {
            // SQLite knows no name of a primary key.
            let name = if index.is_primary {
                "primary key"
            } else {
                &index.name
            };
            let (unique, partial) = (index.is_unique, index.is_partial);
            format!(
                "{name} ({}), unique {unique}, partial {partial}",
                index.columns.join(", ")
            )
        });
        let definitions = self.constraints.iter().map(|(_, definition)| definition);
        let foreign = definitions.filter(|definition| definition.starts_with("FOREIGN KEY"));
        columns.chain(indexes).chain(foreign.cloned()).collect()
    }
}

/// How SQLite is told of a type of PostgreSQL's.
fn declared_on_sqlite(kind: &str) -> &str {
    match kind {
        "integer" | "bigint" => "INTEGER",
        "boolean" => "BOOLEAN",
        "jsonb" | "text" | "timestamp without time zone" => "TEXT",
        kind if kind.starts_with("character varying") => "TEXT",
        other => panic!("what is {other} on SQLite?"),
    }
}
