//! A read takes as many statements for a thousand inboxes as for one.

use std::fmt::Write;

use crate::support::{Backend, Client, Database, Program, pb, program::eventually, viewer};

on_both_databases!(statements_are_as_many_for_any_number_of_inboxes);

async fn statements_are_as_many_for_any_number_of_inboxes(backend: Backend) {
    let mut counts = Vec::new();
    for inboxes in [1, 100, 500] {
        let database = account(backend, inboxes).await;
        let server = Program::serving(&database).start();
        let client = server.client().await;
        let count = || server.statements();

        let mut of_each = Vec::new();
        for (rpc, viewer) in [
            ("GetInbox", viewer::user(1)),
            ("GetInbox", viewer::user(2)),
            ("GetInbox", viewer::bot(1)),
            ("GetInbox", viewer::service()),
            ("ListInboxes", viewer::user(1)),
            ("ListInboxes", viewer::user(2)),
            ("BatchGetInboxes", viewer::user(1)),
        ] {
            let (before, answers) = (count(), answered(&server.log()));
            ask(&client, rpc, viewer, inboxes).await;
            eventually("the call is logged", || answered(&server.log()) > answers).await;
            let statements = count() - before;
            println!(
                "statements {} {rpc} {viewer_name}: {statements} for {inboxes} inboxes",
                backend.name(),
                viewer_name = name(viewer)
            );
            of_each.push((rpc, name(viewer), statements));
        }
        counts.push(of_each);
    }
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[1], counts[2]);
    // All thirteen tables are read where all are in use, and one where one is.
    let of = |index: usize| counts[0][index].2;
    assert!((5..=12).contains(&of(0)), "{counts:?}");
    assert_eq!(
        of(4) - 13,
        of(0) - 1 + 2,
        "a whole account: all kinds, and its bots: {counts:?}"
    );
}

fn answered(log: &str) -> usize {
    log.matches(": answered ").count()
}

fn name(viewer: pb::Viewer) -> &'static str {
    match viewer.principal {
        Some(pb::viewer::Principal::UserId(1)) => "administrator",
        Some(pb::viewer::Principal::UserId(_)) => "agent",
        Some(pb::viewer::Principal::AgentBotId(_)) => "agent bot",
        Some(pb::viewer::Principal::Service(_)) => "service",
        None => "nobody",
    }
}

async fn ask(client: &Client, rpc: &str, viewer: pb::Viewer, inboxes: i64) {
    let viewer = Some(viewer);
    match rpc {
        "GetInbox" => {
            let request = pb::GetInboxRequest {
                account_id: 1,
                inbox_id: 1,
                viewer,
                detail: 0,
            };
            client.get(request).await.unwrap();
        }
        "ListInboxes" => {
            let request = pb::ListInboxesRequest {
                account_id: 1,
                viewer,
                page_size: 1000,
                ..Default::default()
            };
            let listed = client.list(request).await.unwrap().message.inboxes.len();
            assert_eq!(listed, usize::try_from(inboxes * 13).unwrap().min(1000));
        }
        _ => {
            // A hundred of them where there are as many; always of one kind.
            let inbox_ids = (0..inboxes.min(100)).map(|index| 1 + index * 13).collect();
            let request = pb::BatchGetInboxesRequest {
                account_id: 1,
                viewer,
                detail: 0,
                inbox_ids,
            };
            client.batch(request).await.unwrap();
        }
    }
}

