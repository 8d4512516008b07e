//! Redis is killed or paused: calls are answered all the same, and flags are unknown.

use std::time::{Duration, Instant};

use super::caller::{
    Counter, MAX_CALL_AGE, MAX_STALENESS_AGE, assert_within, becomes as becomes_up, with_bound,
};
use crate::{
    suites::reauthorization::{
        KEY, NOT_REQUIRED, REQUIRED, State, UNKNOWN, becomes, outages::with_flag, state,
    },
    support::{
        Backend, Client, Program,
        program::{Server, WAIT_TIMEOUT},
        redis::Redis,
    },
};

/// How long a read of flags waits for Redis.
const REDIS_TIMEOUT: Duration = Duration::from_millis(200);

/// Asks until the flag is this, and gives the time until then and the longest time of a call.
/// None fails, and none tells a flag that is older than the bound.
async fn until(client: &Client, wanted: State, known: State) -> (Duration, Duration) {
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    loop {
        let asked = Instant::now();
        let call = tokio::time::timeout(MAX_CALL_AGE, state(client)).await;
        let state = call.expect("a call has no end");
        longest = longest.max(asked.elapsed());
        if state == wanted {
            return (began.elapsed(), longest);
        }
        // On a busy machine Redis may be late.
        assert!([known, UNKNOWN].contains(&state), "{state:?}");
        assert!(began.elapsed() < WAIT_TIMEOUT, "it stays as it was");
        if known != UNKNOWN {
            let is_kept = asked.duration_since(began) <= MAX_STALENESS_AGE;
            assert!(is_kept, "a flag is older than it may be");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn outage(what: &str, begin: fn(&Redis), end: fn(&Redis)) -> (Server, Duration) {
    let database = Backend::Sqlite.golden();
    let redis = with_flag(&[]);
    let program = Program::serving(&database).env("REDIS_URL", &redis.url());
    let server = with_bound(program).start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    let failed = &[("result", "failed")];
    let reads = Counter::begin(&server, "leadchat_inbox_redis_reads_total", failed).await;
    begin(&redis);
    let (after, longest) = until(&client, UNKNOWN, REQUIRED).await;
    println!("faults: Redis is {what}: unknown after {after:.2?}, calls of {longest:.2?} at most");
    assert_within(longest, REDIS_TIMEOUT);
    // From now on no call waits.
    let asked = Instant::now();
    for _ in 0..20 {
        assert_eq!(state(&client).await, UNKNOWN);
    }
    println!(
        "faults: Redis is {what}: 20 further calls take {:.2?}",
        asked.elapsed()
    );
    becomes_up(&server, "leadchat_inbox_redis_up", &[], false).await;
    reads.rises_by(1).await;
    end(&redis);
    let (after, _) = until(&client, REQUIRED, UNKNOWN).await;
    println!("faults: Redis was {what}: known again after {after:.2?}");
    becomes_up(&server, "leadchat_inbox_redis_up", &[], true).await;
    redis.run::<()>(&["DEL", KEY]);
    let (changed, _) = until(&client, NOT_REQUIRED, REQUIRED).await;
    println!("faults: Redis was {what}: a change shows after {changed:.2?}");
    (server, after)
}

#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_fails_no_call() {
    let (_server, after) = outage("killed", Redis::kill, Redis::start_again).await;
    assert_within(after, Duration::from_secs(5));
}

#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_redis_fails_no_call() {
    let (_server, after) = outage("paused", Redis::freeze, Redis::thaw).await;
    assert_within(after, Duration::from_secs(5));
}
