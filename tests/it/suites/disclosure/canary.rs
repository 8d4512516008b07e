//! With a text of its own in every sealed column, and in every column that
//! nobody sees, what goes out is searched for them: answers, errors, page tokens
//! and logs at their most talkative; as they are, in Base64 and percent-encoded.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use prost_reflect::Kind;

use super::{ADMINISTRATOR, AGENT, AGENT_BOT, SERVICE, filled, sealed_fields};
use crate::support::{Backend, Client, Database, Program, pb, pb::find_inboxes_request::Key, wire};

/// Has a character that is encoded in addresses.
const MARK: &str = "Canary/";

/// Texts that administrators see: the field of the contract, table, column, and
/// what makes a value of a text (`?`).
const SEALED: &[(&str, &str, &str, &str)] = &[
    (
        "web_widget.hmac_token",
        "channel_web_widgets",
        "hmac_token",
        "?",
    ),
    ("api.hmac_token", "channel_api", "hmac_token", "?"),
    ("email.imap.login", "channel_email", "imap_login", "?"),
    ("email.imap.password", "channel_email", "imap_password", "?"),
    ("email.imap.address", "channel_email", "imap_address", "?"),
    ("email.smtp.login", "channel_email", "smtp_login", "?"),
    ("email.smtp.password", "channel_email", "smtp_password", "?"),
    ("email.smtp.address", "channel_email", "smtp_address", "?"),
    ("email.smtp.domain", "channel_email", "smtp_domain", "?"),
    (
        "email.smtp.openssl_verify_mode",
        "channel_email",
        "smtp_openssl_verify_mode",
        "?",
    ),
    (
        "email.smtp.authentication",
        "channel_email",
        "smtp_authentication",
        "?",
    ),
    (
        "twilio_sms.auth_token",
        "channel_twilio_sms",
        "auth_token",
        "?",
    ),
    (
        "twilio_sms.account_sid",
        "channel_twilio_sms",
        "account_sid",
        "?",
    ),
    (
        "whatsapp.provider_config",
        "channel_whatsapp",
        "provider_config",
        r#"{"a": {"b": ["?"]}}"#,
    ),
];

