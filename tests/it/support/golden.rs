//! The oracle: rows, and what the real view rendered for them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub const ROWS: &str = include_str!("../../golden/rows.sql");
pub const ENCRYPTED_ROWS: &str = include_str!("../../golden/rows_encrypted.sql");
const REDIS: &str = include_str!("../../golden/redis.json");
const VISIBLE: &str = include_str!("../../golden/visible.json");
const AVATARS: &str = include_str!("../../golden/avatars.json");
const ENCRYPTION: &str = include_str!("../../golden/encryption.json");

/// Tables that an own store has not.
const LEFT_OUT: [&str; 3] = ["access_tokens", "custom_roles", "installation_configs"];

/// The columns of `users` that an own store has.
const USER_COLUMNS: [&str; 6] = ["id", "name", "email", "created_at", "updated_at", "type"];

/// Rows as statements that an own store takes, on either database; Redis' flags
/// as rows of our own table.
pub fn statements(rows: &str) -> Vec<String> {
    let rows = split(rows)
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

/// Statements that set PostgreSQL's sequences after the ids of the rows.
pub fn counters(rows: &str) -> Vec<String> {
    split(rows)
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

/// Every text in rows, with its table and column.
pub fn texts(rows: &str) -> Vec<(String, String, String)> {
    let rows = split(rows)
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

/// The values that a statement inserts, by column.
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

/// The index as rendered for a user of an account.
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

/// One inbox as rendered by the view.
#[derive(Deserialize)]
pub struct Rendered {
    pub inbox_id: i64,
    pub view: serde_json::Map<String, Value>,
}

/// An integer that Rails writes out and no double holds reads as this.
pub const BEYOND_A_DOUBLE: &str = "an integer beyond a double";

/// An environment, a role, and the views, one a line.
const VIEWS: [(&str, &str, &str); 6] = [
    (
        "full",
        "administrator",
        include_str!("../../golden/full/administrator.jsonl"),
    ),
    (
        "full",
        "agent",
        include_str!("../../golden/full/agent.jsonl"),
    ),
    (
        "nomail",
        "administrator",
        include_str!("../../golden/nomail/administrator.jsonl"),
    ),
    (
        "nomail",
        "agent",
        include_str!("../../golden/nomail/agent.jsonl"),
    ),
    (
        "enc",
        "administrator",
        include_str!("../../golden/enc/administrator.jsonl"),
    ),
    ("enc", "agent", include_str!("../../golden/enc/agent.jsonl")),
];

/// The views of an environment (`full`, `nomail`, `enc`) for a role
/// (`administrator`, `agent`).
pub fn rendered(environment: &str, role: &str) -> Vec<Rendered> {
    let of = |(of, seen_by, _): &&(&str, &str, &str)| (*of, *seen_by) == (environment, role);
    let (_, _, lines) = VIEWS.iter().find(of).unwrap();
    // The reader at hand refuses such numbers; no text in the views is so long a
    // row of digits.
    let numbers = regex::Regex::new("-?[0-9]{309,}").unwrap();
    let lines = numbers.replace_all(lines, format!("\"{BEYOND_A_DOUBLE}\""));
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Texts that Rails encrypted and decrypted.
#[derive(Deserialize)]
pub struct Encryption {
    pub keys: BTreeMap<String, String>,
    pub derived: BTreeMap<String, String>,
    pub encrypt: Vec<Encrypted>,
    pub decrypt: Vec<Decrypted>,
}

/// A text as an attribute of a column, and what Rails stored for it.
#[derive(Deserialize)]
pub struct Encrypted {
    pub table: String,
    pub column: String,
    pub deterministic: bool,
    pub case: String,
    pub plaintext: String,
    pub ciphertext: String,
}

/// A stored text, and what Rails read of it in several columns.
#[derive(Deserialize)]
pub struct Decrypted {
    pub case: String,
    pub stored: String,
    #[serde(flatten)]
    outcomes: BTreeMap<String, Value>,
}

impl Decrypted {
    /// The text that Rails shows of a column with envelopes that differ each time;
    /// `None` where it shows what is stored, and where it raises.
    pub fn shown(&self) -> Option<String> {
        let attribute = |name: &str| {
            let of = |key: &&String| key.starts_with("nondeterministic") && key.contains(name);
            let outcome = &self.outcomes[self.outcomes.keys().find(of).unwrap()];
            if let Some(text) = outcome.get("as_json") {
                // Of bytes that are no text it is the name of an exception.
                return serde_json::from_str(text.as_str().unwrap()).ok();
            }
            let is_raw = outcome.get("raw_returned") != Some(&Value::Bool(false));
            let text = outcome.get("value").filter(|_| !is_raw)?;
            Some(text.as_str().unwrap().to_owned())
        };
        let shown = attribute("imap_password");
        assert_eq!(shown, attribute("auth_token"), "{}", self.case);
        shown
    }
}

pub fn encryption() -> Encryption {
    serde_json::from_str(ENCRYPTION).unwrap()
}

/// Whether a stored text is an envelope: an object with a text and two headers.
pub fn is_envelope(stored: &str) -> bool {
    serde_json::from_str::<Value>(stored).is_ok_and(|envelope| {
        let has = |header| envelope["h"].get(header).is_some();
        envelope["p"].is_string() && has("iv") && has("at")
    })
}

/// The key that Rails derived from SECRET_KEY_BASE for signing attachments.
pub fn signing_key() -> String {
    let avatars: Value = serde_json::from_str(AVATARS).unwrap();
    avatars["derivation"]["key_hex"]
        .as_str()
        .unwrap()
        .to_owned()
}
