//! Fields for administrators are disclosed to administrators only.
//!
//! The rule is tested in four ways. Every field states its visibility, and a reviewed
//! table shows the fields that each viewer really gets. A sealed column may change
//! without changing an agent's bytes. Finally, no sealed text occurs where it must not.

mod canary;
mod change;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::support::{
    Backend, Client, Database, Program, get_inbox, pb,
    reviewed::reviewed,
    viewer,
    wire::{self, ours},
};

on_both_databases!(
    viewers_get_what_the_reviewed_table_says,
    agents_bytes_stay_equal_when_a_sealed_column_changes,
    encrypted_values_are_disclosed_as_plain_ones,
    no_sealed_text_is_where_it_must_not_be,
    no_encrypted_text_is_where_it_must_not_be,
    no_sealed_text_is_in_an_open_watch,
    open_watches_say_nothing_of_a_sealed_column,
);

use canary::{
    no_encrypted_text_is_where_it_must_not_be, no_sealed_text_is_in_an_open_watch,
    no_sealed_text_is_where_it_must_not_be,
};
use change::{
    agents_bytes_stay_equal_when_a_sealed_column_changes,
    encrypted_values_are_disclosed_as_plain_ones, open_watches_say_nothing_of_a_sealed_column,
};

/// Viewers that see every inbox of account 1, but for the last.
const ADMINISTRATOR: pb::Viewer = viewer::user(1);
const AGENT: pb::Viewer = viewer::user(900);
const AGENT_BOT: pb::Viewer = viewer::bot(900);
const SERVICE: pb::Viewer = viewer::service();
const NON_MEMBER: pb::Viewer = viewer::user(3);

/// The oracle's rows, an agent and a bot that see every inbox of account 1, and
/// a value in every field of the contract.
async fn filled(backend: Backend) -> Database {
    let database = backend.golden();
    database
        .execute(
            r#"
    INSERT INTO users (id, name, created_at, updated_at)
        VALUES (900, 'sees all', '2026-01-01', '2026-01-01');
    INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
        VALUES (1, 900, 0, '2026-01-01', '2026-01-01');
    INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
        SELECT 900, id, '2026-01-01', '2026-01-01' FROM inboxes WHERE account_id = 1;
    INSERT INTO agent_bots (id, name, created_at, updated_at)
        VALUES (900, 'sees all', '2026-01-01', '2026-01-01');
    INSERT INTO agent_bot_inboxes (inbox_id, agent_bot_id, created_at, updated_at)
        SELECT id, 900, '2026-01-01', '2026-01-01' FROM inboxes WHERE account_id = 1;
    UPDATE inboxes SET csat_config = '{"display_type": "emoji", "message": "m",
        "button_text": "b", "language": "en", "more": 1,
        "survey_rules": {"operator": "contains", "values": ["v"], "more": 1},
        "template": {"name": "n", "template_id": "i", "created_at": "c", "language": "en",
            "friendly_name": "f", "content_sid": "s", "approval_sid": "a", "status": "ok",
            "more": 1}}',
        auto_assignment_config = '{"max_assignment_limit": 10, "more": 1}',
        out_of_office_message = 'away', business_name = 'business' WHERE id = 1;
    UPDATE channel_web_widgets SET pre_chat_form_options = '{"pre_chat_message": "m",
        "require_email": true, "more": 1, "pre_chat_fields": [{"field_type": "standard",
        "label": "l", "placeholder": "p", "name": "n", "enabled": true, "type": "text",
        "required": true, "locale": "en", "values": ["v"], "regex_pattern": "r",
        "regex_cue": "c", "more": 1}]}' WHERE id = 1;
    UPDATE channel_api SET webhook_url = 'https://hook.example.test',
        additional_attributes = '{"a": 1}', secret = 'signs' WHERE id = 191;
    UPDATE channel_twilio_sms SET messaging_service_sid = 'MG900', api_key_sid = 'SK900',
        api_key_secret = 'unseen', voice_enabled = true, twiml_app_sid = 'AP900' WHERE id = 142;
    "#,
        )
        .await;
    database
}

