//! Look-ups go by leadchat's own indexes, among a hundred thousand channels of
//! each kind: as PostgreSQL says of the very statements that the server runs.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;

use super::{BOT_TOKEN, PLACES, Place, everywhere, found};
use crate::support::{Program, cluster::Cluster};

const ROWS: u32 = 100_000;

/// The two columns without an index of their own.
const SCANNED: [(&str, &str); 2] = [
    ("channel_facebook_pages", "instagram_id"),
    ("channel_twitter_profiles", "profile_id"),
];

/// Writes the plan of every statement into the server's log.
const EXPLAIN_ALL: &str = "LOAD 'auto_explain';
    ALTER SYSTEM SET session_preload_libraries = 'auto_explain';
    ALTER SYSTEM SET auto_explain.log_min_duration = 0;
    ALTER SYSTEM SET auto_explain.log_format = 'json';
    SELECT pg_reload_conf();";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_go_by_indexes() {
    let cluster = Cluster::start();
    // Texts are ordered by their bytes in the one, as in a dictionary in the other.
    let every: Vec<_> = PLACES.into_iter().chain([BOT_TOKEN]).collect();
    let mail: Vec<_> = every
        .iter()
        .filter(|place| place.1 == "Email")
        .copied()
        .collect();
    for (database, locale, places) in [
        ("bytes", "", &every),
        (
            "dictionary",
            "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
            &mail,
        ),
    ] {
        let create = format!("CREATE DATABASE {database} TEMPLATE template0 LOCALE 'C' {locale}");
        cluster.psql("postgres", &create);
        cluster.psql(
            database,
            include_str!("../../../golden/leadchat_tables.sql"),
        );
        cluster.psql(database, &rows(places));
    }
    cluster.psql("postgres", EXPLAIN_ALL);

    for (database, places) in [("bytes", &every), ("dictionary", &mail)] {
        let server = Program::new(&["serve", "--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", &cluster.url(database))
            // Keys of several tables are the same.
            .env("MAX_STALENESS", "0")
            // A bot's token is then looked for in two forms.
            .with_keys()
            .start();
        let client = server.client().await;
        for (key, _, table, column) in places {
            let before = plans(&cluster).len();
            // As often as it takes PostgreSQL to settle on a plan for all keys.
            for number in (1..=8).map(|number| number * 1000) {
                let address = match *column {
                    "phone_number" => format!("+{number}"),
                    column => format!("{column} {number}"),
                };
                let ids = found(&client, everywhere(key(address))).await;
                assert!(!ids.is_empty(), "{table}.{column}");
            }
            let plans = plans(&cluster);
            let column_read = format!("t.{column}");
            let of_look_ups = plans[before..].iter().filter(|plan| {
                let sql = text(plan, "Query Text");
                sql.contains(&column_read) && sql.contains("AS stored_text")
            });
            let of_look_ups: Vec<_> = of_look_ups.collect();
            assert_eq!(of_look_ups.len(), 8, "{table}.{column}");
            for plan in of_look_ups {
                let mut nodes = Vec::new();
                collect(&plan["Plan"], &mut nodes);
                check(&nodes, table, column, plan);
            }
        }
    }
}

struct Node {
    kind: String,
    table: String,
    index: String,
    /// The conditions of an index. Without it, all of the index is read.
    condition: String,
}

/// Nothing is read but by an index, except what is allowed.
fn check(nodes: &[Node], table: &str, column: &str, plan: &Value) {
    let scanned: Vec<_> = nodes
        .iter()
        .filter(|node| node.kind == "Seq Scan")
        .map(|node| node.table.as_str())
        .collect();
    let allowed: Vec<_> = SCANNED
        .iter()
        .filter(|(_, without_index)| *without_index == column)
        .map(|(table, _)| *table)
        .collect();
    assert_eq!(scanned, allowed, "{plan:#}");
    for node in nodes.iter().filter(|node| !node.index.is_empty()) {
        assert!(!node.condition.is_empty(), "{}: {plan:#}", node.index);
    }
    let indexes: BTreeSet<_> = nodes.iter().map(|node| node.index.as_str()).collect();
    assert!(
        indexes.contains("index_inboxes_on_channel_id_and_channel_type"),
        "{plan:#}"
    );
    if !SCANNED.contains(&(table, column)) {
        // A page's id stands in two.
        let index = format!("index_{table}_on_{column}");
        let by_index = indexes.iter().any(|name| name.starts_with(&index));
        assert!(by_index, "{index}: {plan:#}");
    }
}

fn collect(node: &Value, nodes: &mut Vec<Node>) {
    nodes.push(Node {
        kind: text(node, "Node Type"),
        table: text(node, "Relation Name"),
        index: text(node, "Index Name"),
        condition: text(node, "Index Cond"),
    });
    for inner in node["Plans"].as_array().into_iter().flatten() {
        collect(inner, nodes);
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// All plans in the server's log.
fn plans(cluster: &Cluster) -> Vec<Value> {
    let log = cluster.psql(
        "postgres",
        "SET auto_explain.log_min_duration = -1;
        SELECT pg_read_file(current_setting('data_directory') || '/../log')",
    );
    let parts = log.split(" plan:\n").skip(1);
    // Lines after the plan are not part of it.
    let first = |part| serde_json::Deserializer::from_str(part).into_iter().next();
    parts.map(|part| first(part).unwrap().unwrap()).collect()
}

/// Channels, each with an inbox of account 1. Columns that must not be NULL are filled.
fn rows(places: &[Place]) -> String {
    let mut sql = String::from(
        "INSERT INTO accounts (id, name, created_at, updated_at) VALUES (1, 'a', now(), now());",
    );
    let tables: BTreeSet<_> = places.iter().map(|place| (place.1, place.2)).collect();
    for (class, table) in tables {
        let mut columns = String::from("id, account_id, created_at, updated_at");
        let mut values = String::from("n, 1, now(), now()");
        let addresses = places.iter().filter(|place| place.1 == class);
        for column in addresses.map(|place| place.3).chain(required(class)) {
            write!(columns, ", {column}").unwrap();
            let value = match column {
                "phone_number" => "'+' || n".to_owned(),
                "provider_config" => "'{}'::jsonb".to_owned(),
                "expires_at" | "refresh_token_expires_at" => "now()".to_owned(),
                column => format!("'{column} ' || n"),
            };
            write!(values, ", {value}").unwrap();
        }
        write!(
            sql,
            "INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {ROWS}) n;
            INSERT INTO inboxes (account_id, channel_id, channel_type, name, created_at, updated_at)
                SELECT 1, n, 'Channel::{class}', 'n', now(), now() FROM generate_series(1, {ROWS}) n;
            ANALYZE {table};"
        )
        .unwrap();
    }
    sql + "ANALYZE inboxes;"
}

/// Further columns that rows of a class must have.
fn required(class: &str) -> impl Iterator<Item = &'static str> {
    let columns: &[_] = match class {
        "Instagram" => &["access_token", "expires_at"],
        "Tiktok" => &[
            "access_token",
            "expires_at",
            "refresh_token",
            "refresh_token_expires_at",
        ],
        "FacebookPage" => &["user_access_token", "page_access_token"],
        "TwitterProfile" => &["twitter_access_token", "twitter_access_token_secret"],
        "TwilioSms" => &["account_sid", "auth_token"],
        "Line" => &["line_channel_secret", "line_channel_token"],
        "Voice" => &["provider_config"],
        _ => &[],
    };
    columns.iter().copied()
}
