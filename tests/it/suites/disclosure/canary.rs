//! Every sealed column, and every column that is never disclosed, holds a canary.
//! Answers, errors, page tokens and the most verbose logs are searched for them: plain,
//! in Base64 and percent-encoded.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use leadchat_inbox::leadchat::encryption::{
    DETERMINISTIC, Digest, Encryption, KeyMaterial, NON_DETERMINISTIC,
};
use prost_reflect::Kind;
use secrecy::ExposeSecret;
use tonic::Status;

use super::{
    ADMINISTRATOR, AGENT, AGENT_BOT, SERVICE, change::answers::explained, filled, sealed_fields,
};
use crate::support::{
    Backend, Client, Database, Program,
    canary::{Finder, MARK, SEALED, UNSEEN},
    client::Answer,
    collector::Collector,
    get_inbox, golden, pb,
    pb::find_inboxes_request::Key,
    program::eventually,
    watch::{resume, watch},
    wire,
};

/// The account whose inboxes `filled` fills.
const ACCOUNT: i64 = 1;

pub(super) async fn no_sealed_text_is_where_it_must_not_be(backend: Backend) {
    let database = marked(backend).await;
    nothing_sealed_gets_out(&database, Program::serving(&database)).await;
}

/// The same where leadchat encrypted what it encrypts.
pub(super) async fn no_encrypted_text_is_where_it_must_not_be(backend: Backend) {
    let database = marked(backend).await;
    // `deterministic` is what encrypts, with the key of either kind of column.
    let encrypting = |is_deterministic: bool| {
        let keys = golden::encryption().keys;
        let key = |name: &str| keys[name].clone().into();
        let name = ["primary_key", "deterministic_key"][usize::from(is_deterministic)];
        Encryption::derive(&KeyMaterial {
            primary_key: key("primary_key"),
            deterministic_key: key(name),
            key_derivation_salt: key("key_derivation_salt"),
            digest: Digest::Sha1,
        })
    };
    let mut encrypted = 0;
    for (columns, encryption) in [
        (&NON_DETERMINISTIC[..], encrypting(false)),
        (&DETERMINISTIC[..], encrypting(true)),
    ] {
        for (table, column) in columns {
            let all = format!("SELECT id, {column} AS text FROM {table}");
            for (id, text) in database.pairs(&all).await {
                assert!(text.starts_with(MARK), "{table}.{column}: {text}");
                let envelope = encryption.deterministic(&text.into()).unwrap();
                let envelope = envelope.expose_secret();
                database
                    .execute(&format!(
                        "UPDATE {table} SET {column} = '{envelope}' WHERE id = {id}"
                    ))
                    .await;
                encrypted += 1;
            }
        }
    }
    assert!(encrypted > 50, "{encrypted}");
    nothing_sealed_gets_out(&database, Program::serving(&database).with_keys()).await;
}

/// With a mark in every text that is sealed, and in every one that nobody sees.
async fn marked(backend: Backend) -> Database {
    let database = filled(backend).await;
    mark(&database).await;
    database
}

async fn mark(database: &Database) {
    let backend = database.backend();
    let marked: BTreeSet<_> = SEALED
        .iter()
        .map(|(field, ..)| (*field).to_owned())
        .collect();
    assert_eq!(marked, sealed_texts(), "a mark in each sealed text");
    let sealed = SEALED
        .iter()
        .map(|(_, table, column, value)| (table, column, value));
    let unseen = UNSEEN
        .iter()
        .map(|(table, column, value)| (table, column, value));
    for (table, column, value) in sealed.chain(unseen) {
        let text = format!("{MARK}{table}-{column}-' || id || '");
        let value = value.replace('?', &text);
        let cast = if value.starts_with('{') && backend == Backend::Postgres {
            "::jsonb"
        } else {
            ""
        };
        database
            .execute(&format!("UPDATE {table} SET {column} = ('{value}'){cast}"))
            .await;
    }
}

/// The marks come while watches are open.
pub(super) async fn no_sealed_text_is_in_an_open_watch(backend: Backend) {
    let database = filled(backend).await;
    let server = Program::serving(&database)
        .env("MAX_STALENESS", "0.05")
        .start();
    let client = server.client().await;
    let mut watches = Vec::new();
    for viewer in [AGENT, AGENT_BOT, SERVICE, ADMINISTRATOR] {
        let mut opened = client.watch(watch(viewer)).await.unwrap();
        opened.batch().await.unwrap();
        watches.push(opened);
    }
    mark(&database).await;
    // All see this at last.
    let last = "UPDATE inboxes SET name = 'at last' WHERE account_id = 1";
    database.execute(last).await;
    let marks = Finder::of([MARK]);
    let mut seen = Vec::new();
    for opened in &mut watches {
        let mut bytes = Vec::new();
        while !opened.held.values().all(|inbox| inbox.name == "at last") {
            bytes.extend(opened.next().await.unwrap().bytes);
        }
        seen.push(bytes);
    }
    let (administrator, others) = seen.split_last().unwrap();
    assert!(marks.find(administrator).is_some());
    for bytes in others {
        assert!(bytes.len() > 10_000, "{}", bytes.len());
        assert_eq!(marks.find(bytes), None, "in an event to others");
    }
}

