//! Answers on the tables of each leadchat version since the seed's commit.
//!
//! The tables change under a running server, and a second server is started on them. Both
//! give the same answers, which a reviewed table lists. The rows are there from the
//! beginning but for what only newer tables hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

use crate::support::{
    Backend, Client, Database, Program, get_inbox,
    leadchat_versions::{self, VERSIONS},
    pb::{self, find_inboxes_request::Key},
    program::Server,
    reviewed::reviewed,
    viewer, wire,
};

on_both_databases!(
    each_version_is_served_as_the_reviewed_table_says,
    columns_that_no_version_shows_are_in_no_answer_and_no_log,
);

const ADMINISTRATOR: pb::Viewer = viewer::user(1);
const AGENT: pb::Viewer = viewer::user(2);

/// The accounts that have inboxes; only the first may call.
const ACCOUNTS: [i64; 2] = [1, 2];

/// An own store has no Redis.
const FLAGS: &str = "INSERT INTO channel_reauthorizations (channel_type, channel_id, required)
    SELECT 'Channel::Whatsapp', id, true FROM channel_whatsapp";

/// Rows that only newer tables can hold, by version.
const NEWER: [&str; 5] = [
    "",
    r#"UPDATE channel_api SET secret = 'signs-1' WHERE id = 1;
    UPDATE channel_api SET secret = '{"p":"eA==","h":{"iv":"AAAA","at":"AAAA"}}' WHERE id = 2"#,
    r#"UPDATE channel_twilio_sms SET voice_enabled = true, twiml_app_sid = 'nobody-sees-3',
        api_key_secret = 'nobody-sees-1' WHERE id = 1;
    UPDATE channel_twilio_sms SET twiml_app_sid = ' ', api_key_secret = ' ' WHERE id = 2;
    UPDATE channel_twilio_sms SET twiml_app_sid = 'nobody-sees-4',
        api_key_secret = '{"p":"","h":{"iv":"AAAA","at":"AAAA"}}' WHERE id = 3"#,
    "UPDATE channel_email SET imap_authentication = 'cram-md5'",
    r#"UPDATE channel_twilio_sms SET provider_config = '{"inbound_calls_enabled": false,
        "token": "nobody-sees-2"}' WHERE id = 1;
    UPDATE channel_twilio_sms SET provider_config = NULL WHERE id = 3"#,
];

/// The values of a field of an inbox in each version, for an administrator and for
/// an agent.
type Shown = [[Option<String>; VERSIONS.len()]; 2];

async fn each_version_is_served_as_the_reviewed_table_says(backend: Backend) {
    let database = rows(backend).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let mut shown: BTreeMap<i64, BTreeMap<String, Shown>> = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut common = BTreeSet::new();
    for (index, version) in VERSIONS.iter().enumerate() {
        version.comes_to(&database, backend).await;
        database.execute(NEWER[index]).await;
        let fresh = Program::serving(&database).start();
        let fresh = fresh.client().await;
        for (role, viewer) in [ADMINISTRATOR, AGENT].into_iter().enumerate() {
            for account in ACCOUNTS {
                let inboxes = client.all(account, viewer).await;
                assert!(
                    inboxes == fresh.all(account, viewer).await,
                    "{}",
                    version.name
                );
                for inbox in inboxes {
                    is_the_same_by_every_rpc(&client, &inbox, viewer).await;
                    let (of_all, of_kind) = fields(&inbox, backend);
                    common.insert(of_all);
                    names.insert(inbox.id, inbox.name);
                    let of_inbox = shown.entry(inbox.id).or_default();
                    for (field, value) in of_kind {
                        of_inbox.entry(field).or_default()[role][index] = Some(value);
                    }
                }
            }
        }
    }
    // Fields that inboxes of every kind share depend neither on the version nor on the viewer.
    assert_eq!(common.len(), names.len());
    let mut table = String::from(
        "# What each inbox says beside what inboxes of every kind share, on leadchat's tables of each age.\n",
    );
    for (id, fields) in &shown {
        write!(table, "\n{}\n", names[id]).unwrap();
        for (field, shown) in fields {
            for line in lines(field, shown) {
                writeln!(table, "  {line}").unwrap();
            }
        }
    }
    reviewed("leadchat_versions.txt", &table);
}

async fn rows(backend: Backend) -> Database {
    let database = leadchat_versions::of_the_seed(backend).await;
    database.execute(leadchat_versions::ROWS).await;
    if backend == Backend::Sqlite {
        database.execute(FLAGS).await;
    }
    database
}

