//! The cache is bounded: accounts are evicted and read again, and one that is larger than
//! the cache is answered and not kept.

use futures_util::{StreamExt, stream};

use super::*;
use crate::support::Backend;

const CACHE_BYTES: &str = "16777216";
const ACCOUNTS: i64 = 1_000;
const INBOXES: i64 = 24;

/// Accounts with so many inboxes, each with a greeting of so many bytes.
pub async fn accounts(accounts: i64, inboxes: i64, bytes: usize) -> Database {
    let database = Backend::Sqlite.empty();
    let now = "'2026-01-01', '2026-01-01'";
    let greeting = "g".repeat(bytes);
    let numbers = |name: &str, count: i64| {
        format!("{name}(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM {name} WHERE i < {count})")
    };
    let (each, inbox) = (numbers("a", accounts), numbers("n", inboxes));
    let sql = format!(
        "INSERT INTO accounts (id, name, created_at, updated_at)
            WITH RECURSIVE {each} SELECT i, 'a' || i, {now} FROM a;
        INSERT INTO channel_web_widgets (id, account_id, website_token, created_at, updated_at)
            WITH RECURSIVE {each} SELECT i, i, 't' || i, {now} FROM a;
        INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, greeting_message,
            created_at, updated_at)
            WITH RECURSIVE {each}, {inbox} SELECT a.i * 1000 + n.i, a.i, a.i, 'Channel::WebWidget',
            'inbox ' || (a.i * 1000 + n.i), '{greeting}', {now} FROM a, n;"
    );
    database.execute(&sql).await;
    database
}

/// The names of an account's inboxes, in one page.
pub async fn listed(client: &Client, account_id: i64) -> Vec<String> {
    let list = pb::ListInboxesRequest {
        account_id,
        viewer: Some(viewer::service()),
        detail: pb::InboxDetail::Basic.into(),
        page_size: 1000,
        ..Default::default()
    };
    let inboxes = client.list(list).await.unwrap().message.inboxes;
    inboxes.into_iter().map(|inbox| inbox.name).collect()
}

pub fn names(account: i64, inboxes: i64) -> Vec<String> {
    let ids = (1..=inboxes).map(|number| account * 1000 + number);
    ids.map(|id| format!("inbox {id}")).collect()
}

/// All accounts together take some 90 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_accounts_take_no_more_than_the_memory_that_is_set() {
    /// For the free memory that an allocator keeps, and for eight reads at a time.
    const ALLOWANCE_MEGABYTES: u64 = 24;
    let database = accounts(ACCOUNTS, INBOXES, 1_500).await;
    let server = caching(&database, 60)
        .env("CACHE_BYTES", CACHE_BYTES)
        .start();
    let client = server.client().await;
    let all = async |accounts: std::ops::RangeInclusive<i64>| {
        let asks = stream::iter(accounts).map(|account| {
            let client = &client;
            async move { assert_eq!(listed(client, account).await, names(account, INBOXES)) }
        });
        asks.buffer_unordered(8).collect::<Vec<_>>().await;
    };
    all(1..=20).await;
    let before = server.memory();
    all(21..=ACCOUNTS).await;
    let growth = server.memory().saturating_sub(before);
    println!("cache: {before} MB with 20 accounts, {growth} MB more with {ACCOUNTS}");
    assert!(growth <= 16 + ALLOWANCE_MEGABYTES, "{growth} MB");

    // The greetings of these alone take more. They are read again, with the same answers.
    let count = Count::begin(&server).await;
    all(1..=300).await;
    assert_ne!(count.statements().await, Some(0));
    // However many are in the cache, one that is asked for now is kept.
    for account in 701..=710 {
        assert_eq!(listed(&client, account).await, names(account, INBOXES));
        let count = Count::begin(&server).await;
        assert_eq!(listed(&client, account).await, names(account, INBOXES));
        assert_eq!(count.statements().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_larger_than_the_cache_is_answered_and_not_kept() {
    let database = accounts(2, 25, 1_000).await;
    let long = "g".repeat(400_000);
    let lengthen = format!("UPDATE inboxes SET greeting_message = '{long}' WHERE account_id = 2");
    database.execute(&lengthen).await;
    let server = caching(&database, 60)
        .env("CACHE_BYTES", CACHE_BYTES)
        .start();
    let client = server.client().await;
    assert_eq!(listed(&client, 1).await, names(1, 25));
    for _ in 0..3 {
        let count = Count::begin(&server).await;
        assert_eq!(listed(&client, 2).await, names(2, 25));
        assert_ne!(count.statements().await, Some(0));
    }
    // It has evicted nothing.
    let count = Count::begin(&server).await;
    assert_eq!(listed(&client, 1).await, names(1, 25));
    assert_eq!(count.statements().await, Some(0));
}
