//! Columns that hold no value of their type: a text among numbers, bytes that
//! are no text. SQLite keeps them. Each costs the fields that are made of it and
//! is told to those who may see these.

mod computed;

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};

use super::{ADMINISTRATOR, AGENT, look, reasons};
use crate::support::{
    Backend, Client, Program, pb,
    schema::{Kind, schema},
    wire::{self, ours},
};

on_both_databases!(each_unreadable_column_costs_its_fields_and_is_noted,);

/// A table, the message that its columns are shown in, an inbox that shows a row
/// of it, and which row.
pub const SHOWN: [(&str, &str, i64, &str); 16] = [
    ("inboxes", "", 1, "id = 1"),
    ("portals", "help_center.", 1, "id = 900"),
    ("working_hours", "working_hours.", 1, "inbox_id = 1"),
    ("channel_web_widgets", "web_widget.", 1, "id = 1"),
    ("channel_api", "api.", 191, "id = 191"),
    ("channel_email", "email.", 165, "id = 165"),
    ("channel_facebook_pages", "facebook_page.", 101, "id = 101"),
    ("channel_instagram", "instagram.", 111, "id = 111"),
    ("channel_tiktok", "tiktok.", 121, "id = 121"),
    ("channel_twilio_sms", "twilio_sms.", 142, "id = 142"),
    (
        "channel_twitter_profiles",
        "twitter_profile.",
        131,
        "id = 131",
    ),
    ("channel_telegram", "telegram.", 201, "id = 201"),
    ("channel_line", "line.", 211, "id = 211"),
    ("channel_sms", "sms.", 221, "id = 221"),
    ("channel_whatsapp", "whatsapp.", 232, "id = 232"),
    ("channel_voice", "voice.", 241, "id = 241"),
];

/// Rows of all tables that are shown.
pub const SHOWN_ROWS: &str = "DELETE FROM working_hours WHERE inbox_id = 1;
    INSERT INTO working_hours (inbox_id, day_of_week, created_at, updated_at)
        VALUES (1, 1, '2026-01-01', '2026-01-01');
    INSERT INTO portals (id, account_id, name, slug, created_at, updated_at)
        VALUES (900, 1, 'Shown', 'shown', '2026-01-01', '2026-01-01');
    UPDATE inboxes SET portal_id = 900 WHERE id = 1;
    UPDATE channel_twilio_sms SET twiml_app_sid = 'AP900' WHERE id = 142";

/// The fields derived from a column, beside the field that shows it.
pub const DERIVED: [(&str, &str, &str); 19] = [
    (
        "channel_web_widgets",
        "website_token",
        "web_widget.web_widget_script",
    ),
    ("channel_line", "line_channel_id", "callback_webhook_url"),
    ("channel_sms", "phone_number", "callback_webhook_url"),
    ("channel_whatsapp", "phone_number", "callback_webhook_url"),
    (
        "channel_voice",
        "phone_number",
        "voice.voice_call_webhook_url",
    ),
    (
        "channel_voice",
        "phone_number",
        "voice.voice_status_webhook_url",
    ),
    (
        "channel_instagram",
        "instagram_id",
        "instagram.reauthorization",
    ),
    ("channel_email", "provider", "email.reauthorization"),
    ("channel_email", "provider_config", "email.reauthorization"),
    (
        "channel_twilio_sms",
        "provider_config",
        "twilio_sms.inbound_calls_enabled",
    ),
    (
        "channel_twilio_sms",
        "twiml_app_sid",
        "twilio_sms.voice_configured",
    ),
    (
        "channel_twilio_sms",
        "twiml_app_sid",
        "twilio_sms.voice_call_webhook_url",
    ),
    (
        "channel_twilio_sms",
        "twiml_app_sid",
        "twilio_sms.voice_status_webhook_url",
    ),
    (
        "channel_twilio_sms",
        "phone_number",
        "twilio_sms.voice_call_webhook_url",
    ),
    (
        "channel_twilio_sms",
        "phone_number",
        "twilio_sms.voice_status_webhook_url",
    ),
    (
        "channel_whatsapp",
        "provider_config",
        "whatsapp.reauthorization",
    ),
    (
        "channel_whatsapp",
        "provider_config",
        "whatsapp.inbound_calls_enabled",
    ),
    (
        "channel_whatsapp",
        "provider_config",
        "whatsapp.voice_enabled",
    ),
    ("channel_whatsapp", "provider", "whatsapp.voice_enabled"),
];

/// Fields that are lost with a missing channel, without a degradation of their own.
const GONE: [(&str, &[&str]); 2] = [
    ("channel_type", &["web_widget", "channel_kind"]),
    ("channel_id", &["web_widget"]),
];

/// Fields that are derived from none of these columns: ids of the lookup, fields of
/// settings and other tables, and flags of existence.
pub const ELSEWHERE: [&str; 9] = [
    "id",
    "account_id",
    "channel_kind",
    "avatar_url",
    "etag",
    "email.forwarding_enabled",
    "facebook_page.reauthorization",
    "tiktok.reauthorization",
    "twilio_sms.has_api_key_secret",
];