/// Got alone, and found by its number, it is what the list shows.
async fn is_the_same_by_every_rpc(client: &Client, inbox: &pb::Inbox, viewer: pb::Viewer) {
    let get = get_inbox(inbox.account_id, inbox.id, viewer);
    let got = client.get(get).await.unwrap().message.inbox;
    assert!(got.as_ref() == Some(inbox), "{}", inbox.name);
    let number = match inbox.channel.clone() {
        Some(pb::inbox::Channel::TwilioSms(channel)) => channel.phone_number,
        Some(pb::inbox::Channel::Whatsapp(channel)) => channel.phone_number,
        Some(pb::inbox::Channel::Voice(channel)) => channel.phone_number,
        _ => None,
    };
    if let Some(number) = number {
        let find = pb::FindInboxesRequest {
            account_id: Some(inbox.account_id),
            viewer: Some(viewer),
            key: Some(Key::PhoneNumber(number)),
            ..Default::default()
        };
        let found = client.find(find).await.unwrap().message.inboxes;
        assert!(found.contains(inbox), "{}", inbox.name);
    }
}

/// The common fields as one text, and the others one by one.
fn fields(inbox: &pb::Inbox, backend: Backend) -> (String, BTreeMap<String, String>) {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    let message: DynamicMessage = wire::dynamic(inbox);
    let json = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap();
    let Value::Object(mut json) = json else {
        panic!()
    };
    // It is different whenever anything else is.
    json.remove("etag");
    let mut fields = BTreeMap::new();
    for degradation in &inbox.degradations {
        let reason = degradation.reason().as_str_name();
        let reason = reason.trim_start_matches("DEGRADATION_REASON_");
        fields.insert(
            format!("{} (degraded)", degradation.field),
            reason.to_owned(),
        );
    }
    json.remove("degradations");
    let kind = json["channel_kind"].as_str().unwrap().to_lowercase();
    let kind = kind.trim_start_matches("channel_kind_");
    let channel = json.remove(kind).unwrap();
    flatten(kind, &channel, backend, &mut fields);
    (Value::Object(json).to_string(), fields)
}

fn flatten(path: &str, value: &Value, backend: Backend, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) if !path.ends_with("provider_config") => {
            for (key, value) in entries {
                flatten(&format!("{path}.{key}"), value, backend, fields);
            }
        }
        _ => {
            let by_flag = match backend {
                Backend::Postgres => "REAUTHORIZATION_UNKNOWN",
                Backend::Sqlite => "REAUTHORIZATION_REQUIRED",
            };
            let text = if *value == json!(by_flag) {
                "as the flag says".to_owned()
            } else {
                shortened(&value.to_string())
            };
            fields.insert(path.to_owned(), text);
        }
    }
}

/// Without what the names of an enum have in common, and not too long to be read.
fn shortened(value: &str) -> String {
    let prefixes =
        regex::Regex::new("\"(WIDGET_FEATURE|REPLY_TIME|TWILIO_MEDIUM|REAUTHORIZATION)_");
    let value = prefixes.unwrap().replace_all(value, "\"");
    let mut short: String = value.chars().take(120).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
}

/// A line for each value of a field: its viewers, and the versions of the tables.
fn lines(field: &str, [administrator, agent]: &Shown) -> Vec<String> {
    let viewers: &[_] = if administrator == agent {
        &[("every viewer", administrator)]
    } else {
        &[("administrator", administrator), ("agent", agent)]
    };
    let mut lines = Vec::new();
    for (viewer, values) in viewers {
        let mut begin = 0;
        while begin < VERSIONS.len() {
            let run = values[begin..]
                .iter()
                .take_while(|it| **it == values[begin]);
            let end = begin + run.count();
            if let Some(value) = &values[begin] {
                let versions = match (begin, end) {
                    (0, 5) => "at every age".to_owned(),
                    (_, 5) => format!("since {}", VERSIONS[begin].name),
                    _ => format!("before {}", VERSIONS[end].name),
                };
                let from = (begin > 0 && end < VERSIONS.len()).then_some(VERSIONS[begin].name);
                let versions = from.map_or(versions.clone(), |from| format!("{from}, {versions}"));
                lines.push(format!("{field:<50} {versions:<30} {viewer:<14} {value}"));
            }
            begin = end;
        }
    }
    lines
}

/// The key secret and the private parts of Twilio's settings are never disclosed. The
/// key's id is disclosed only where leadchat itself shows it.
async fn columns_that_no_version_shows_are_in_no_answer_and_no_log(backend: Backend) {
    let database = rows(backend).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let mut seen = Vec::new();
    for (index, version) in VERSIONS.iter().enumerate() {
        version.comes_to(&database, backend).await;
        database.execute(NEWER[index]).await;
        let all = everything(&client).await;
        assert_eq!(
            all.contains("SK1"),
            index >= 2,
            "the id of the key, on tables of {}",
            version.name
        );
        seen.push(all);
    }
    seen.push(logged(&server));
    for text in seen {
        assert!(!text.contains("nobody-sees"));
    }
}

/// To an administrator.
async fn everything(client: &Client) -> String {
    let mut all = String::new();
    for account in ACCOUNTS {
        for inbox in client.all(account, ADMINISTRATOR).await {
            all += &String::from_utf8_lossy(&prost::Message::encode_to_vec(&inbox));
        }
    }
    all
}

fn logged(server: &Server) -> String {
    let log = server.log();
    assert!(log.contains("DEBUG"), "the log is not talkative");
    log
}
