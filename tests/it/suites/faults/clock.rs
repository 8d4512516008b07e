//! The wall clock of the server is set, forward and back.

use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep;

use super::caller::{Counter, MAX_CALL_AGE, MAX_STALENESS_AGE, with_bound, within_bound};
use crate::{
    suites::callers::{
        issuers::{ISSUERS, KEYS, claims, outcome},
        network::entry,
    },
    support::{
        Backend, Client, Database, Program,
        client::any_inbox,
        pb::{self, Freshness},
        program::WAIT_TIMEOUT,
    },
};

const HOUR_SECONDS: i64 = 3600;
const UNAUTHENTICATED: &str = "leadchat_inbox_unauthenticated_total";

/// The name of the first inbox, and the time of its read.
async fn asked(client: &Client, freshness: Freshness) -> (String, SystemTime) {
    let request = pb::GetInboxRequest {
        freshness: freshness.into(),
        ..any_inbox()
    };
    let call = tokio::time::timeout(MAX_CALL_AGE, client.get(request)).await;
    let answer = call.expect("a call has no end").unwrap();
    let read_time = answer.read_time();
    (answer.message.inbox.unwrap().name, read_time)
}

async fn rename(database: &Database, name: &str) {
    let rename = format!("UPDATE inboxes SET name = '{name}' WHERE id = 1");
    database.execute(&rename).await;
}

/// An answer is as old as a clock says that is not set: what is kept does not become too old by a
/// step forward, and is not kept for longer by a step back.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_is_set_changes_no_age() {
    let database = Backend::Sqlite.golden();
    // Kept for longer than the test takes.
    let server = Program::caching(&database).with_admin().start_with_clock();
    let client = server.0.client().await;
    let began = Instant::now();
    let (name, first) = asked(&client, Freshness::Bounded).await;
    rename(&database, "renamed").await;
    for hours in [1_i64, -1, 48] {
        server.set_clock(hours * HOUR_SECONDS);
        let (kept, read_time) = asked(&client, Freshness::Bounded).await;
        let is_kept = began.elapsed() < Duration::from_secs(50);
        assert!(is_kept, "the machine is too busy");
        assert_eq!(kept, name, "a step of {hours} hours");
        // The same moment, in the time of the clock as it is set.
        let step = Duration::from_hours(hours.unsigned_abs());
        let shown = if hours > 0 {
            first + step
        } else {
            first - step
        };
        let difference = shown.max(read_time).duration_since(shown.min(read_time));
        assert!(
            difference.unwrap() < Duration::from_secs(1),
            "{read_time:?}"
        );
    }
    assert_eq!(asked(&client, Freshness::Latest).await.0, "renamed");
    within_bound(&server.0).await;
}

/// With the default bound, a change shows within it, whatever the clock is set to meanwhile.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_is_set_hides_no_change() {
    let database = Backend::Sqlite.golden();
    let server = with_bound(Program::serving(&database)).start_with_clock();
    let client = server.0.client().await;
    for (round, hours) in [-1, 1, -48, 48].into_iter().enumerate() {
        asked(&client, Freshness::Bounded).await;
        let name = format!("name {round}");
        rename(&database, &name).await;
        let committed = Instant::now();
        server.set_clock(hours * HOUR_SECONDS);
        loop {
            let is_due = committed.elapsed() > MAX_STALENESS_AGE;
            let (shown, _) = asked(&client, Freshness::Bounded).await;
            if shown == name {
                break;
            }
            assert!(!is_due, "an answer is older than it may be");
            sleep(Duration::from_millis(20)).await;
        }
        let after = committed.elapsed();
        println!("faults: the clock is set by {hours} hours: a change shows after {after:.2?}");
    }
    within_bound(&server.0).await;
}

/// Tokens hold by the wall clock: a good one is refused while the clock is wrong, and taken
/// when it is right.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_hold_by_the_wall_clock_as_it_is_set() {
    let database = Backend::Sqlite.golden();
    let subjects = "subjects = [{ issuer = \"jobs\", subject = \"sender\" }]";
    let callers = format!("version = 1\n{ISSUERS}{}", entry("sender", subjects));
    let program = with_bound(Program::serving(&database)).with_callers(&callers);
    let server = KEYS.program(program).start_with_clock();
    let client = server.0.client().await;
    let token = format!("Bearer {}", KEYS.es256.token(&claims("sender")));
    let headers = [("authorization", token.as_str())];
    let expired = &[("credential", "authorization"), ("problem", "expired")];
    let not_yet = &[("credential", "authorization"), ("problem", "not-yet")];
    let began = Instant::now();
    let refusals = [
        Counter::begin(&server.0, UNAUTHENTICATED, expired).await,
        Counter::begin(&server.0, UNAUTHENTICATED, not_yet).await,
    ];
    for hours in [0, 1, 0, -1, 0] {
        server.set_clock(hours * HOUR_SECONDS);
        let set = Instant::now();
        let expected = match hours {
            0 => "is sender",
            _ => "CREDENTIALS_EXPIRED authorization",
        };
        let said = outcome(&client, &headers).await;
        println!(
            "faults: the clock is set by {hours} hours: a token {said} after {:.2?}",
            set.elapsed()
        );
        assert_eq!(said, expected, "{hours} hours");
    }
    assert!(began.elapsed() < WAIT_TIMEOUT);
    for refusal in refusals {
        refusal.rises_by(1).await;
    }
}
