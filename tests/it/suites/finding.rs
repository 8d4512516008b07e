//! Inboxes are found by the addresses they own: every one that does, and no
//! other.

mod answers;
mod owners;
mod plans;
mod spellings;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    Backend, Client, Database, Program, cluster::Cluster, get_as_user, pb,
    pb::find_inboxes_request::Key, viewer,
};
use owners::every_address_finds_its_inboxes;
use spellings::{
    mail_addresses_are_found_whatever_their_case, phone_numbers_are_found_in_every_spelling,
};

on_both_databases!(
    every_address_finds_its_inboxes,
    phone_numbers_are_found_in_every_spelling,
    mail_addresses_are_found_whatever_their_case,
    viewers_find_what_they_see,
    suspended_accounts_are_left_out,
    unfit_keys_are_refused,
);

/// A kind of key, and where leadchat keeps it: class, table, column.
pub type Place = (fn(String) -> Key, &'static str, &'static str, &'static str);

pub const PLACES: [Place; 15] = [
    (
        Key::WebsiteToken,
        "WebWidget",
        "channel_web_widgets",
        "website_token",
    ),
    (Key::InboxIdentifier, "Api", "channel_api", "identifier"),
    (Key::Email, "Email", "channel_email", "email"),
    (
        Key::ForwardToEmail,
        "Email",
        "channel_email",
        "forward_to_email",
    ),
    (
        Key::PhoneNumber,
        "TwilioSms",
        "channel_twilio_sms",
        "phone_number",
    ),
    (Key::PhoneNumber, "Sms", "channel_sms", "phone_number"),
    (
        Key::PhoneNumber,
        "Whatsapp",
        "channel_whatsapp",
        "phone_number",
    ),
    (Key::PhoneNumber, "Voice", "channel_voice", "phone_number"),
    (
        Key::MessagingServiceSid,
        "TwilioSms",
        "channel_twilio_sms",
        "messaging_service_sid",
    ),
    (
        Key::FacebookPageId,
        "FacebookPage",
        "channel_facebook_pages",
        "page_id",
    ),
    (
        Key::InstagramId,
        "Instagram",
        "channel_instagram",
        "instagram_id",
    ),
    (
        Key::InstagramId,
        "FacebookPage",
        "channel_facebook_pages",
        "instagram_id",
    ),
    (
        Key::TiktokBusinessId,
        "Tiktok",
        "channel_tiktok",
        "business_id",
    ),
    (
        Key::TwitterProfileId,
        "TwitterProfile",
        "channel_twitter_profiles",
        "profile_id",
    ),
    (
        Key::LineChannelId,
        "Line",
        "channel_line",
        "line_channel_id",
    ),
];

pub const BOT_TOKEN: Place = (
    Key::TelegramBotToken,
    "Telegram",
    "channel_telegram",
    "bot_token",
);

pub fn everywhere(key: Key) -> pb::FindInboxesRequest {
    pb::FindInboxesRequest {
        account_id: None,
        viewer: Some(viewer::service()),
        key: Some(key),
        ..Default::default()
    }
}

pub fn within(account_id: i64, viewer: pb::Viewer, key: Key) -> pb::FindInboxesRequest {
    pb::FindInboxesRequest {
        account_id: Some(account_id),
        viewer: Some(viewer),
        key: Some(key),
        ..Default::default()
    }
}

pub async fn found(client: &Client, request: pb::FindInboxesRequest) -> Vec<i64> {
    let answer = client.find(request).await.unwrap().message;
    assert!(answer.remaining.is_empty());
    let positions: Vec<_> = answer
        .inboxes
        .iter()
        .map(|inbox| (inbox.account_id, inbox.id))
        .collect();
    assert!(positions.is_sorted(), "{positions:?}");
    positions.into_iter().map(|(_, id)| id).collect()
}

/// An account with inboxes that each own an address of their own.
pub async fn rows(database: &Database, backend: Backend, inboxes: &[(i64, i64, &str, &str, &str)]) {
    for (id, account, class, columns, values) in inboxes {
        let table = PLACES
            .iter()
            .chain([&BOT_TOKEN])
            .find(|place| place.1 == *class)
            .unwrap()
            .2;
        let (more, and) = match *class {
            "TwilioSms" => (", account_sid, auth_token", ", 's', 'a'"),
            "FacebookPage" => (", user_access_token, page_access_token", ", 'u', 'p'"),
            "Voice" if backend == Backend::Postgres => (", provider_config", ", '{}'::jsonb"),
            "Voice" => (", provider_config", ", '{}'"),
            _ => ("", ""),
        };
        let now = "'2026-01-01', '2026-01-01'";
        database
            .execute(&format!(
                "INSERT INTO {table} (id, account_id, {columns}{more}, created_at, updated_at)
                    VALUES ({id}, {account}, {values}{and}, {now});
                INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
                    VALUES ({id}, {account}, {id}, 'Channel::{class}', 'n', {now})"
            ))
            .await;
    }
}

pub async fn accounts(database: &Database, ids: impl IntoIterator<Item = i64>) {
    for id in ids {
        database
            .execute(&format!(
                "INSERT INTO accounts (id, name, created_at, updated_at)
                    VALUES ({id}, 'a', '2026-01-01', '2026-01-01')"
            ))
            .await;
    }
}

async fn viewers_find_what_they_see(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let stored = database
        .pairs(
            "SELECT i.id AS id, t.website_token AS text FROM channel_web_widgets t JOIN inboxes i
            ON i.channel_id = t.id AND i.channel_type = 'Channel::WebWidget' WHERE i.account_id = 1
            AND trim(t.website_token) <> ''",
        )
        .await;
    assert!(stored.len() > 3);
    let mut seen = [0; 2];
    for who in [
        viewer::user(1),
        viewer::user(2),
        viewer::user(4),
        viewer::bot(1),
        viewer::service(),
    ] {
        let listed = client.all(1, who).await;
        for (id, token) in &stored {
            let request = within(1, who, Key::WebsiteToken(token.clone()));
            let answer = client.find(request).await.unwrap().message;
            let expected: Vec<_> = listed.iter().filter(|inbox| inbox.id == *id).collect();
            assert!(
                answer.inboxes.iter().eq(expected.iter().copied()),
                "inbox {id}"
            );
            seen[expected.len()] += 1;
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");

    let (id, token) = &stored[0];
    let key = || Key::WebsiteToken(token.clone());
    // In another account it is not there.
    let other = found(&client, within(2, viewer::service(), key())).await;
    assert_eq!(other, [0_i64; 0], "{id}");
    // A stranger learns no more than from any other call.
    let get = get_as_user(1, *id, 999);
    let refused = client.get(get).await.unwrap_err();
    for (account, who) in [
        (1, viewer::user(999)),
        (1, viewer::bot(999)),
        (999, viewer::service()),
    ] {
        let status = client.find(within(account, who, key())).await.unwrap_err();
        assert_eq!(said(&status), said(&refused));
    }
    client.ask_again(&server).await;
}

fn said(status: &Status) -> (Code, &str, &[u8]) {
    (status.code(), status.message(), status.details())
}

async fn suspended_accounts_are_left_out(backend: Backend) {
    let database = backend.empty();
    accounts(&database, [1, 2]).await;
    let page = ("FacebookPage", "page_id", "'p'");
    rows(
        &database,
        backend,
        &[
            (1, 1, page.0, page.1, page.2),
            (2, 2, page.0, page.1, page.2),
        ],
    )
    .await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let key = || Key::FacebookPageId("p".to_owned());
    assert_eq!(found(&client, everywhere(key())).await, [1, 2]);
    client.ask_again(&server).await;
    database
        .execute("UPDATE accounts SET status = 1 WHERE id = 1")
        .await;
    assert_eq!(found(&client, everywhere(key())).await, [2]);
    // Asked for by name, it says so.
    let status = client
        .find(within(1, viewer::service(), key()))
        .await
        .unwrap_err();
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "ACCOUNT_SUSPENDED"
    );
    // An account that is gone owns nothing.
    client.ask_again(&server).await;
    database.execute("DELETE FROM accounts WHERE id = 2").await;
    assert_eq!(found(&client, everywhere(key())).await, [0_i64; 0]);
    client.ask_again(&server).await;
}

async fn unfit_keys_are_refused(backend: Backend) {
    let database = backend.empty();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let violations = async |request| {
        let status = client.find(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            "INVALID_REQUEST"
        );
        assert!(status.details().len() < 4096);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        violations
            .into_iter()
            .map(|violation| violation.field)
            .collect::<Vec<_>>()
    };
    for (key, _, _, column) in PLACES.into_iter().chain([BOT_TOKEN]) {
        let field = match column {
            "identifier" => "inbox_identifier",
            "page_id" => "facebook_page_id",
            "business_id" => "tiktok_business_id",
            "profile_id" => "twitter_profile_id",
            "bot_token" => "telegram_bot_token",
            column => column,
        };
        let long = "x".repeat(1025);
        for unfit in ["", " ", "\u{2003}\t\n", "a\0b", &long] {
            let request = everywhere(key(unfit.to_owned()));
            assert_eq!(violations(request).await, [field], "{unfit:?}");
        }
        assert!(client.find(everywhere(key("x".repeat(1024)))).await.is_ok());
    }
    let key = || Key::Email("a".to_owned());
    let mut without_key = everywhere(key());
    without_key.key = None;
    assert_eq!(violations(without_key).await, ["key"]);
    for who in [viewer::user(1), viewer::bot(1)] {
        let mut request = everywhere(key());
        request.viewer = Some(who);
        assert_eq!(violations(request).await, ["account_id"]);
    }
    // An id that somebody forgot to set does not mean all accounts.
    for forgotten in [0, -1] {
        let request = within(forgotten, viewer::service(), key());
        assert_eq!(violations(request).await, ["account_id"]);
    }
    let nothing = pb::FindInboxesRequest {
        detail: 9,
        ..Default::default()
    };
    assert_eq!(violations(nothing).await, ["viewer", "detail", "key"]);
    client.ask_again(&server).await;
}
