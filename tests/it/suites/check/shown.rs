//! The printed report: reviewed, documented, and without a stored text.

use std::collections::BTreeMap;

use regex::Regex;

use super::*;
use crate::suites::callers::{
    issuers::{ISSUERS, KEYS},
    network::entry,
};

/// A stored key that stands in a path without quotes.
const PLAIN_MARK: &str = "canary_that_is_a_key";

pub(super) async fn golden_rows_are_reported_as_reviewed(backend: Backend) {
    let database = with_rows(backend, golden::ROWS);
    let program = || checking(&database).env("REDIS_URL", &Redis::golden().url());
    let file = |kind: &str| format!("check_{}.{kind}", backend.name());

    let (code, text) = printed(program());
    assert_eq!(code, Some(0), "{text}");
    reviewed(&file("txt"), &normalized(&text));
    let json = report(program());
    reviewed(
        &file("json"),
        &normalized(&printed(program().arg("--json")).1),
    );

    // Both say the same.
    let mut said = 0;
    for (path, values) in leaves(&json) {
        let is_shown =
            path.ends_with("inboxes") || path.ends_with("field") || path.contains("left_out");
        for value in values.iter().filter(|_| is_shown) {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            assert!(text.contains(&value), "{path}: {value}");
            said += 1;
        }
    }
    assert!(said > 20, "{said}");
}

/// Without what is different wherever it runs.
fn normalized(text: &str) -> String {
    let text = Regex::new(r"127\.0\.0\.1:[0-9]+/test_[0-9]+")
        .unwrap()
        .replace_all(text, "HOST:PORT/NAME");
    let text = Regex::new(r"127\.0\.0\.1:[0-9]+/0")
        .unwrap()
        .replace_all(&text, "HOST:PORT/0");
    let text = Regex::new(r#"/[^ "]+/store\.db"#)
        .unwrap()
        .replace_all(&text, "FOLDER/store.db");
    let text = Regex::new(r"(PostgreSQL|SQLite) [0-9][^\n]*")
        .unwrap()
        .replace_all(&text, "$1 VERSION");
    let text = Regex::new(r#""server_version": "[^"]+""#)
        .unwrap()
        .replace_all(&text, r#""server_version": "VERSION""#);
    text.into_owned()
}

/// Every path of a document to its values, in the manner of docs/check.md.
fn leaves(document: &Value) -> BTreeMap<String, Vec<Value>> {
    fn walk(path: &str, value: &Value, leaves: &mut BTreeMap<String, Vec<Value>>) {
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    let key = if path == "accounts.inboxes.kinds" {
                        "*"
                    } else {
                        key
                    };
                    let path = if path.is_empty() {
                        key.to_owned()
                    } else {
                        format!("{path}.{key}")
                    };
                    walk(&path, value, leaves);
                }
            }
            Value::Array(elements) => {
                for value in elements {
                    walk(&format!("{path}[]"), value, leaves);
                }
            }
            _ => leaves
                .entry(path.to_owned())
                .or_default()
                .push(value.clone()),
        }
    }
    let mut leaves = BTreeMap::new();
    walk("", document, &mut leaves);
    leaves
}

fn source(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// All that a document may hold, in every form that a test can bring about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_says_all_keys_and_codes() {
    let rails = with_rows(Backend::Postgres, golden::ENCRYPTED_ROWS);
    let name = rails.name();
    Cluster::shared().psql(
        name,
        "ALTER TABLE inboxes RENAME name TO title;
        CREATE SCHEMA another; CREATE TABLE another.ar_internal_metadata (key text)",
    );
    let lacking = report(checking(&rails));
    Cluster::shared().psql(name, "ALTER TABLE inboxes RENAME title TO name");
    let failing = Backend::Sqlite.golden();
    many::break_account(&failing, Backend::Sqlite, 1).await;
    let partial = Backend::Sqlite.golden();
    partial
        .execute(
            "ALTER TABLE portals RENAME TO all_portals;
            CREATE VIEW portals AS SELECT * FROM all_portals WHERE false",
        )
        .await;
    let sender = entry(
        "sender",
        "subjects = [{ issuer = \"jobs\", subject = \"a\" }]",
    );
    let of_tokens = format!("version = 1\n{ISSUERS}{sender}");
    let reports = [
        lacking,
        report(checking(&partial)),
        report(checking(&rails).with_keys()),
        report(Program::new(&["check"]).env("DATABASE_URL", &rails.url())),
        report(checking(&failing).env("REDIS_URL", &Redis::golden().url())),
        report(
            Program::new(&["check"])
                .with_file("secret", "of a file")
                .env("SECRET_KEY_BASE_FILE", "secret"),
        ),
        report(KEYS.program(checking(&partial).with_callers(&of_tokens))),
        report(checking(&partial).with_callers("version = 2")),
    ];
    let mut keys: BTreeSet<_> = reports
        .iter()
        .flat_map(|report| leaves(report).into_keys())
        .collect();
    // Missing grants and policies that hide rows need a user of their own.
    for (of, key) in [
        ("tables.missing[]", "tables.not_granted[]"),
        ("tables.missing[]", "tables.row_security[]"),
        ("tables.left_out.missing[]", "tables.left_out.not_granted[]"),
    ] {
        assert!(keys.contains(of), "{of}");
        keys.insert(key.to_owned());
    }
    let document = source("docs/check.md");
    let key = Regex::new(r"`([a-z_.\[\]*]+)`").unwrap();
    let (_, of_machines) = document.split_once("## For machines").unwrap();
    let documented: BTreeSet<_> = of_machines
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|row| key.captures_iter(row.split('|').nth(1).unwrap()))
        .map(|found| found[1].to_owned())
        .collect();
    // A list and an object are null, and keys of their own.
    keys.retain(|key| !documented.contains(key));
    assert_eq!(keys, BTreeSet::new(), "not documented");
    let seen: BTreeSet<_> = reports
        .iter()
        .flat_map(|report| leaves(report).into_keys())
        .collect();
    let unseen: Vec<_> = documented.difference(&seen).collect();
    assert_eq!(
        unseen,
        [
            "tables.left_out.not_granted[]",
            "tables.not_granted[]",
            "tables.row_security[]"
        ]
    );

    // Codes are words between backticks in the first column of the other table.
    let codes = source("src/check/findings.rs");
    let (_, codes) = codes.split_once("pub enum FindingCode {").unwrap();
    let (codes, _) = codes.split_once('}').unwrap();
    let code = Regex::new("([a-z])([A-Z])").unwrap();
    let codes: BTreeSet<_> = codes
        .split_whitespace()
        .map(|name| {
            code.replace_all(name.trim_end_matches(','), "${1}_$2")
                .to_uppercase()
        })
        .collect();
    let row = Regex::new("(?m)^\\| `([A-Z_]+)` \\|").unwrap();
    let rows: BTreeSet<_> = row
        .captures_iter(&document)
        .map(|row| row[1].to_owned())
        .collect();
    assert_eq!(rows, codes);
}