async fn viewers_get_what_the_reviewed_table_says(backend: Backend) {
    let database = filled(backend).await;
    let server = Program::caching(&database).start();
    let administrators = Program::caching(&database)
        .arg("--local-role")
        .arg("administrator")
        .start();
    let client = server.client().await.asking_twice();
    let as_administrator = administrators.client().await.asking_twice();

    let mut columns = vec![
        (
            "administrator".to_owned(),
            present(&client, ADMINISTRATOR).await,
        ),
        ("agent".to_owned(), present(&client, AGENT).await),
        ("agent_bot".to_owned(), present(&client, AGENT_BOT).await),
        ("service".to_owned(), present(&client, SERVICE).await),
        (
            "service_as_administrator".to_owned(),
            present(&as_administrator, SERVICE).await,
        ),
        ("non_member".to_owned(), present(&client, NON_MEMBER).await),
    ];
    client.ask_again(&server).await;
    as_administrator.ask_again(&administrators).await;
    for group in GROUPS {
        columns.push((group.to_lowercase(), present_with(&database, group).await));
    }
    let mut table = String::from("# What each viewer gets of each field below Inbox.\n");
    write!(table, "{:<58}{:<15}{:<12}", "field", "visibility", "group").unwrap();
    for (viewer, _) in &columns {
        write!(table, "{viewer:<15} ").unwrap();
    }
    for (path, field) in wire::paths() {
        let group = match wire::secret_group(&field) {
            none if none == "UNSPECIFIED" => "-".to_owned(),
            group => group,
        };
        let visibility = wire::visibility(&field);
        write!(table, "\n{path:<58}{visibility:<15}{group:<12}").unwrap();
        for (viewer, present) in &columns {
            let mark = if present.contains(&path) { "yes" } else { "-" };
            write!(table, "{mark:<width$} ", width = viewer.len().max(15)).unwrap();
        }
        // The table is only worth something if there was something to withhold.
        assert!(
            columns[0].1.contains(&path),
            "{path}: no row fills this field"
        );
    }
    let table: Vec<_> = table.lines().map(str::trim_end).collect();
    reviewed("disclosure.txt", &table.join("\n"));

    // The marks of the contract match the behaviour, regardless of the reviewed file.
    for (path, field) in wire::paths() {
        let everyone = wire::visibility(&field) == "EVERY_VIEWER";
        for (viewer, present) in &columns[..5] {
            let allowed = everyone || viewer.ends_with("administrator");
            assert_eq!(present.contains(&path), allowed, "{path} for {viewer}");
        }
        assert!(!columns[5].1.contains(&path), "{path} for a non-member");
        // Through a caller with one group alone.
        for (column, present) in &columns[6..] {
            let is_of_group = wire::secret_group(&field).to_lowercase() == *column;
            assert_eq!(
                present.contains(&path),
                everyone || is_of_group,
                "{path}: {column}"
            );
        }
    }
}

const GROUPS: [&str; 5] = ["SIGNING", "IMAP", "SMTP", "TWILIO", "WHATSAPP"];

/// The same for an administrator, through a caller that may pass on one group.
async fn present_with(database: &Database, group: &str) -> BTreeSet<String> {
    let rules = format!(
        "[[caller.may]]\nmethods = [\"GetInbox\", \"ListInboxes\"]\naccounts = [\"1\"]\n\
         as = {{ users = \"any\" }}\ndetail = \"full\"\nsecrets = [\"{}\"]\n",
        group.to_lowercase()
    );
    let callers = format!("version = 1\n[[caller]]\nname = \"me\"\nlocal = true\n{rules}");
    let server = Program::caching(database).with_callers(&callers).start();
    let client = server.client().await.asking_twice();
    let present = present(&client, ADMINISTRATOR).await;
    client.ask_again(&server).await;
    present
}

/// The field paths that say something in any inbox of account 1.
async fn present(client: &Client, viewer: pb::Viewer) -> BTreeSet<String> {
    let mut present = BTreeSet::new();
    for listed in client.all(1, viewer).await {
        let request = get_inbox(1, listed.id, viewer);
        let answer = client.get(request).await.unwrap();
        present.extend(wire::present(&wire::inbox(&answer.bytes)));
    }
    present
}

#[test]
fn every_field_states_its_visibility_and_secrets_are_redacted() {
    let mut visibilities = BTreeMap::new();
    for (path, field) in wire::paths() {
        let visibility = wire::visibility(&field);
        assert_ne!(visibility, "UNSPECIFIED", "{path}");
        assert_eq!(
            wire::is_redacted(&field),
            visibility == "ADMINISTRATOR",
            "{path}"
        );
        let group = wire::secret_group(&field);
        assert_eq!(
            group != "UNSPECIFIED",
            visibility == "ADMINISTRATOR",
            "{path}"
        );
        visibilities.insert(path, (visibility, group));
    }
    // All fields within a message for administrators are for them, and of its group.
    for (path, declared) in &visibilities {
        let within = path.rsplit_once('.').map(|(outer, _)| &visibilities[outer]);
        if let Some(outer) = within.filter(|(visibility, _)| visibility == "ADMINISTRATOR") {
            assert_eq!(declared, outer, "{path}");
        }
    }
    assert!(visibilities.len() > 150, "{}", visibilities.len());
}

/// The fields for administrators that hold a value: no messages of ours.
fn sealed_fields() -> BTreeSet<String> {
    wire::paths()
        .into_iter()
        .filter(|(_, field)| wire::visibility(field) == "ADMINISTRATOR" && ours(field).is_none())
        .map(|(path, _)| path)
        .collect()
}