/// Kind, table, and what its row must have: columns, and values for number `n.i`.
const TABLES: [(&str, &str, &str, &str); 13] = [
    (
        "WebWidget",
        "channel_web_widgets",
        "website_token",
        "'t' || n.i",
    ),
    ("Api", "channel_api", "identifier", "'t' || n.i"),
    (
        "Email",
        "channel_email",
        "email, forward_to_email",
        "'e' || n.i, 'f' || n.i",
    ),
    (
        "FacebookPage",
        "channel_facebook_pages",
        "page_id, user_access_token, page_access_token",
        "'p' || n.i, 'u', 'p'",
    ),
    (
        "Instagram",
        "channel_instagram",
        "instagram_id, access_token, expires_at",
        "'i' || n.i, 'a', '2030-01-01'",
    ),
    (
        "Tiktok",
        "channel_tiktok",
        "business_id, access_token, expires_at, refresh_token, refresh_token_expires_at",
        "'b' || n.i, 'a', '2030-01-01', 'r', '2030-01-01'",
    ),
    (
        "TwilioSms",
        "channel_twilio_sms",
        "auth_token, account_sid",
        "'a', 's'",
    ),
    (
        "TwitterProfile",
        "channel_twitter_profiles",
        "profile_id, twitter_access_token, twitter_access_token_secret",
        "'p' || n.i, 'a', 's'",
    ),
    ("Telegram", "channel_telegram", "bot_token", "'t' || n.i"),
    (
        "Line",
        "channel_line",
        "line_channel_id, line_channel_secret, line_channel_token",
        "'l' || n.i, 's', 't'",
    ),
    ("Sms", "channel_sms", "phone_number", "'+' || n.i"),
    ("Whatsapp", "channel_whatsapp", "phone_number", "'+' || n.i"),
    (
        "Voice",
        "channel_voice",
        "phone_number, provider_config",
        "'+' || n.i, '{}'",
    ),
];

/// An account with `count` inboxes of every kind, each with its channel row, a
/// day of working hours, an avatar, a member and a bot.
async fn account(backend: Backend, count: i64) -> Database {
    let database = backend.empty();
    let now = "'2026-01-01', '2026-01-01'";
    let numbers = format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"
    );
    let mut sql = format!(
        "INSERT INTO accounts (id, name, created_at, updated_at) VALUES (1, 'a', {now});
        INSERT INTO users (id, name, created_at, updated_at)
            VALUES (1, 'u', {now}), (2, 'v', {now});
        INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
            VALUES (1, 1, 1, {now}), (1, 2, 0, {now});
        INSERT INTO agent_bots (id, name, created_at, updated_at) VALUES (1, 'b', {now});"
    );
    for (index, (kind, table, columns, values)) in TABLES.iter().enumerate() {
        let cast = if backend == Backend::Postgres {
            "::jsonb"
        } else {
            ""
        };
        let values = values.replace("'{}'", &format!("'{{}}'{cast}"));
        let values = values.replace(
            "'2030-01-01'",
            if cast.is_empty() {
                "'2030-01-01'"
            } else {
                "timestamp '2030-01-01'"
            },
        );
        let now = if cast.is_empty() {
            now
        } else {
            "timestamp '2026-01-01', timestamp '2026-01-01'"
        };
        let id = format!("1 + n.i * 13 + {index}");
        write!(
            sql,

            "INSERT INTO {table} (id, account_id, {columns}, created_at, updated_at)
                {numbers} SELECT {id}, 1, {values}, {now} FROM n;
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
                {numbers} SELECT {id}, 1, {id}, 'Channel::{kind}', 'n' || n.i, {now} FROM n;"
        )
        .unwrap();
    }
    let stamp = if backend == Backend::Postgres {
        "timestamp '2026-01-01'"
    } else {
        "'2026-01-01'"
    };
    write!(
            sql,

        "INSERT INTO working_hours (inbox_id, account_id, day_of_week, created_at, updated_at)
            SELECT id, 1, 1, {stamp}, {stamp} FROM inboxes;
        INSERT INTO active_storage_blobs (id, key, filename, content_type, byte_size, created_at, service_name)
            SELECT id, 'k' || id, 'a.png', 'image/png', 1, {stamp}, 'local' FROM inboxes;
        INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id, created_at)
            SELECT 'avatar', 'Inbox', id, id, {stamp} FROM inboxes;
        INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
            SELECT 2, id, {stamp}, {stamp} FROM inboxes;
        INSERT INTO agent_bot_inboxes (inbox_id, agent_bot_id, created_at, updated_at)
            SELECT id, 1, {stamp}, {stamp} FROM inboxes;"
    )
    .unwrap();
    database.execute(&sql).await;
    database
}
