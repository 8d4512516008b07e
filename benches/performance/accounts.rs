//! Accounts of PostgreSQL, as large as the measurements need them.

use std::fmt::Write;

use super::it::support::{Backend, Database};

/// The accounts: one of a hundred inboxes, one of ten thousand, and one beside these.
pub const SMALL: i64 = 1;
pub const LARGE: i64 = 2;
pub const OTHER: i64 = 3;

pub const SMALL_INBOXES: i64 = 100;
pub const LARGE_INBOXES: i64 = 10_000;

/// The users of every account: an administrator, and an agent that sees three inboxes.
pub const ADMINISTRATOR: i64 = 1;
pub const AGENT: i64 = 2;

/// The ids of an account's inboxes begin at this, times the id of the account.
const IDS: i64 = 100_000;

/// Accounts of WhatsApp inboxes, and the inboxes and templates of each.
pub const TEMPLATE_ACCOUNTS: i64 = 40;
const TEMPLATE_INBOXES: i64 = 100;
const TEMPLATES: i64 = 40;

/// Copies of the golden rows, and the distance of the ids of a copy and the next.
pub const GOLDEN_COPIES: i64 = 800;
pub const GOLDEN_IDS: i64 = 100_000;

/// The inbox of this number in an account.
pub const fn inbox(account: i64, number: i64) -> i64 {
    account * IDS + number
}

/// Kind and table, and what its row holds for inbox `n` beside id, account and times.
const CHANNELS: [(&str, &str, &str, &str); 13] = [
    (
        "WebWidget",
        "channel_web_widgets",
        "website_token, website_url, welcome_title, welcome_tagline, hmac_token",
        "'token' || n, 'https://shop.example.test', 'Hello', 'We answer soon', 'hmac' || n",
    ),
    (
        "Api",
        "channel_api",
        "identifier, webhook_url, hmac_token",
        "'identifier' || n, 'https://hook.example.test', 'hmac' || n",
    ),
    (
        "Email",
        "channel_email",
        "email, forward_to_email, imap_enabled, imap_address, imap_port, imap_login, \
         imap_password, smtp_enabled, smtp_address, smtp_port, smtp_login, smtp_password",
        "n || '@example.test', n || '@in.example.test', true, 'imap.example.test', 993, \
         'login' || n, 'secret' || n, true, 'smtp.example.test', 587, 'login' || n, 'secret' || n",
    ),
    (
        "FacebookPage",
        "channel_facebook_pages",
        "page_id, user_access_token, page_access_token",
        "'page' || n, 'user token ' || n, 'page token ' || n",
    ),
    (
        "Instagram",
        "channel_instagram",
        "instagram_id, access_token, expires_at",
        "'instagram' || n, 'token ' || n, timestamp '2030-01-01'",
    ),
    (
        "Tiktok",
        "channel_tiktok",
        "business_id, access_token, expires_at, refresh_token, refresh_token_expires_at",
        "'business' || n, 'token ' || n, timestamp '2030-01-01', 'refresh ' || n, \
         timestamp '2030-01-01'",
    ),
    (
        "TwilioSms",
        "channel_twilio_sms",
        "auth_token, account_sid, phone_number",
        "'token ' || n, 'sid' || n, '+1' || n",
    ),
    (
        "TwitterProfile",
        "channel_twitter_profiles",
        "profile_id, twitter_access_token, twitter_access_token_secret",
        "'profile' || n, 'token ' || n, 'secret ' || n",
    ),
    (
        "Telegram",
        "channel_telegram",
        "bot_name, bot_token",
        "'bot' || n, 'token ' || n",
    ),
    (
        "Line",
        "channel_line",
        "line_channel_id, line_channel_secret, line_channel_token",
        "'line' || n, 'secret ' || n, 'token ' || n",
    ),
    (
        "Sms",
        "channel_sms",
        "phone_number, provider_config",
        "'+2' || n, '{\"api_key\": \"key\"}'::jsonb",
    ),
    (
        "Whatsapp",
        "channel_whatsapp",
        "phone_number, provider, provider_config, message_templates",
        "'+3' || n, 'whatsapp_cloud', '{\"api_key\": \"key\", \"phone_number_id\": \"1\"}'::jsonb, \
         '[{\"name\": \"greeting\", \"language\": \"en\", \"status\": \"APPROVED\"}]'::jsonb",
    ),
    (
        "Voice",
        "channel_voice",
        "phone_number, provider_config",
        "'+4' || n, '{\"account_sid\": \"sid\", \"auth_token\": \"token\"}'::jsonb",
    ),
];

