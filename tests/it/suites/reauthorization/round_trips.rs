//! How Redis is asked: once, and for the flags that an answer needs.

use std::{collections::BTreeMap, sync::Mutex, time::Instant};

use regex::Regex;

use super::{
    INBOX, KEY, REQUIRED, failed_reads_of_flags, get, of, until_redis_answers, with_redis_at,
};
use crate::support::{
    Backend, Client, Database,
    pb::{self},
    program::Server,
    proxy::Proxy,
    redis::Redis,
    viewer,
};

on_both_databases!(one_round_trip_reads_the_flags_that_are_needed,);

/// A server and its Redis, between which somebody listens.
struct Overheard {
    server: Server,
    client: Client,
    redis: Redis,
    proxy: Proxy,
}

impl Overheard {
    async fn over(database: &Database) -> Self {
        let redis = Redis::start(&[]);
        let proxy = Proxy::to(redis.port).await;
        let server = with_redis_at(database, &proxy.url()).with_admin().start();
        Self {
            client: server.client().await,
            server,
            redis,
            proxy,
        }
    }

    /// How many round trips a call takes, and the keys that it asks for, each
    /// without what all begin with. On a busy machine, Redis may not have been
    /// there in time; then it is called again.
    async fn asked(&self, call: impl AsyncFn(&Client)) -> (u64, Vec<String>) {
        for _ in 0..5 {
            until_redis_answers(&self.server).await;
            let before = (
                failed_reads_of_flags(&self.server).await,
                self.redis.calls(),
                self.proxy.sent(),
            );
            let round_trips = self.proxy.round_trips();
            call(&self.client).await;
            if failed_reads_of_flags(&self.server).await == before.0 {
                let keys = self.keys_since(&before.2);
                assert_eq!(self.gets_since(&before.1), keys.len() as u64);
                return (self.proxy.round_trips() - round_trips, keys);
            }
        }
        panic!("Redis was too slow five times");
    }

    /// How many keys Redis was asked for. Other commands than a test's own are none of this.
    fn gets_since(&self, before: &BTreeMap<String, u64>) -> u64 {
        let mut gets = 0;
        for (command, calls) in self.redis.calls() {
            let more = calls - before.get(&command).copied().unwrap_or_default();
            match command.as_str() {
                "get" => gets = more,
                "info" => {}
                _ => assert_eq!(more, 0, "{command}"),
            }
        }
        gets
    }