async fn nothing_sealed_gets_out(database: &Database, program: Program) {
    let collector = Collector::start().await;
    let program = program.with_cache().with_admin();
    let program = program.with_traces(&collector).env("TRACE_RATIO", "1");
    let server = program.start();
    let client = server.client().await.asking_twice();
    let keys = unseen_addresses(database).await;

    let marks = Finder::of([MARK]);
    for viewer in [AGENT, AGENT_BOT, SERVICE] {
        let seen = everything(&client, viewer, &keys).await;
        assert!(seen.len() > 100_000, "{}", seen.len());
        assert_eq!(marks.find(&seen), None, "in an answer to others");
    }

    let seen = everything(&client, ADMINISTRATOR, &keys).await;
    let seen = String::from_utf8_lossy(&seen);
    for (_, table, column, _) in SEALED {
        for inbox in client.all(ACCOUNT, ADMINISTRATOR).await {
            if table_of(&inbox) == Some(*table) {
                let text = format!("{MARK}{table}-{column}-{}", inbox.channel_id);
                assert!(seen.contains(&text), "an administrator misses {text}");
            }
        }
    }
    for (table, column, _) in UNSEEN {
        assert!(
            !seen.contains(&format!("{MARK}{table}-{column}-")),
            "{table}.{column} is out"
        );
    }

    client.ask_again(&server).await;
    for detail in [pb::InboxDetail::Basic, pb::InboxDetail::Full].map(i32::from) {
        for viewer in [AGENT, AGENT_BOT, SERVICE] {
            let seen = watched(&client, viewer, detail).await;
            assert!(seen.len() > 10_000, "{}", seen.len());
            assert_eq!(marks.find(&seen), None, "in an event to others");
        }
        let seen = watched(&client, ADMINISTRATOR, detail).await;
        let is_full = detail == i32::from(pb::InboxDetail::Full);
        assert_eq!(marks.find(&seen).is_some(), is_full);
    }
    // All that is scraped and traced is searched for canaries when it comes.
    let scrape = server.scrape().await;
    assert!(scrape.count("leadchat_inbox_disclosures_total", &[]) > 10);
    assert!(scrape.count("leadchat_inbox_withheld_total", &[("why", "role")]) > 10);
    eventually("traces", || collector.spans().len() > 10).await;
    // Its log and output are searched when it stops, as in every test.
    assert!(server.log().contains("DEBUG"), "the log is not talkative");
}

/// All that a viewer can get: answers of every RPC with their metadata, page
/// tokens (plain too), and errors.
async fn everything(client: &Client, viewer: pb::Viewer, keys: &[Key]) -> Vec<u8> {
    let inboxes = client.all(ACCOUNT, viewer).await;
    let ids: Vec<_> = inboxes.iter().map(|inbox| inbox.id).collect();
    let mut all = Vec::new();
    for detail in [pb::InboxDetail::Basic, pb::InboxDetail::Full].map(i32::from) {
        for method in wire::methods() {
            all.extend(match method.as_str() {
                "GetInbox" => got(client, viewer, detail, &ids).await,
                "ListInboxes" => listed(client, viewer, detail).await,
                "BatchGetInboxes" => got_together(client, viewer, detail, &ids).await,
                "FindInboxes" => found(client, viewer, detail, keys).await,
                "ExplainAccess" => {
                    let mut explanations = Vec::new();
                    for id in &ids {
                        let get = pb::GetInboxRequest {
                            detail,
                            ..get_inbox(ACCOUNT, *id, viewer)
                        };
                        explanations.extend(explained(client, get).await);
                    }
                    explanations
                }
                // It reads beside the calls, which are counted: it is asked behind them.
                "WatchInboxes" => Vec::new(),
                other => panic!("{other}: its answers are to be searched here"),
            });
        }
    }
    all
}

