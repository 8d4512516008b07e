//! An account of any size, with all kinds of inboxes.

use std::fmt::Write;

use super::{Backend, Database};

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
pub async fn account(backend: Backend, count: i64) -> Database {
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
