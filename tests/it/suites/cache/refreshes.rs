//! Answers that are asked for again and again are refreshed beside the calls.

use std::time::Instant;

use super::*;
use crate::support::{Backend, account::account, client::any_inbox, get_as_user};

on_both_databases!(a_refresh_runs_beside_the_calls_and_seldom);

async fn a_refresh_runs_beside_the_calls_and_seldom(backend: Backend) {
    const SECONDS: u32 = 4;
    const MAX_STALENESS_AGE: Duration = Duration::from_secs(SECONDS as u64);
    const ASKING_TIMEOUT: Duration = Duration::from_secs(7);
    /// 0.9 times three quarters of the bound, in its hundredths.
    const EARLIEST_REFRESH: u32 = 67;
    let database = account(backend, 1).await;
    if backend == Backend::Postgres {
        database.slow_down(0.2).await;
    }
    let server = caching(&database, SECONDS).start();
    let client = server.client().await;
    in_some_round(async |_| {
        client.get(any_inbox()).await.ok()?;
        let (count, began) = (Count::begin(&server).await, Instant::now());
        let (mut calls, mut longest) = (0, Duration::ZERO);
        while began.elapsed() < ASKING_TIMEOUT {
            let (asked, since) = (SystemTime::now(), Instant::now());
            let answer = client.get(any_inbox()).await.ok()?;
            longest = longest.max(since.elapsed());
            assert!(answer.read_time() >= before(asked) - MAX_STALENESS_AGE);
            calls += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let (took, reads) = (began.elapsed(), count.reads().await);
        let waited = count.lookups(&MISSES).await;
        println!(
            "cache {}: {calls} calls in {took:?}, {longest:?} at most, {reads} reads, {waited} waits",
            backend.name()
        );
        let most = took.as_millis() * 100 / (MAX_STALENESS_AGE.as_millis() * u128::from(EARLIEST_REFRESH));
        // One may have been due when it began.
        assert!(u128::from(reads) <= most + 1, "{reads}");
        // A busy machine may let an answer get too old before it is refreshed.
        (waited == 0 && reads >= 2).then_some(())
    })
    .await;
}

/// With one connection, and so one permit, calls and refreshes take what they need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_calls_and_refreshes() {
    let database = account(Backend::Postgres, 30).await;
    database.slow_down(0.02).await;
    let server = caching(&database, 2)
        .args(["--database-connections", "1"])
        .args(["--max-queue-timeout", "1h"])
        .start();
    let client = server.client().await;
    let (count, began) = (Count::begin(&server).await, Instant::now());
    // Each asks for cold and for hot inboxes, so that the one connection is seldom free.
    let callers: Vec<_> = (0..4_i64)
        .map(|caller| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut calls = 0;
                while began.elapsed() < Duration::from_secs(5) {
                    let cold = 14 + (calls * 4 + caller) % 370;
                    for inbox in [1, cold] {
                        let asked = SystemTime::now();
                        let answer = client.get(get_as_user(1, inbox, 1)).await.unwrap();
                        assert_eq!(answer.message.inbox.as_ref().unwrap().id, inbox);
                        assert!(answer.read_time() >= before(asked) - Duration::from_secs(2));
                    }
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    let listed = client.all(1, viewer::user(1)).await;
    assert_eq!(listed.len(), 390);
    println!("cache: one connection served {calls} pairs of calls");
    assert!(count.lookups(&MISSES).await > 0);
}