async fn listed(client: &Client, viewer: pb::Viewer, detail: i32) -> Vec<u8> {
    let mut all = Vec::new();
    let mut list = pb::ListInboxesRequest {
        account_id: ACCOUNT,
        viewer: Some(viewer),
        detail,
        page_size: 7,
        ..Default::default()
    };
    loop {
        let page = client.list(list.clone()).await.unwrap();
        all.extend(page.bytes);
        all.extend(format!("{:?}", page.metadata).into_bytes());
        list.page_token = page.message.next_page_token;
        if list.page_token.is_empty() {
            return all;
        }
        let token = BASE64_URL_SAFE_NO_PAD.decode(&list.page_token);
        all.extend(token.unwrap());
    }
}

/// The first batch of a watch, by a client that holds inboxes that it does not see.
async fn watched(client: &Client, viewer: pb::Viewer, detail: i32) -> Vec<u8> {
    let hidden = pb::Inbox {
        id: 999_999,
        ..Default::default()
    };
    let held = BTreeMap::from([(hidden.id, hidden)]);
    let request = pb::WatchInboxesRequest {
        detail,
        ..resume(&watch(viewer), &held)
    };
    let mut opened = client.watch_holding(request, held).await.unwrap();
    let batch = opened.batch().await.unwrap();
    batch
        .into_iter()
        .flat_map(|received| received.bytes)
        .collect()
}

async fn got(client: &Client, viewer: pb::Viewer, detail: i32, ids: &[i64]) -> Vec<u8> {
    let mut all = Vec::new();
    for inbox_id in ids.iter().copied().chain([999_999]) {
        let get = pb::GetInboxRequest {
            account_id: ACCOUNT,
            inbox_id,
            viewer: Some(viewer),
            detail,
            ..Default::default()
        };
        all.extend(bytes(client.get(get).await));
    }
    all
}

async fn got_together(client: &Client, viewer: pb::Viewer, detail: i32, ids: &[i64]) -> Vec<u8> {
    let mut all = Vec::new();
    let unfit = [vec![], vec![-1], vec![1, 1]];
    for inbox_ids in ids.chunks(50).map(<[i64]>::to_vec).chain(unfit) {
        let batch = pb::BatchGetInboxesRequest {
            account_id: ACCOUNT,
            viewer: Some(viewer),
            detail,
            inbox_ids,
            ..Default::default()
        };
        all.extend(bytes(client.batch(batch).await));
    }
    all
}

/// By addresses that are sealed or shown to no viewer, too: a caller that knows one
/// learns no more.
async fn found(client: &Client, viewer: pb::Viewer, detail: i32, keys: &[Key]) -> Vec<u8> {
    let mut all = Vec::new();
    for key in keys {
        for account_id in [Some(ACCOUNT), None] {
            let find = pb::FindInboxesRequest {
                account_id,
                viewer: Some(viewer),
                detail,
                key: Some(key.clone()),
                ..Default::default()
            };
            all.extend(bytes(client.find(find).await));
        }
    }
    all
}

/// The bytes of an answer, or all that an error says.
fn bytes<M>(outcome: Result<Answer<M>, Status>) -> Vec<u8> {
    match outcome {
        Ok(answer) => answer.bytes,
        Err(status) => format!("{status:?}").into_bytes(),
    }
}

/// Keys with the marks of addresses that nobody sees.
async fn unseen_addresses(database: &Database) -> Vec<Key> {
    let mut keys = Vec::new();
    for id in database.numbers("SELECT id FROM channel_telegram").await {
        let marked = format!("{MARK}channel_telegram-bot_token-{id}");
        keys.push(Key::TelegramBotToken(marked));
    }
    for id in database.numbers("SELECT id FROM channel_tiktok").await {
        let marked = format!("{MARK}channel_tiktok-business_id-{id}");
        keys.push(Key::TiktokBusinessId(marked));
    }
    assert!(keys.len() > 2);
    keys
}

/// The sealed fields that can hold a text: no numbers, booleans or enums.
fn sealed_texts() -> BTreeSet<String> {
    let sealed = sealed_fields();
    wire::paths()
        .into_iter()
        .filter(|(path, field)| {
            sealed.contains(path) && matches!(field.kind(), Kind::String | Kind::Message(_))
        })
        .map(|(path, _)| path)
        .collect()
}

fn table_of(inbox: &pb::Inbox) -> Option<&'static str> {
    Some(match inbox.channel_kind() {
        pb::ChannelKind::WebWidget => "channel_web_widgets",
        pb::ChannelKind::Api => "channel_api",
        pb::ChannelKind::Email => "channel_email",
        pb::ChannelKind::TwilioSms => "channel_twilio_sms",
        pb::ChannelKind::Whatsapp => "channel_whatsapp",
        _ => return None,
    })
}
