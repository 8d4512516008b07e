//! One bad value costs one field of one inbox, and is told to those who may see
//! the field.

pub mod columns;
mod json;

use std::collections::BTreeMap;

use crate::support::{Backend, Client, Program, get_inbox, pb, viewer};

on_both_databases!(
    each_bad_value_costs_its_field,
    bad_inboxes_do_not_spoil_a_list,
    envelopes_are_never_served,
    links_need_a_frontend_url,
    unexpected_stores_of_numbers_are_noted,
);

const ADMINISTRATOR: pb::Viewer = viewer::user(1);
const AGENT: pb::Viewer = viewer::service();

/// The viewers that get the degradation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    Everyone,
    Administrators,
}

/// An inbox of account 1, what is done to it, and what is then reported.
const CASES: &[(i64, &str, &str, &str, Audience)] = &[
    (142, "UPDATE inboxes SET channel_id = 99999 WHERE id = 142", "twilio_sms", "CHANNEL_ROW_MISSING", Audience::Everyone),
    (1, "DELETE FROM channel_web_widgets WHERE id = 1", "web_widget", "CHANNEL_ROW_MISSING", Audience::Everyone),
    (211, "DELETE FROM channel_line WHERE id = 211", "line", "CHANNEL_ROW_MISSING", Audience::Everyone),
    (2, "UPDATE inboxes SET channel_type = 'Channel::Nope' WHERE id = 2", "channel_type", "CHANNEL_TYPE_UNKNOWN", Audience::Everyone),
    (2, "UPDATE inboxes SET channel_type = 'channel::webwidget' WHERE id = 2", "channel_type", "CHANNEL_TYPE_UNKNOWN", Audience::Everyone),
    (3, "UPDATE inboxes SET sender_name_type = 2 WHERE id = 3", "sender_name_type", "ENUM_UNKNOWN", Audience::Everyone),
    (3, "UPDATE channel_web_widgets SET reply_time = -1 WHERE id = 3", "web_widget.reply_time", "ENUM_UNKNOWN", Audience::Everyone),
    (143, "UPDATE channel_twilio_sms SET medium = 2 WHERE id = 143", "twilio_sms.medium", "ENUM_UNKNOWN", Audience::Everyone),
    (3, "UPDATE inboxes SET timezone = 'Mars/Olympus' WHERE id = 3", "timezone", "TIME_ZONE_UNKNOWN", Audience::Everyone),
    (3, "UPDATE inboxes SET timezone = 'europe/berlin' WHERE id = 3", "timezone", "TIME_ZONE_UNKNOWN", Audience::Everyone),
    (3, "UPDATE inboxes SET timezone = '' WHERE id = 3", "timezone", "TIME_ZONE_UNKNOWN", Audience::Everyone),
    (3, r#"UPDATE inboxes SET csat_config = '{"a b": [1, 9007199254740993]}' WHERE id = 3"#, r#"csat_config["a b"][1]"#, "NUMBER_ROUNDED", Audience::Everyone),
    (3, r#"UPDATE inboxes SET csat_config = '{"n": -9007199254740994}' WHERE id = 3"#, "csat_config.n", "NUMBER_ROUNDED", Audience::Everyone),
    (3, r#"UPDATE inboxes SET auto_assignment_config = '{"max_assignment_limit": 1e400}' WHERE id = 3"#, "auto_assignment_config.max_assignment_limit", "NUMBER_OUT_OF_RANGE", Audience::Everyone),
    (191, "UPDATE channel_api SET additional_attributes = '[-1.5e999]' WHERE id = 191", "api.additional_attributes[0]", "NUMBER_OUT_OF_RANGE", Audience::Everyone),
    (232, r#"UPDATE channel_whatsapp SET provider_config = '{"k": 1e400}' WHERE id = 232"#, "whatsapp.provider_config.k", "NUMBER_OUT_OF_RANGE", Audience::Administrators),
    (162, r#"UPDATE channel_email SET smtp_password = '{"p":"x","h":{"iv":"y","at":"z"}}' WHERE id = 162"#, "email.smtp.password", "UNDECRYPTABLE", Audience::Administrators),
    (165, "UPDATE channel_email SET provider_config = NULL WHERE id = 165", "email.reauthorization", "SOURCE_UNREADABLE", Audience::Administrators),
    (165, "UPDATE channel_email SET provider_config = 'null' WHERE id = 165", "email.reauthorization", "SOURCE_UNREADABLE", Audience::Administrators),
    (165, "UPDATE channel_email SET provider_config = 'true' WHERE id = 165", "email.reauthorization", "SOURCE_UNREADABLE", Audience::Administrators),
    (142, "INSERT INTO active_storage_blobs (id, key, filename, content_type, byte_size, created_at, service_name)
        VALUES (5000, 'k5000', ' ', 'image/png', 1, '2026-01-01', 'local');
      INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id, created_at)
        VALUES ('avatar', 'Inbox', 142, 5000, '2026-01-01')", "avatar_url", "SOURCE_UNREADABLE", Audience::Everyone),
];

async fn each_bad_value_costs_its_field(backend: Backend) {
    for (inbox, sql, field, reason, audience) in CASES {
        let database = backend.golden();
        let server = Program::serving(&database).start();
        let client = server.client().await;
        for viewer in [ADMINISTRATOR, AGENT] {
            let before = look(&client, *inbox, viewer).await;
            assert_eq!(reasons(&before).get(*field), None, "{sql}");
        }
        database.execute(sql).await;
        for viewer in [ADMINISTRATOR, AGENT] {
            let after = look(&client, *inbox, viewer).await;
            let is_visible = *audience == Audience::Everyone || viewer == ADMINISTRATOR;
            let expected = is_visible.then(|| (*reason).to_owned());
            assert_eq!(reasons(&after).get(*field).cloned(), expected, "{sql}");
        }
    }
}

/// Values that must not be reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_values_are_not_reported() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = backend.golden();
        database
            .execute(
                r#"UPDATE inboxes SET timezone = 'America/Argentina/Buenos_Aires',
                    csat_config = '{"n": 9007199254740992, "m": -9007199254740992, "f": 1.5e-300,
                        "tiny": 1e-400, "pi": 3.141592653589793238462643, "z": -0.0}'
                    WHERE id = 191;
                UPDATE inboxes SET timezone = NULL, channel_type = NULL WHERE id = 192;
                UPDATE inboxes SET timezone = 'US/Eastern' WHERE id = 201;
                UPDATE inboxes SET timezone = 'Asia/Calcutta' WHERE id = 202;
                UPDATE inboxes SET timezone = 'Europe/Kyiv' WHERE id = 195;
                UPDATE inboxes SET timezone = 'UTC', channel_type = ' ' WHERE id = 193"#,
            )
            .await;
        let server = Program::serving(&database).start();
        let client = server.client().await;
        for inbox in [191, 192, 193, 195, 201, 202] {
            let reported = reasons(&look(&client, inbox, ADMINISTRATOR).await);
            assert_eq!(reported, BTreeMap::new(), "{inbox}");
        }
    }
}

/// All of the above at once, in one account.
async fn bad_inboxes_do_not_spoil_a_list(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let before = client.all(1, ADMINISTRATOR).await.len();
    for (_, sql, ..) in CASES {
        database.execute(sql).await;
    }
    for viewer in [ADMINISTRATOR, AGENT] {
        let after = client.all(1, viewer).await;
        assert_eq!(after.len(), before);
        // And every other inbox is what it was.
        let untouched = after.iter().find(|inbox| inbox.id == 201).unwrap();
        assert!(untouched.channel.is_some());
    }
}

async fn envelopes_are_never_served(backend: Backend) {
    let database = backend.golden();
    let envelope = r#" {"h":{"i":"YmUwNw==","at":"BB","iv":"AA"},"p":"Canary"} "#;
    database
        .execute(&format!(
            "UPDATE channel_email SET imap_password = '{envelope}', smtp_password = '{envelope}';
            UPDATE channel_twilio_sms SET auth_token = '{envelope}'"
        ))
        .await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let mut counted = 0;
    for inbox in client.all(1, ADMINISTRATOR).await {
        let reported = reasons(&inbox);
        match inbox.channel {
            Some(pb::inbox::Channel::Email(email)) => {
                assert_eq!(email.imap.unwrap().password, None);
                assert_eq!(email.smtp.unwrap().password, None);
                assert_eq!(reported["email.imap.password"], "UNDECRYPTABLE");
                assert_eq!(reported["email.smtp.password"], "UNDECRYPTABLE");
                counted += 1;
            }
            Some(pb::inbox::Channel::TwilioSms(twilio)) => {
                assert_eq!(twilio.auth_token, None);
                assert_eq!(reported["twilio_sms.auth_token"], "UNDECRYPTABLE");
                counted += 1;
            }
            _ => {}
        }
    }
    assert_eq!(counted, 27);
    // Nearly an envelope is plain text.
    let plain = r#"{"p":"Canary","h":{"iv":"AA"}}"#;
    database
        .execute(&format!(
            "UPDATE channel_twilio_sms SET auth_token = '{plain}'"
        ))
        .await;
    let inbox = look(&client, 142, ADMINISTRATOR).await;
    let Some(pb::inbox::Channel::TwilioSms(twilio)) = inbox.channel else {
        panic!()
    };
    assert_eq!(twilio.auth_token.as_deref(), Some(plain));
}

async fn links_need_a_frontend_url(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database)
        .without_env("FRONTEND_URL")
        .start();
    let client = server.client().await;
    let voice = look(&client, 241, AGENT).await;
    let reported = reasons(&voice);
    for field in [
        "voice.voice_call_webhook_url",
        "voice.voice_status_webhook_url",
    ] {
        assert_eq!(reported[field], "FRONTEND_URL_NOT_CONFIGURED");
    }
    // Callback addresses are glued to nothing, as Rails glues them.
    let twilio = look(&client, 142, AGENT).await;
    assert_eq!(
        twilio.callback_webhook_url.as_deref(),
        Some("/twilio/callback")
    );

    let server = Program::serving(&database).env("FRONTEND_URL", "").start();
    let voice = look(&server.client().await, 241, AGENT).await;
    let Some(pb::inbox::Channel::Voice(voice)) = voice.channel else {
        panic!()
    };
    assert_eq!(
        voice.voice_call_webhook_url.as_deref(),
        Some("http:///twilio/voice/call/15552410000")
    );
}

/// SQLite keeps in any column what is put there.
async fn unexpected_stores_of_numbers_are_noted(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let sql = "UPDATE channel_email SET imap_port = 3000000000 WHERE id = 162;
        UPDATE working_hours SET open_hour = 3000000000 WHERE inbox_id = 162 AND day_of_week = 1";
    if backend == Backend::Postgres {
        assert!(database.try_execute(sql).await.is_err());
        return;
    }
    database.execute(sql).await;
    let reported = reasons(&look(&client, 162, ADMINISTRATOR).await);
    assert_eq!(reported["email.imap.port"], "NUMBER_OUT_OF_RANGE");
    assert_eq!(
        reported["working_hours[1].open_hour"],
        "NUMBER_OUT_OF_RANGE"
    );
    let to_agents = reasons(&look(&client, 162, AGENT).await);
    assert!(!to_agents.contains_key("email.imap.port"));
    // Ids that are no numbers cost no list.
    database
        .execute(
            "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
                VALUES ('abc', 'def', '2026-01-01', '2026-01-01');
            UPDATE inboxes SET channel_id = 'abc' WHERE id = 2",
        )
        .await;
    assert_eq!(client.all(1, ADMINISTRATOR).await.len(), 88);
    assert_eq!(
        reasons(&look(&client, 2, AGENT).await)["web_widget"],
        "CHANNEL_ROW_MISSING"
    );
    // A value that is no number is out of range, and one that is no boolean is degraded.
    database
        .execute(
            "UPDATE channel_email SET imap_port = 'many', imap_enabled = 'perhaps', smtp_port = 2.7,
                email = x'ff00' WHERE id = 162;
            UPDATE inboxes SET sender_name_type = 'friendly', greeting_enabled = 7 WHERE id = 162",
        )
        .await;
    let inbox = look(&client, 162, ADMINISTRATOR).await;
    assert_eq!(inbox.greeting_enabled, Some(true));
    assert_eq!(inbox.sender_name_type, None);
    let reported = reasons(&inbox);
    assert_eq!(reported["sender_name_type"], "ENUM_UNKNOWN");
    assert_eq!(reported["email.imap.port"], "NUMBER_OUT_OF_RANGE");
    assert_eq!(reported["email.smtp.port"], "NUMBER_OUT_OF_RANGE");
    assert_eq!(reported["email.imap.enabled"], "SOURCE_UNREADABLE");
    assert_eq!(reported["email.email"], "SOURCE_UNREADABLE");
    let to_agents = reasons(&look(&client, 162, AGENT).await);
    assert!(!to_agents.contains_key("email.imap.enabled"));
    assert_eq!(to_agents["email.email"], "SOURCE_UNREADABLE");
    let Some(pb::inbox::Channel::Email(email)) = inbox.channel else {
        panic!()
    };
    assert_eq!(email.email, None);
    let imap = email.imap.unwrap();
    assert_eq!((imap.port, imap.enabled), (None, None));
    assert_eq!(email.smtp.unwrap().port, None);
}

async fn look(client: &Client, inbox_id: i64, viewer: pb::Viewer) -> pb::Inbox {
    let request = get_inbox(1, inbox_id, viewer);
    client.get(request).await.unwrap().message.inbox.unwrap()
}

fn reasons(inbox: &pb::Inbox) -> BTreeMap<String, String> {
    inbox
        .degradations
        .iter()
        .map(|degradation| {
            let reason = degradation.reason().as_str_name();
            (
                degradation.field.clone(),
                reason.replace("DEGRADATION_REASON_", ""),
            )
        })
        .collect()
}