/// The accounts of all kinds of inboxes.
pub async fn of_all_kinds() -> Database {
    let database = Backend::Postgres.empty();
    let mut sql = String::from(
        "INSERT INTO users (id, name, created_at, updated_at)
            SELECT u, 'user ' || u, now(), now() FROM generate_series(1, 50) u;
        INSERT INTO agent_bots (id, name, created_at, updated_at) VALUES (1, 'bot', now(), now());",
    );
    for (account, count) in [
        (SMALL, SMALL_INBOXES),
        (LARGE, LARGE_INBOXES),
        (OTHER, SMALL_INBOXES),
    ] {
        fill(&mut sql, account, count);
    }
    finish(&database, &sql).await;
    database
}

fn fill(sql: &mut String, account: i64, count: i64) {
    let first = inbox(account, 0);
    write!(
        sql,
        "INSERT INTO accounts (id, name, created_at, updated_at)
            VALUES ({account}, 'account', now(), now());
        INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
            SELECT {account}, u, CASE u WHEN {ADMINISTRATOR} THEN 1 ELSE 0 END, now(), now()
            FROM generate_series(1, 50) u;"
    )
    .unwrap();
    let last = first + count - 1;
    for (index, (kind, table, columns, values)) in CHANNELS.iter().enumerate() {
        let numbers = format!(
            "FROM generate_series({first}, {last}) n WHERE (n - {first}) % {} = {index}",
            CHANNELS.len()
        );
        write!(
            sql,
            "INSERT INTO {table} (id, account_id, {columns}, created_at, updated_at)
                SELECT n, {account}, {values}, now(), now() {numbers};
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, greeting_enabled,
                greeting_message, working_hours_enabled, out_of_office_message, timezone,
                created_at, updated_at)
                SELECT n, {account}, n, 'Channel::{kind}', 'Inbox ' || lpad(n::text, 8, '0'), true,
                'Welcome! How can we help you?', true, 'We are out until tomorrow.',
                'Europe/Berlin', now(), now() {numbers};"
        )
        .unwrap();
    }
    let here = format!("FROM inboxes i WHERE i.account_id = {account}");
    // The agent's inboxes are of the same kinds in every account: numbers 5, 6 and 7, plus a
    // multiple of 13.
    let (middle, end) = (count / 26 * 13 + 6, (count - 8) / 13 * 13 + 7);
    write!(
        sql,
        "INSERT INTO working_hours (inbox_id, account_id, day_of_week, open_hour, open_minutes,
            close_hour, close_minutes, created_at, updated_at)
            SELECT i.id, {account}, d, 9, 0, 17, 0, now(), now()
            FROM inboxes i, generate_series(0, 6) d WHERE i.account_id = {account};
        INSERT INTO active_storage_blobs
            (id, key, filename, content_type, byte_size, created_at, service_name)
            SELECT i.id, 'key' || i.id, 'a.png', 'image/png', 1, now(), 'local' {here};
        INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id, created_at)
            SELECT 'avatar', 'Inbox', i.id, i.id, now() {here};
        INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
            SELECT 3 + (i.id * 7 + m * 9) % 48, i.id, now(), now()
            FROM inboxes i, generate_series(0, 4) m WHERE i.account_id = {account};
        INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
            SELECT {AGENT}, {first} + m, now(), now() FROM unnest(ARRAY[5, {middle}, {end}]) m;
        INSERT INTO agent_bot_inboxes (inbox_id, agent_bot_id, created_at, updated_at)
            SELECT i.id, 1, now(), now() {here} AND i.id % 10 = 0;"
    )
    .unwrap();
}

