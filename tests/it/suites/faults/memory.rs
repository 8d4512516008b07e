//! The memory for answers is used up.

use futures_util::{StreamExt, stream};

use super::caller::{Counter, with_bound};
use crate::{
    suites::cache::sizes::{accounts, listed, names},
    support::Program,
};

/// The least that may be set.
const CACHE_BYTES: u64 = 16 << 20;
const ACCOUNTS: i64 = 500;
const INBOXES: i64 = 24;

/// Twice as many accounts as there is memory for, again and again: each is read anew and right,
/// and the process does not grow.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_cache_reads_accounts_again() {
    const ROUNDS: usize = 4;
    /// For the free memory that an allocator keeps, and for eight reads at a time.
    const ALLOWANCE_MEGABYTES: u64 = 24;
    let database = accounts(ACCOUNTS, INBOXES, 1_500).await;
    let server = with_bound(Program::serving(&database))
        .env("MAX_STALENESS", "60")
        .env("RUST_LOG", "info")
        .env("CACHE_BYTES", &CACHE_BYTES.to_string())
        .start();
    let client = server.client().await;
    let all = async || {
        let asks = stream::iter(1..=ACCOUNTS).map(|account| {
            let client = &client;
            async move { assert_eq!(listed(client, account).await, names(account, INBOXES)) }
        });
        asks.buffer_unordered(8).collect::<Vec<_>>().await;
    };
    all().await;
    let fresh = &[("entry", "fresh")];
    let evictions = Counter::begin(&server, "leadchat_inbox_cache_evictions_total", fresh).await;
    let full = server.memory();
    for _ in 0..ROUNDS {
        all().await;
    }
    let (now, most) = (server.memory(), server.most_memory());
    println!(
        "faults: the cache is full: {full} MB after a round, {now} MB at last, {most} MB at most"
    );
    evictions.rises_by(1).await;
    let scrape = server.scrape().await;
    let bytes = |name| scrape.value(name, &[]);
    let (held, all) = (
        bytes("leadchat_inbox_cache_bytes"),
        bytes("leadchat_inbox_cache_max_bytes"),
    );
    println!("faults: the cache is full: {held} bytes of {all}");
    assert!(held <= all);
    assert!(now <= full + ALLOWANCE_MEGABYTES, "{now} MB");
}
