//! Flags of Redis have a cache of their own, with the same bound.

use std::time::Instant;

use super::*;
use crate::{
    suites::reauthorization::{
        INBOX, KEY, NOT_REQUIRED, REQUIRED, UNKNOWN, becomes, get, known, of, outages::with_flag,
        with_redis,
    },
    support::{Backend, program::WAIT_TIMEOUT},
};

on_both_databases!(
    flags_are_read_anew_without_a_statement,
    a_changed_flag_is_seen_within_the_bound_for_the_latest_too,
    an_outage_of_redis_costs_no_statement_and_makes_old_flags_unknown,
);

const SECONDS: u32 = 3;
const MAX_STALENESS_AGE: Duration = Duration::from_secs(SECONDS as u64);

/// Flags are refreshed at half of the bound, rows at three quarters.
async fn flags_are_read_anew_without_a_statement(backend: Backend) {
    let database = backend.golden();
    let redis = with_flag(&[]);
    let server = counting(with_redis(&database, &redis), SECONDS).start();
    let client = server.client().await;
    in_some_round(async |_| {
        let began = Instant::now();
        assert_eq!(known(&client).await, REQUIRED);
        let (count, calls) = (Count::begin(&server).await, reads_of(&redis));
        while began.elapsed() < MAX_STALENESS_AGE * 6 / 10 {
            client.get(get(INBOX)).await.ok()?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let is_in_time = began.elapsed() < MAX_STALENESS_AGE * 67 / 100;
        let (statements, reads) = (count.statements().await?, reads_of(&redis) - calls);
        if !is_in_time || reads == 0 {
            // Rows may have been due, or flags were not. All are too old for the next round.
            tokio::time::sleep(MAX_STALENESS_AGE).await;
            return None;
        }
        println!(
            "cache {}: {reads} reads of Redis, {statements} statements",
            backend.name()
        );
        assert_eq!((statements, reads), (0, 1));
        Some(())
    })
    .await;
}

/// How often flags were read.
fn reads_of(redis: &crate::support::redis::Redis) -> u64 {
    let calls = redis.calls();
    ["get", "mget"]
        .iter()
        .filter_map(|name| calls.get(*name))
        .sum()
}

async fn a_changed_flag_is_seen_within_the_bound_for_the_latest_too(backend: Backend) {
    let database = backend.golden();
    let redis = with_flag(&[]);
    let server = counting(with_redis(&database, &redis), SECONDS).start();
    let client = server.client().await;
    assert_eq!(known(&client).await, REQUIRED);
    redis.run::<()>(&["DEL", KEY]);
    let changed = Instant::now();
    let mut old = [0; 2];
    loop {
        let asked = Instant::now();
        let mut is_over = false;
        for (old, freshness) in old.iter_mut().zip([Freshness::Bounded, Freshness::Latest]) {
            let request = pb::GetInboxRequest {
                freshness: freshness.into(),
                ..get(INBOX)
            };
            let answer = client.get(request).await.unwrap();
            let state = of(&answer.message.inbox.unwrap());
            // On a busy machine Redis may not answer in time.
            if state == REQUIRED {
                assert!(
                    asked < changed + MAX_STALENESS_AGE,
                    "{}",
                    freshness.as_str_name()
                );
                *old += 1;
            }
            is_over |= asked > changed + MAX_STALENESS_AGE && state == NOT_REQUIRED;
        }
        if is_over {
            break;
        }
        assert!(changed.elapsed() < WAIT_TIMEOUT, "it is not seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "cache {}: {old:?} answers had the flag of before",
        backend.name()
    );
}

async fn an_outage_of_redis_costs_no_statement_and_makes_old_flags_unknown(backend: Backend) {
    let database = backend.golden();
    let redis = with_flag(&[]);
    let server = counting(with_redis(&database, &redis), SECONDS).start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    redis.kill();
    let (count, began) = (Count::begin(&server).await, Instant::now());
    let mut known = 0;
    loop {
        let asked = Instant::now();
        let answer = client.get(get(INBOX)).await.unwrap();
        let state = of(&answer.message.inbox.unwrap());
        if state == UNKNOWN && asked > began + MAX_STALENESS_AGE {
            break;
        }
        if state != UNKNOWN {
            assert_eq!(state, REQUIRED);
            assert!(asked < began + MAX_STALENESS_AGE, "a flag is too old");
            known += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(known > 0);
    let reads = count.reads().await;
    let most = began.elapsed().as_millis() / (MAX_STALENESS_AGE.as_millis() * 67 / 100);
    println!(
        "cache {}: {known} flags from the cache, then unknown; {reads} reads",
        backend.name()
    );
    // As many as with Redis.
    assert!(u128::from(reads) <= most + 1, "{reads}");
    redis.start_again();
    let took = becomes(&client, REQUIRED).await;
    println!("cache: known {took:?} after Redis is back");
}
