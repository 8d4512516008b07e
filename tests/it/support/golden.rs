//! The oracle: rows, and what the real view rendered for them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub const ROWS: &str = include_str!("../../golden/rows.sql");
const REDIS: &str = include_str!("../../golden/redis.json");
const VISIBLE: &str = include_str!("../../golden/visible.json");

/// Tables that an own store has not.
const LEFT_OUT: [&str; 3] = ["access_tokens", "custom_roles", "installation_configs"];

/// The columns of `users` that an own store has.
const USER_COLUMNS: [&str; 6] = ["id", "name", "email", "created_at", "updated_at", "type"];

/// The rows as statements that an own store takes, on either database; Redis'
/// flags as rows of our own table.
pub fn statements() -> Vec<String> {
    let rows = split(ROWS)
        .into_iter()
        .filter(|statement| statement.starts_with("INSERT INTO "))
        .filter(|statement| !LEFT_OUT.contains(&table(statement)))
        .map(|statement| {
            if table(&statement) == "users" {
                project(&statement)
            } else {
                statement
            }
        });
    rows.chain(flags()).collect()
}

/// What moves PostgreSQL's counters past the rows' ids.
pub fn counters() -> Vec<String> {
    split(ROWS)
        .into_iter()
        .filter(|statement| statement.starts_with("SELECT setval("))
        .filter(|statement| {
            !LEFT_OUT
                .iter()
                .any(|table| statement.contains(&format!("'{table}_id")))
        })
        .collect()
}

fn table(statement: &str) -> &str {
    statement
        .trim_start_matches("INSERT INTO ")
        .split(' ')
        .next()
        .unwrap()
}

/// Splits a script at the semicolons that stand in no text.
fn split(script: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut quoted = false;
    for character in script.chars() {
        quoted ^= character == '\'';
        statements.last_mut().unwrap().push(character);
        if character == ';' && !quoted {
            statements.push(String::new());
        }
    }
    statements
        .iter()
        .map(|statement| statement.trim_start().to_owned())
        .collect()
}

/// Every text in the rows, with its table and column.
pub fn texts() -> Vec<(String, String, String)> {
    let rows = split(ROWS)
        .into_iter()
        .filter(|statement| statement.starts_with("INSERT INTO "));
    rows.flat_map(|statement| {
        let table = table(&statement).to_owned();
        let values = values(&statement).into_iter();
        values
            .filter_map(move |(column, value)| {
                let text = value.strip_prefix('\'')?.strip_suffix('\'')?;
                Some((table.clone(), column, text.replace("''", "'")))
            })
            .collect::<Vec<_>>()
    })
    .collect()
}

/// What a statement puts into each column.
fn values(statement: &str) -> BTreeMap<String, String> {
    let (columns, values) = statement.split_once(" VALUES ").unwrap();
    let columns = list(
        columns
            .split_once(" (")
            .unwrap()
            .1
            .strip_suffix(')')
            .unwrap(),
    );
    let values = list(
        values
            .strip_prefix('(')
            .unwrap()
            .strip_suffix(");")
            .unwrap(),
    );
    columns.into_iter().zip(values).collect()
}

fn project(statement: &str) -> String {
    let values = values(statement);
    let kept = USER_COLUMNS.map(|column| values[column].as_str());
    format!(
        "INSERT INTO users ({}) VALUES ({});",
        USER_COLUMNS.join(", "),
        kept.join(", ")
    )
}

/// Splits at the commas that stand in no text.
fn list(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        quoted ^= character == '\'';
        if character == ',' && !quoted {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(character);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// The keys that were set, and their values.
pub fn redis() -> BTreeMap<String, String> {
    serde_json::from_str(REDIS).unwrap()
}

/// Rails takes any text that is not blank as a flag.
fn flags() -> Vec<String> {
    redis()
        .iter()
        .map(|(key, value)| {
            let mut parts = key.rsplit(':');
            let (id, table) = (parts.next().unwrap(), parts.next().unwrap());
            let class_name = match table {
                "channel_email" => "Channel::Email",
                "channel_facebook_page" => "Channel::FacebookPage",
                "channel_instagram" => "Channel::Instagram",
                "channel_tiktok" => "Channel::Tiktok",
                "channel_whatsapp" => "Channel::Whatsapp",
                other => panic!("{other}"),
            };
            let required = !value.trim().is_empty();
            format!(
                "INSERT INTO channel_reauthorizations (channel_type, channel_id, required) \
                 VALUES ('{class_name}', {id}, {required});"
            )
        })
        .collect()
}

/// What the index showed to a user of an account.
#[derive(Deserialize)]
pub struct Visible {
    pub account_id: i64,
    /// A user's id, or `bot` and a bot's.
    pub principal: String,
    pub http_status: u16,
    pub inbox_ids: Option<Vec<i64>>,
}

pub fn visible() -> Vec<Visible> {
    serde_json::from_str(VISIBLE).unwrap()
}

/// What the view rendered for one inbox.
#[derive(Deserialize)]
pub struct Rendered {
    pub inbox_id: i64,
    pub view: serde_json::Map<String, Value>,
}

/// An integer that Rails writes out and no double holds reads as this.
pub const BEYOND_A_DOUBLE: &str = "an integer beyond a double";

/// The views of an environment (`full`, `nomail`) for a role
/// (`administrator`, `agent`).
pub fn rendered(environment: &str, role: &str) -> Vec<Rendered> {
    let lines = match (environment, role) {
        ("full", "administrator") => include_str!("../../golden/full/administrator.jsonl"),
        ("full", "agent") => include_str!("../../golden/full/agent.jsonl"),
        ("nomail", "administrator") => include_str!("../../golden/nomail/administrator.jsonl"),
        ("nomail", "agent") => include_str!("../../golden/nomail/agent.jsonl"),
        other => panic!("{other:?}"),
    };
    // The reader at hand refuses such numbers; no text in the views is so long a
    // row of digits.
    let numbers = regex::Regex::new("-?[0-9]{309,}").unwrap();
    let lines = numbers.replace_all(lines, format!("\"{BEYOND_A_DOUBLE}\""));
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
