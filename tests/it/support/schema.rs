//! Which columns there are: what the database itself says, so that a test of all
//! of them has new ones too.

use std::collections::{BTreeMap, BTreeSet};

use super::{Backend, Database};

/// All that is read, parents first.
pub const TABLES: [&str; 25] = [
    "accounts",
    "users",
    "account_users",
    "portals",
    "agent_bots",
    "inboxes",
    "inbox_members",
    "agent_bot_inboxes",
    "working_hours",
    "active_storage_blobs",
    "active_storage_attachments",
    "channel_reauthorizations",
    "channel_web_widgets",
    "channel_api",
    "channel_email",
    "channel_facebook_pages",
    "channel_instagram",
    "channel_tiktok",
    "channel_twilio_sms",
    "channel_twitter_profiles",
    "channel_telegram",
    "channel_line",
    "channel_sms",
    "channel_whatsapp",
    "channel_voice",
];

/// Tables that are never read.
const UNREAD: [&str; 2] = ["_sqlx_migrations", "sqlite_sequence"];

pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Integer {
        largest: i64,
    },
    Text {
        longest: Option<usize>,
    },
    /// On SQLite a text, known by its default.
    Json,
    Boolean,
    Time,
}

pub type Schema = BTreeMap<&'static str, Vec<Column>>;

pub async fn schema(database: &Database, backend: Backend) -> Schema {
    let tables = match backend {
        Backend::Postgres => {
            "SELECT table_name AS found FROM information_schema.tables
                WHERE table_schema = 'public'"
        }
        Backend::Sqlite => "SELECT name AS found FROM sqlite_master WHERE type = 'table'",
    };
    let there: BTreeSet<_> = database.texts(tables).await.into_iter().collect();
    let known = TABLES.iter().map(|table| (*table).to_owned());
    let unknown: Vec<_> = there
        .difference(&known.collect())
        .filter(|table| !UNREAD.contains(&table.as_str()))
        .cloned()
        .collect();
    assert_eq!(unknown, [""; 0], "a table that is read has to be filled");

    let mut schema = Schema::new();
    for table in TABLES {
        let columns = match backend {
            Backend::Postgres => format!(
                "SELECT concat_ws('|', column_name, is_nullable, data_type,
                    character_maximum_length) AS found
                FROM information_schema.columns
                WHERE table_schema = 'public' AND table_name = '{table}'
                ORDER BY ordinal_position"
            ),
            Backend::Sqlite => format!(
                r#"SELECT name || '|' || iif("notnull", 'NO', 'YES') || '|' || type || '|'
                    || coalesce(dflt_value, '') AS found
                FROM pragma_table_info('{table}') ORDER BY cid"#
            ),
        };
        let columns = database.texts(&columns).await;
        assert!(!columns.is_empty(), "{table}");
        schema.insert(
            table,
            columns.iter().map(|column| read(table, column)).collect(),
        );
    }
    schema
}

fn read(table: &str, column: &str) -> Column {
    let mut parts = column.splitn(4, '|');
    let mut part = || parts.next().unwrap_or_default();
    let (name, nullable, kind, more) = (part(), part(), part(), part());
    let kind = match kind {
        "integer" => Kind::Integer {
            largest: i32::MAX.into(),
        },
        "bigint" | "INTEGER" => Kind::Integer { largest: i64::MAX },
        "character varying" | "text" => Kind::Text {
            longest: more.parse().ok(),
        },
        "jsonb" => Kind::Json,
        "TEXT" if more.starts_with("'{") => Kind::Json,
        "TEXT" => Kind::Text { longest: None },
        "boolean" | "BOOLEAN" => Kind::Boolean,
        "timestamp without time zone" => Kind::Time,
        other => panic!("{table}.{name}: what are odd values of {other}?"),
    };
    Column {
        name: name.to_owned(),
        kind,
        nullable: nullable == "YES",
    }
}
