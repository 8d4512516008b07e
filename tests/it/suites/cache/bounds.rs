//! How old an answer may be: statements within the bound and after it, the latest, a
//! standby, and a server that was stopped for a while.

use std::time::Instant;

use tonic::Code;

use super::*;
use crate::{
    suites::freshness::served_standby,
    support::{Backend, account::account, client::any_inbox, reason},
};

on_both_databases!(
    a_call_within_the_bound_takes_no_statement_and_one_after_it_a_read,
    the_latest_is_read_in_spite_of_the_cache,
    questions_that_are_read_again_are_noticed,
);

/// Of each method. Refreshes begin after two thirds of the bound at the earliest.
async fn a_call_within_the_bound_takes_no_statement_and_one_after_it_a_read(backend: Backend) {
    const SECONDS: u32 = 4;
    const MAX_STALENESS_AGE: Duration = Duration::from_secs(SECONDS as u64);
    let database = account(backend, 1).await;
    let server = caching(&database, SECONDS).start();
    let client = server.client().await;

    let mut cold_counts = Vec::new();
    in_some_round(async |_| {
        let began = Instant::now();
        let mut counts = [const { Vec::new() }; 2];
        let mut last = SystemTime::now();
        for counts in &mut counts {
            for method in METHODS {
                let count = Count::begin(&server).await;
                let asked = SystemTime::now();
                let said = ask(&client, method, Freshness::Bounded).await.unwrap();
                assert!(
                    said.read_time >= before(asked) - MAX_STALENESS_AGE,
                    "{method}"
                );
                last = last.max(said.read_time);
                counts.push(count.statements().await?);
            }
        }
        if began.elapsed() < MAX_STALENESS_AGE / 2 {
            let [cold, warm] = counts;
            println!(
                "cache {}: {METHODS:?} take {cold:?}, then {warm:?}",
                backend.name()
            );
            assert_eq!(warm, [0; METHODS.len()]);
            // But for several inboxes, since the account has been listed.
            assert!(cold[..4].iter().all(|count| *count > 0), "{cold:?}");
            assert_eq!(cold[4], 0);
            cold_counts.push(cold);
            if cold_counts.len() == 2 {
                return Some(());
            }
        }
        // Until all are too old.
        let over = last + MAX_STALENESS_AGE + Duration::from_millis(50);
        let rest = over.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::time::sleep(rest).await;
        None
    })
    .await;
    assert_eq!(cold_counts[0], cold_counts[1]);
}

async fn the_latest_is_read_in_spite_of_the_cache(backend: Backend) {
    let database = account(backend, 1).await;
    let server = caching(&database, 60).start();
    let client = server.client().await;
    for method in METHODS {
        ask(&client, method, Freshness::Bounded).await.unwrap();
    }
    let rename = "UPDATE inboxes SET name = 'renamed' WHERE id = 1";
    database.execute(rename).await;
    let committed = SystemTime::now();
    let is_new = |said: &Said| said.names.iter().any(|name| name == "renamed");

    let count = Count::begin(&server).await;
    for method in METHODS {
        let said = ask(&client, method, Freshness::Bounded).await.unwrap();
        assert!(!is_new(&said), "{method}");
        assert!(said.read_time <= committed, "{method}");
    }
    assert_eq!(count.statements().await, Some(0));
    for method in METHODS {
        let count = Count::begin(&server).await;
        let said = ask(&client, method, Freshness::Latest).await.unwrap();
        assert!(is_new(&said), "{method}");
        assert!(said.read_time >= before(committed), "{method}");
        assert_ne!(count.statements().await, Some(0), "{method}");
    }
    // The outcome of these reads is kept.
    let count = Count::begin(&server).await;
    for method in METHODS {
        let said = ask(&client, method, Freshness::Bounded).await.unwrap();
        assert!(is_new(&said), "{method}");
    }
    assert_eq!(count.statements().await, Some(0));
}

/// The test of the tests that ask twice, with a server that caches nothing.
async fn questions_that_are_read_again_are_noticed(backend: Backend) {
    let database = account(backend, 1).await;
    let server = Program::serving(&database).with_admin().start();
    let client = server.client().await.asking_twice();
    client.get(any_inbox()).await.unwrap();
    let second_pass = tokio::spawn(async move { client.ask_again(&server).await });
    let panic = second_pass.await.unwrap_err().into_panic();
    let said = panic.downcast_ref::<String>();
    assert!(
        said.is_some_and(|it| it.contains("from memory: 1 reads")),
        "{said:?}"
    );
}

/// A standby may lag behind its primary, for no longer than it is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_answers_from_the_cache_and_refuses_the_latest() {
    let (_primary, standby, _) = served_standby();
    let program = Program::serving_at(&standby.url("leadchat"));
    let server = counting(program, 60).start();
    let client = server.client().await;
    let methods = ["GetInbox", "ListInboxes", "BatchGetInboxes"];
    for method in methods {
        ask(&client, method, Freshness::Bounded).await.unwrap();
    }
    for method in methods {
        let refused = ask(&client, method, Freshness::Latest).await.err().unwrap();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "LATEST_ON_STANDBY");
        let count = Count::begin(&server).await;
        ask(&client, method, Freshness::Bounded).await.unwrap();
        assert_eq!(count.statements().await, Some(0), "{method}");
    }
}

/// Time counts that the server did not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_not_kept_over_a_stop_of_the_server() {
    let database = account(Backend::Sqlite, 1).await;
    let server = caching(&database, 1).start();
    let client = server.client().await;
    let first = ask(&client, "GetInbox", Freshness::Bounded).await.unwrap();
    server.signal("STOP");
    let rename = "UPDATE inboxes SET name = 'renamed' WHERE id = 1";
    database.execute(rename).await;
    let over = first.read_time + Duration::from_millis(1_050);
    let rest = over.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::sleep(rest).await;
    server.signal("CONT");
    let said = ask(&client, "GetInbox", Freshness::Bounded).await.unwrap();
    assert_eq!(said.names, ["renamed"]);
}