/// Accounts of WhatsApp inboxes with templates as Meta describes them.
pub async fn of_templates() -> Database {
    let database = Backend::Postgres.empty();
    let ids = format!("n.account * {IDS} + n.number");
    let numbers = format!(
        "FROM (SELECT a AS account, i AS number FROM generate_series(1, {TEMPLATE_ACCOUNTS}) a,
            generate_series(1, {TEMPLATE_INBOXES}) i) n"
    );
    let template = r#"jsonb_build_object('id', (n.account * 1000 + t)::text,
        'name', 'order_update_' || t, 'language', 'en_US', 'status', 'APPROVED',
        'category', 'UTILITY', 'parameter_format', 'POSITIONAL', 'components', '[
            {"type": "HEADER", "format": "TEXT", "text": "Your order"},
            {"type": "BODY", "text": "Hello {{1}}, your order {{2}} arrives on {{3}}.",
             "example": {"body_text": [["Ada", "1234", "Monday"]]}},
            {"type": "FOOTER", "text": "Answer STOP to end these messages"},
            {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Follow",
             "url": "https://shop.example.test/orders/{{1}}"}]}]'::jsonb)"#;
    let sql = format!(
        "INSERT INTO users (id, name, created_at, updated_at)
            VALUES ({ADMINISTRATOR}, 'user', now(), now());
        INSERT INTO accounts (id, name, created_at, updated_at)
            SELECT a, 'account', now(), now() FROM generate_series(1, {TEMPLATE_ACCOUNTS}) a;
        INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
            SELECT a.id, {ADMINISTRATOR}, 1, now(), now() FROM accounts a;
        INSERT INTO channel_whatsapp (id, account_id, phone_number, provider, provider_config,
            message_templates, created_at, updated_at)
            SELECT {ids}, n.account, '+' || ({ids}), 'whatsapp_cloud', '{{\"api_key\": \"key\"}}',
            (SELECT jsonb_agg({template}) FROM generate_series(1, {TEMPLATES}) t), now(), now()
            {numbers};
        INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
            SELECT {ids}, n.account, {ids}, 'Channel::Whatsapp', 'Inbox ' || ({ids}), now(), now()
            {numbers};"
    );
    finish(&database, &sql).await;
    database
}

/// The golden account, and copies of it with ids and addresses of their own.
pub async fn of_golden_copies() -> Database {
    let database = Backend::Postgres.golden();
    let sql = format!(
        r"SET session_replication_role = replica;
        DO $$
        DECLARE
            here regclass;
            names text;
            copied text;
        BEGIN
            FOR here IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'r'
                AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE '\_%' LOOP
                SELECT string_agg(quote_ident(a.attname), ', '), string_agg(CASE
                    WHEN a.attname = 'id' OR (a.attname LIKE '%\_id'
                        AND format_type(a.atttypid, NULL) IN ('integer', 'bigint'))
                        THEN quote_ident(a.attname) || ' + k * {GOLDEN_IDS}'
                    WHEN format_type(a.atttypid, NULL) = 'character varying' AND EXISTS (
                        SELECT FROM pg_index x WHERE x.indrelid = here AND x.indisunique
                        AND a.attnum = ANY (x.indkey)) AND a.attname NOT LIKE '%\_type'
                        AND a.attname <> 'name'
                        THEN quote_ident(a.attname) || ' || ''/'' || k'
                    ELSE quote_ident(a.attname) END, ', ')
                INTO names, copied FROM pg_attribute a
                WHERE a.attrelid = here AND a.attnum > 0 AND NOT a.attisdropped;
                EXECUTE format('INSERT INTO %s (%s) SELECT %s FROM %s,
                    generate_series(1, {GOLDEN_COPIES}) k', here, names, copied, here);
            END LOOP;
        END $$;"
    );
    finish(&database, &sql).await;
    database
}

/// Fills a database, and leaves it as one that has been in use for a while.
async fn finish(database: &Database, sql: &str) {
    database.execute(&format!("BEGIN; {sql} COMMIT;")).await;
    database.execute("VACUUM ANALYZE").await;
    database.execute("CHECKPOINT").await;
}