/// Reasons are those of the contract, and kinds are its fields.
#[test]
fn reasons_and_kinds_are_named_as_in_the_contract() {
    let counted = source("src/check/counts.rs");
    let named = Regex::new(r#"Reason::[A-Za-z]+ => "([A-Z_]+)""#).unwrap();
    let named: Vec<_> = named
        .captures_iter(&counted)
        .map(|name| name[1].to_owned())
        .collect();
    let of_contract = (1..).map_while(|number| pb::DegradationReason::try_from(number).ok());
    // That a value is too large is said of an answer, and not of what is stored.
    let of_rows = of_contract.filter(|reason| *reason != pb::DegradationReason::TooLarge);
    let of_rows: Vec<_> = of_rows
        .map(|reason| {
            reason
                .as_str_name()
                .trim_start_matches("DEGRADATION_REASON_")
                .to_owned()
        })
        .collect();
    assert_eq!(named, of_rows);
}

/// With a mark in every text and every JSON column that there is.
pub(super) async fn no_stored_text_is_reported(backend: Backend) {
    let database = backend.golden();
    let mut marked = 0;
    for (table, columns) in schema::schema(&database, backend).await {
        for column in columns {
            let name = &column.name;
            let id = if table == "channel_reauthorizations" {
                "channel_id"
            } else {
                "id"
            };
            let value = match column.kind {
                schema::Kind::Text { longest } if longest.is_none_or(|most| most > 100) => {
                    format!("'{MARK}{table}-{name}-' || {id}")
                }
                schema::Kind::Json => format!(
                    r#"'{{"{MARK}{name}": 1e400, "{PLAIN_MARK}": 12345678901234567890,
                        "a": [{{"{PLAIN_MARK}": 1e400}}]}}'"#
                ),
                _ => continue,
            };
            // The kind of an inbox stays, except for one inbox.
            let condition = match (table, name.as_str()) {
                ("inboxes", "channel_type") => "WHERE id = 1",
                ("active_storage_attachments", "record_type" | "name") => continue,
                _ => "",
            };
            database
                .execute(&format!("UPDATE {table} SET {name} = {value} {condition}"))
                .await;
            marked += 1;
        }
    }
    assert!(marked > 90, "{marked}");

    let report = report(checking(&database));
    let (_, text) = printed(checking(&database));
    for said in [report.to_string(), text.clone()] {
        // The other mark is looked for in whatever a program prints.
        assert!(
            !said.contains(PLAIN_MARK) && !said.contains("Canary"),
            "{said}"
        );
    }
    let inboxes = &report["accounts"]["inboxes"];
    // Four that the rows have, and the one.
    assert_eq!(inboxes["kinds"]["unknown"], 5, "{inboxes:#}");
    let degradations = inboxes["degradations"].as_array().unwrap();
    for field in [
        "csat_config",
        "auto_assignment_config",
        "web_widget.pre_chat_form_options",
        "timezone",
    ] {
        let of_field = degradations.iter().filter(|it| it["field"] == field);
        let values: u64 = of_field.map(|it| it["values"].as_u64().unwrap()).sum();
        assert!(values > 1, "{field}: {degradations:#?}");
        assert!(text.contains(field));
    }
    assert!(
        degradations
            .iter()
            .any(|it| it["reason"] == "NUMBER_ROUNDED")
    );
}