/// Messages that are read from one column of JSON, or from none.
const WHOLE: [&str; 4] = [
    "csat_config.",
    "auto_assignment_config.",
    "web_widget.pre_chat_form_options.",
    "degradations.",
];

/// The field that shows a column, if one does.
pub fn field(within: &str, column: &str) -> String {
    match (within, column) {
        ("api.", "identifier") => "api.inbox_identifier".to_owned(),
        ("web_widget.", "feature_flags") => "web_widget.selected_feature_flags".to_owned(),
        ("email.", _) => format!(
            "email.{}",
            column
                .replacen("imap_", "imap.", 1)
                .replacen("smtp_", "smtp.", 1)
        ),
        _ => format!("{within}{column}"),
    }
}

/// Values that are none of a type, and their degradation.
fn unreadable(backend: Backend, kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
    let sqlite = backend == Backend::Sqlite;
    match kind {
        Kind::Integer { .. } => (
            if sqlite {
                &["'x'", "''", "1.5", "9e999", "x'31'"]
            } else {
                &["'x'"]
            },
            &["NUMBER_OUT_OF_RANGE", "ENUM_UNKNOWN", "SOURCE_UNREADABLE"],
        ),
        Kind::Boolean => (
            if sqlite {
                &["'x'", "''", "'true'", "1.5", "x'01'"]
            } else {
                &["'x'"]
            },
            &["SOURCE_UNREADABLE"],
        ),
        Kind::Text { .. } => (
            if sqlite {
                &["x'41'", "CAST(x'41c328' AS TEXT)"]
            } else {
                &["convert_from('\\xff', 'UTF8')"]
            },
            &["SOURCE_UNREADABLE"],
        ),
        Kind::Json => (
            if sqlite {
                &["x'7b7d'", "CAST(x'225cff22' AS TEXT)"]
            } else {
                &["'\\xff'"]
            },
            &["SOURCE_UNREADABLE"],
        ),
        Kind::Time => (&[], &[]),
    }
}

async fn each_unreadable_column_costs_its_fields_and_is_noted(backend: Backend) {
    let database = backend.golden();
    database.execute(SHOWN_ROWS).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let contract: BTreeMap<_, _> = wire::paths().into_iter().collect();
    let schema = schema(&database, backend).await;

    let mut covered: BTreeSet<_> = ELSEWHERE.map(ToOwned::to_owned).into();
    for (table, within, inbox, row) in SHOWN {
        for column in &schema[table] {
            let name = column.name.as_str();
            let derived = DERIVED
                .iter()
                .filter(|(of_table, of_column, _)| (*of_table, *of_column) == (table, name));
            let fields: BTreeMap<_, _> = [field(within, name)]
                .into_iter()
                .filter(|field| !ELSEWHERE.contains(&field.as_str()))
                .chain(derived.map(|(.., field)| (*field).to_owned()))
                .filter_map(|field| contract.get_key_value(&field))
                .collect();
            let (values, reasons) = unreadable(backend, column.kind);
            for value in values.iter().filter(|_| !fields.is_empty()) {
                let set = |value: &str| format!("UPDATE {table} SET {name} = {value} WHERE {row}");
                if backend == Backend::Postgres {
                    let refused = database.try_execute(&set(value)).await;
                    assert!(refused.is_err(), "{table}.{name} = {value}");
                    continue;
                }
                let quoted = format!("SELECT quote({name}) AS found FROM {table} WHERE {row}");
                let stored = database.texts(&quoted).await.remove(0);
                let before = Seen::look(&client, inbox).await;
                database.execute(&set(value)).await;
                let after = Seen::look(&client, inbox).await;
                database.execute(&set(&stored)).await;
                after.lacks(&before, name, &fields, reasons, &set(value));
            }
            covered.extend(fields.into_keys().cloned());
        }
    }
    // A field that shows no column that was tried shows one that was forgotten.
    for (path, field) in contract {
        let whole = WHOLE.iter().any(|message| path.starts_with(message));
        let tried = covered.contains(&path) || ours(&field).is_some() || whole;
        assert!(tried, "{path}");
    }
}

/// An inbox, as an administrator and as an agent see it.
pub struct Seen {
    administrator: pb::Inbox,
    agent: pb::Inbox,
}

impl Seen {
    pub async fn look(client: &Client, inbox: i64) -> Self {
        Self {
            administrator: look(client, inbox, ADMINISTRATOR).await,
            agent: look(client, inbox, AGENT).await,
        }
    }