/// Texts that nobody sees.
const UNSEEN: &[(&str, &str, &str)] = &[
    ("channel_facebook_pages", "user_access_token", "?"),
    ("channel_facebook_pages", "page_access_token", "?"),
    ("channel_instagram", "access_token", "?"),
    ("channel_tiktok", "access_token", "?"),
    ("channel_tiktok", "refresh_token", "?"),
    ("channel_tiktok", "business_id", "?"),
    ("channel_twilio_sms", "api_key_sid", "?"),
    ("channel_twitter_profiles", "twitter_access_token", "?"),
    (
        "channel_twitter_profiles",
        "twitter_access_token_secret",
        "?",
    ),
    ("channel_telegram", "bot_token", "?"),
    ("channel_line", "line_channel_secret", "?"),
    ("channel_line", "line_channel_token", "?"),
    (
        "channel_email",
        "provider_config",
        r#"{"access_token": "?"}"#,
    ),
    ("channel_sms", "provider_config", r#"{"api_key": "?"}"#),
    ("channel_voice", "provider_config", r#"{"api_key": "?"}"#),
];

pub(super) async fn no_sealed_text_is_where_it_must_not_be(backend: Backend) {
    let database = filled(backend).await;
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
    let server = Program::serving(&database).env("RUST_LOG", "trace").start();
    let client = server.client().await;
    let keys = unseen_addresses(&database).await;

    for viewer in [AGENT, AGENT_BOT, SERVICE] {
        let seen = everything(&client, viewer, &keys).await;
        assert!(seen.len() > 100_000, "{}", seen.len());
        assert_free(&seen, "an answer to others");
    }

    let seen = everything(&client, ADMINISTRATOR, &keys).await;
    let seen = String::from_utf8_lossy(&seen);
    for (_, table, column, _) in SEALED {
        for inbox in client.all(1, ADMINISTRATOR).await {
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

    let log = server.log();
    assert!(log.contains("TRACE"), "the log is not talkative");
    assert_free(log.as_bytes(), "the log");
    let (_, printed) = server.stop("TERM");
    assert_free(printed.as_bytes(), "what is printed");
}

/// All that a viewer can get: answers of every RPC with their metadata, page
/// tokens (plain too), and errors.
async fn everything(client: &Client, viewer: pb::Viewer, keys: &[Key]) -> Vec<u8> {
    let mut all = Vec::new();
    let viewer = Some(viewer);
    let account_id = 1;
    for detail in [pb::InboxDetail::Basic, pb::InboxDetail::Full].map(i32::from) {
        let mut list = pb::ListInboxesRequest {
            account_id,
            viewer,
            detail,
            page_size: 7,
            ..Default::default()
        };
        let mut ids = Vec::new();
        loop {
            let page = client.list(list.clone()).await.unwrap();
            all.extend(page.bytes);
            all.extend(format!("{:?}", page.metadata).into_bytes());
            ids.extend(page.message.inboxes.iter().map(|inbox| inbox.id));
            list.page_token = page.message.next_page_token;
            if list.page_token.is_empty() {
                break;
            }
            let token = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(&list.page_token);
            all.extend(token.unwrap());
        }
        for inbox_id in ids.iter().copied().chain([999_999]) {
            let get = pb::GetInboxRequest {
                account_id,
                inbox_id,
                viewer,
                detail,
            };
            match client.get(get).await {
                Ok(answer) => all.extend(answer.bytes),
                Err(status) => all.extend(format!("{status:?}").into_bytes()),
            }
        }
        for inbox_ids in ids
            .chunks(50)
            .map(<[i64]>::to_vec)
            .chain([vec![], vec![-1], vec![1, 1]])
        {
            let batch = pb::BatchGetInboxesRequest {
                account_id,
                viewer,
                detail,
                inbox_ids,
            };
            match client.batch(batch).await {
                Ok(answer) => all.extend(answer.bytes),
                Err(status) => all.extend(format!("{status:?}").into_bytes()),
            }
        }
        // By what is sealed or seen by nobody, too: whoever knows it learns no more.
        for key in keys {
            for account_id in [Some(account_id), None] {
                let find = pb::FindInboxesRequest {
                    account_id,
                    viewer,
                    detail,
                    key: Some(key.clone()),
                };
                match client.find(find).await {
                    Ok(answer) => all.extend(answer.bytes),
                    Err(status) => all.extend(format!("{status:?}").into_bytes()),
                }
            }
        }
    }
    all
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

fn assert_free(bytes: &[u8], place: &str) {
    let text = String::from_utf8_lossy(bytes);
    for form in forms() {
        if let Some(at) = text.find(&form) {
            let around: String = text[at..].chars().take(120).collect();
            panic!("{place} holds {around:?}");
        }
    }
}

/// The mark as it is, percent-encoded, and in Base64 wherever it may begin.
fn forms() -> Vec<String> {
    let mut forms = vec![
        MARK.to_owned(),
        MARK.replace('/', "%2F"),
        MARK.replace('/', "%2f"),
    ];
    for shift in 0..3 {
        let encoded = BASE64_STANDARD_NO_PAD.encode(format!("{}{MARK}", "\0".repeat(shift)));
        // Without the characters that depend on what is before and after.
        let begin = (shift * 8).div_ceil(6);
        let end = (shift + MARK.len()) * 8 / 6;
        forms.push(encoded[begin..end].to_owned());
    }
    assert_eq!(forms.len(), 6);
    assert!(forms.iter().all(|form| form.len() >= 7), "{forms:?}");
    forms
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

#[test]
fn every_form_of_the_mark_is_found() {
    for shift in 0..3 {
        let text = format!("{}{MARK}table-column-1", "x".repeat(shift));
        let encoded = BASE64_STANDARD_NO_PAD.encode(text);
        assert!(
            forms().iter().any(|form| encoded.contains(form)),
            "{encoded}"
        );
    }
}
