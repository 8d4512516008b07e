//! An account that is read again shares what has not changed: every column that an inbox
//! is made of counts, and nothing else does.

use regex::Regex;

use crate::support::{Backend, Database, Program, account::account, store};

on_both_databases!(
    what_has_not_changed_is_shared,
    every_column_makes_an_inbox_new,
);

/// Tables of members, and of migrations.
const OTHER_TABLES: [&str; 6] = [
    "_sqlx_migrations",
    "account_users",
    "agent_bot_inboxes",
    "agent_bots",
    "inbox_members",
    "users",
];

/// Columns that order rows, choose an account, or are searched alone.
const OTHER_COLUMNS: [(&str, &str); 7] = [
    ("accounts", "id"),
    ("accounts", "status"),
    ("active_storage_attachments", "id"),
    ("channel_telegram", "bot_token"),
    ("channel_tiktok", "business_id"),
    ("channel_twitter_profiles", "profile_id"),
    ("working_hours", "id"),
];

/// With the oracle's rows, those that make degradations and those that are encrypted
/// included.
async fn what_has_not_changed_is_shared(backend: Backend) {
    for database in [backend.golden(), backend.golden_encrypted()] {
        let store = store::open(&database).await;
        for id in database.numbers("SELECT id FROM accounts").await {
            let previous = store::read(&store, id, None).await;
            let inboxes = previous.shared_inboxes(&previous);
            let same = store::read(&store, id, Some(&previous)).await;
            assert_eq!(same.shared_inboxes(&previous), inboxes, "{id}");
            let anew = store::read(&store, id, None).await;
            assert_eq!(anew.shared_inboxes(&previous), 0, "{id}");
            // Without a previous account of its own, it shares with none.
            let other = store::read(&store, id % 4 + 1, Some(&previous)).await;
            let is_other = id % 4 + 1 != id;
            assert!(is_other && other.shared_inboxes(&previous) == 0, "{id}");
        }
    }
}

async fn every_column_makes_an_inbox_new(backend: Backend) {
    let database = account(backend, 1).await;
    database
        .execute(
            "INSERT INTO portals (id, account_id, name, slug, created_at, updated_at)
                VALUES (1, 1, 'p', 'p', '2026-01-01', '2026-01-01');
            UPDATE inboxes SET portal_id = 1;
            INSERT INTO channel_reauthorizations (channel_type, channel_id)
                SELECT channel_type, channel_id FROM inboxes",
        )
        .await;
    let columns = columns();
    let mut tables: Vec<_> = columns.iter().map(|(table, _)| table.as_str()).collect();
    tables.dedup();
    // Before the store is opened, which would notice the new tables.
    for table in &tables {
        let copy = format!("CREATE TABLE original_{table} AS SELECT * FROM {table}");
        database.execute(&copy).await;
    }
    let store = store::open(&database).await;
    let previous = store::read(&store, 1, None).await;
    let all = previous.shared_inboxes(&previous);
    assert_eq!(all, 13);

    for (table, column) in &columns {
        let value = changed(&database, table, column).await;
        let change = format!("UPDATE {table} SET {column} = {value}");
        unchecked(&database, &change).await;
        let account = store::read(&store, 1, Some(&previous)).await;
        let shared = account.shared_inboxes(&previous);
        assert!(shared < all, "{change}: {shared} inboxes are as they were");

        let restore =
            format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM original_{table}");
        unchecked(&database, &restore).await;
        let account = store::read(&store, 1, Some(&previous)).await;
        assert_eq!(account.shared_inboxes(&previous), all, "{change}, undone");
    }
}

/// Every column that an inbox is made of, with its table: of those that the program
/// itself says it reads of these tables.
fn columns() -> Vec<(String, String)> {
    let own = Backend::Postgres.empty();
    let program = Program::new(&["grants"]).env("DATABASE_URL", &own.url());
    let grants = String::from_utf8(program.output().stdout).unwrap();
    let granted = Regex::new(r"GRANT SELECT \(([^)]*)\)\s+ON \w+\.(\w+) TO").unwrap();
    let mut columns = Vec::new();
    for found in granted.captures_iter(&grants) {
        let (names, table) = (&found[1], &found[2]);
        columns.extend(
            names
                .split(", ")
                .map(|name| (table.to_owned(), name.to_owned())),
        );
    }
    columns.retain(|(table, column)| {
        let (table, column) = (table.as_str(), column.as_str());
        !OTHER_TABLES.contains(&table) && !OTHER_COLUMNS.contains(&(table, column))
    });
    assert!(columns.len() > 100, "{}", columns.len());
    columns
}

/// SQL for another value of a column.
async fn changed(database: &Database, table: &str, column: &str) -> String {
    // The one bit of the flags that counts, and the one key.
    match column {
        "feature_flags" if table == "accounts" => {
            return "feature_flags + 17592186044416".to_owned();
        }
        "provider_config" => return r#"'{"inbound_calls_enabled": false}'"#.to_owned(),
        "api_key_secret" => return "'x'".to_owned(),
        _ => {}
    }
    let r#type = match database.backend() {
        Backend::Postgres => format!(
            "SELECT data_type AS found FROM information_schema.columns
            WHERE table_name = '{table}' AND column_name = '{column}'"
        ),
        Backend::Sqlite => format!(
            "SELECT type AS found FROM pragma_table_info('{table}') WHERE name = '{column}'"
        ),
    };
    let r#type = database.texts(&r#type).await.remove(0).to_lowercase();
    match r#type.as_str() {
        "boolean" => format!("NOT coalesce({column}, false)"),
        "integer" | "bigint" => format!("coalesce({column}, 0) + 1000"),
        "jsonb" | "json" => r#"'{"changed": true}'"#.to_owned(),
        "text" | "character varying" => format!("coalesce({column}, '') || 'x'"),
        other => panic!("{table}.{column} is {other}"),
    }
}

/// Runs statements without regard to foreign keys.
async fn unchecked(database: &Database, sql: &str) {
    let begin = match database.backend() {
        Backend::Postgres => "SET session_replication_role = replica",
        Backend::Sqlite => "PRAGMA foreign_keys = OFF",
    };
    database.execute(&format!("{begin}; {sql}")).await;
}