    /// These fields, and nothing else; and that is noted.
    pub fn lacks(
        &self,
        before: &Self,
        column: &str,
        fields: &BTreeMap<&String, &FieldDescriptor>,
        expected: &[&str],
        what: &str,
    ) {
        let to_administrator = reasons(&self.administrator);
        let to_agent = reasons(&self.agent);
        let (mut after, mut unchanged) = (
            wire::dynamic(&self.administrator),
            wire::dynamic(&before.administrator),
        );
        let mut is_visible_to_agent = false;
        for (path, field) in fields {
            let noted = path.replacen("working_hours.", "working_hours[0].", 1);
            let reason = to_administrator.get(&noted).map(String::as_str);
            let reason = reason.unwrap_or_else(|| panic!("{path} is lost silently: {what}"));
            assert!(
                expected.contains(&reason) || reason == "SOURCE_UNREADABLE",
                "{path}: {reason}"
            );
            let is_open = wire::visibility(field) == "EVERY_VIEWER";
            assert_eq!(to_agent.contains_key(&noted), is_open, "{path}: {what}");
            is_visible_to_agent |= is_open;
            assert!(!take(&mut after, path), "{path} is there: {what}");
            take(&mut unchanged, path);
        }
        if !is_visible_to_agent {
            assert!(self.agent == before.agent, "an agent notices: {what}");
        }
        let gone = GONE.iter().filter(|(of, _)| *of == column);
        let gone = gone.flat_map(|(_, fields)| fields.iter());
        for path in gone.chain(&["etag", "degradations"]) {
            take(&mut after, path);
            take(&mut unchanged, path);
        }
        assert!(after == unchanged, "something else changed: {what}");
    }
}

/// Takes a field away; whether it was there.
fn take(message: &mut DynamicMessage, path: &str) -> bool {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let field = message.descriptor().get_field_by_name(first).unwrap();
    let there = message.has_field(&field);
    if rest.is_empty() || !there {
        message.clear_field(&field);
        return there;
    }
    match message.get_field_mut(&field) {
        Value::Message(message) => take(message, rest),
        Value::List(elements) => elements.iter_mut().any(|element| {
            let Value::Message(message) = element else {
                panic!("{path}")
            };
            take(message, rest)
        }),
        _ => panic!("{path}"),
    }
}

/// An inbox, what is done to rows that it is shown with, and the field that is
/// then unknown.
const UNKNOWN: [(i64, &str, &str); 12] = [
    (165, "INSERT INTO channel_reauthorizations (channel_type, channel_id, required) VALUES ('Channel::Email', 165, 'x') ON CONFLICT (channel_type, channel_id) DO UPDATE SET required = 'x'", "email.reauthorization"),
    (101, "INSERT INTO channel_reauthorizations (channel_type, channel_id, required) VALUES ('Channel::FacebookPage', 101, 'x') ON CONFLICT (channel_type, channel_id) DO UPDATE SET required = 'x'", "facebook_page.reauthorization"),
    (112, "UPDATE channel_reauthorizations SET required = 'x' WHERE channel_type = 'Channel::Instagram' AND channel_id = 112", "instagram.reauthorization"),
    (121, "INSERT INTO channel_reauthorizations (channel_type, channel_id, required) VALUES ('Channel::Tiktok', 121, 'x') ON CONFLICT (channel_type, channel_id) DO UPDATE SET required = 'x'", "tiktok.reauthorization"),
    (232, "INSERT INTO channel_reauthorizations (channel_type, channel_id, required) VALUES ('Channel::Whatsapp', 232, 'x') ON CONFLICT (channel_type, channel_id) DO UPDATE SET required = 'x'", "whatsapp.reauthorization"),
    (165, "UPDATE channel_email SET provider = NULL, imap_address = 'imap.gmail.com', imap_enabled = 'x' WHERE id = 165", "email.reauthorization"),
    (165, "UPDATE channel_email SET provider = NULL, imap_address = NO_TEXT, imap_enabled = true WHERE id = 165", "email.reauthorization"),
    (142, "INSERT INTO active_storage_blobs (id, key, filename, content_type, byte_size, created_at, service_name)
        VALUES (5000, 'k5000', 'a.png', NO_TEXT, 1, '2026-01-01', 'local');
      INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id, created_at)
        VALUES ('avatar', 'Inbox', 142, 5000, '2026-01-01')", "avatar_url"),
    (143, "INSERT INTO active_storage_blobs (id, key, filename, content_type, byte_size, created_at, service_name)
        VALUES (5001, 'k5001', NO_TEXT, 'image/png', 1, '2026-01-01', 'local');
      INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id, created_at)
        VALUES ('avatar', 'Inbox', 143, 5001, '2026-01-01')", "avatar_url"),
    (233, r#"UPDATE channel_whatsapp SET provider_config = '{"calling_enabled": true}' WHERE id = 233;
      UPDATE accounts SET feature_flags = 'x' WHERE id = 1"#, "whatsapp.voice_enabled"),
    (2, "UPDATE inboxes SET channel_id = '1x' WHERE id = 2", "channel_id"),
    (3, "UPDATE inboxes SET channel_type = CAST(channel_type AS BLOB), channel_id = 1 WHERE id = 3", "channel_type"),
];