    fn keys_since(&self, before: &str) -> Vec<String> {
        let sent = self.proxy.sent();
        let key = Regex::new(r"alfred:REAUTHORIZATION_REQUIRED:(\S+)").unwrap();
        let keys = key.captures_iter(&sent[before.len()..]);
        let mut keys: Vec<_> = keys.map(|key| key[1].to_owned()).collect();
        keys.sort();
        keys
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// Whatever is asked, and however many inboxes come; and none where no inbox
/// needs a flag.
async fn one_round_trip_reads_the_flags_that_are_needed(backend: Backend) {
    let database = backend.golden();
    let signed_up =
        "UPDATE channel_whatsapp SET provider_config = '{\"source\": \"embedded_signup\"}'
        WHERE id = 233";
    database.execute(signed_up).await;
    let overheard = Overheard::over(&database).await;
    let one = async |inbox: i64| {
        let call = async |client: &Client| drop(client.get(get(inbox)).await.unwrap());
        overheard.asked(call).await
    };
    for (inbox, key) in [
        (INBOX, "channel_tiktok:121"),
        (104, "channel_facebook_page:104"),
        (112, "channel_instagram:112"),
        (165, "channel_email:165"),
        (233, "channel_whatsapp:233"),
    ] {
        assert_eq!(one(inbox).await, (1, texts([key])));
    }
    // A widget; mail without OAuth, and with an empty configuration; WhatsApp set
    // up by hand.
    for inbox in [1, 162, 164, 231] {
        assert_eq!(one(inbox).await, (0, vec![]), "{inbox}");
    }

    for detail in [1, 2] {
        let list = async |client: &Client| {
            let request = pb::ListInboxesRequest {
                account_id: 1,
                viewer: Some(viewer::user(1)),
                detail,
                ..Default::default()
            };
            let listed = client.list(request).await.unwrap().message.inboxes;
            assert_eq!(listed.len(), 88);
        };
        let needed = needed(&database, 1).await;
        assert!(needed.len() > 15, "{needed:?}");
        assert_eq!(overheard.asked(list).await, (1, needed));
    }
    let batch = async |client: &Client| {
        let request = pb::BatchGetInboxesRequest {
            account_id: 1,
            viewer: Some(viewer::user(1)),
            inbox_ids: vec![122, 1, INBOX],
            ..Default::default()
        };
        drop(client.batch(request).await.unwrap());
    };
    let two = texts(["channel_tiktok:121", "channel_tiktok:122"]);
    assert_eq!(overheard.asked(batch).await, (1, two));

    // Over all accounts too, two of which have this page.
    let twin = "INSERT INTO channel_facebook_pages (id, account_id, page_id, user_access_token,
            page_access_token, created_at, updated_at)
            SELECT 9001, 2, page_id, 'u', 'p', created_at, updated_at
            FROM channel_facebook_pages WHERE id = 104;
        INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
            SELECT 9001, 2, 9001, channel_type, 'twin', created_at, updated_at
            FROM inboxes WHERE id = 104";
    database.execute(twin).await;
    let page = "SELECT page_id AS found FROM channel_facebook_pages WHERE id = 104";
    let page = &database.texts(page).await[0];
    let find = async |client: &Client| {
        let request = pb::FindInboxesRequest {
            viewer: Some(viewer::service()),
            key: Some(pb::find_inboxes_request::Key::FacebookPageId(page.clone())),
            ..Default::default()
        };
        let found = client.find(request).await.unwrap().message.inboxes;
        assert_eq!(found.len(), 2);
    };
    let two = texts(["channel_facebook_page:104", "channel_facebook_page:9001"]);
    assert_eq!(overheard.asked(find).await, (1, two));
}

/// As for all, in one round trip and in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_flags_of_ten_thousand_inboxes_come_at_once() {
    let database = Backend::Sqlite.empty();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)";
    let stamp = "'2026-01-01', '2026-01-01'";
    let sql = format!(
        "INSERT INTO accounts (id, name, created_at, updated_at) VALUES (1, 'a', {stamp});
        INSERT INTO channel_whatsapp (id, account_id, phone_number, provider_config, created_at, updated_at)
            {numbers} SELECT i, 1, '+' || i, '{{\"source\":\"embedded_signup\"}}', {stamp} FROM n;
        INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
            {numbers} SELECT i, 1, i, 'Channel::Whatsapp', 'n' || i, {stamp} FROM n"
    );
    database.execute(&sql).await;
    let overheard = Overheard::over(&database).await;
    let flag = KEY.replace("channel_tiktok:121", "channel_whatsapp:777");
    overheard.redis.run::<()>(&["SET", &flag, "true"]);
    let required = Mutex::default();
    let (round_trips, keys) = overheard
        .asked(async |client| {
            let request = pb::ListInboxesRequest {
                account_id: 1,
                viewer: Some(viewer::service()),
                page_size: 1000,
                name_prefix: "n77".to_owned(),
                ..Default::default()
            };
            let began = Instant::now();
            let listed = client.list(request).await.unwrap().message.inboxes;
            println!(
                "reauthorization: ten thousand are read in {:?}",
                began.elapsed()
            );
            assert_eq!(listed.len(), 111);
            let found = listed.iter().filter(|inbox| of(inbox) == REQUIRED);
            *required.lock().unwrap() = found.map(|inbox| inbox.id).collect::<Vec<_>>();
        })
        .await;
    println!("reauthorization: ten thousand flags are read in {round_trips} round trips");
    assert_eq!(keys.len(), 10_000);
    assert!((1..100).contains(&round_trips), "{round_trips}");
    assert_eq!(*required.lock().unwrap(), [777]);
}

/// The channels of an account whose state no row tells, as the database says it.
async fn needed(database: &Database, account: i64) -> Vec<String> {
    let tables = [
        ("FacebookPage", "channel_facebook_pages", "true"),
        (
            "Instagram",
            "channel_instagram",
            "trim(t.instagram_id) <> ''",
        ),
        ("Tiktok", "channel_tiktok", "true"),
        (
            "Whatsapp",
            "channel_whatsapp",
            r#"CAST(t.provider_config AS text) LIKE '%"source"%"embedded_signup"%'"#,
        ),
        (
            "Email",
            "channel_email",
            "(t.provider IN ('microsoft', 'google')
                OR t.imap_enabled AND t.imap_address = 'imap.gmail.com')
            AND substr(CAST(t.provider_config AS text), 1, 1) IN ('{', '[', '\"')
            AND CAST(t.provider_config AS text) NOT IN ('{}', '[]', '\"\"')",
        ),
    ];
    let mut keys = Vec::new();
    for (kind, table, condition) in tables {
        let name = table.trim_end_matches('s');
        let sql = format!(
            "SELECT '{name}:' || t.id AS found FROM {table} t WHERE {condition} AND t.id IN
                (SELECT channel_id FROM inboxes
                WHERE account_id = {account} AND channel_type = 'Channel::{kind}')"
        );
        keys.extend(database.texts(&sql).await);
    }
    keys.sort();
    keys
}
