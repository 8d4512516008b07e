//! How many watches there may be, in the process and of a caller, and many of them at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tonic::Code;

use super::{ADMINISTRATOR, AGENT, assert_holds, listed, serving, small, synced, user};
use crate::support::{
    Backend, Client, Program, pb, reason,
    watch::{Watch, summary, watch},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_watch_too_many_is_refused() {
    let database = small(Backend::Sqlite).await;
    let server = serving(&database).args(["--max-watches", "2"]).start();
    let client = server.client().await;
    let first = synced(&server, watch(user(ADMINISTRATOR))).await;
    let _second = synced(&server, watch(user(AGENT))).await;
    let status = client.watch(watch(user(AGENT))).await.err().unwrap();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_MANY_WATCHES")
    );
    let labels = [("reason", "too_many_watches")];
    assert_eq!(
        server
            .scrape()
            .await
            .count("leadchat_inbox_refused_total", &labels),
        1
    );
    // Calls are answered all the same.
    listed(&server, user(ADMINISTRATOR)).await;
    drop(first);
    server
        .eventually_counted("leadchat_inbox_watches", &[], 1)
        .await;
    synced(&server, watch(user(AGENT))).await;
}

/// A refused watch takes no place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_is_denied_takes_no_place() {
    let database = small(Backend::Sqlite).await;
    let server = serving(&database).args(["--max-watches", "1"]).start();
    let client = server.client().await;
    for _ in 0..5 {
        let status = client.watch(watch(user(99))).await.err().unwrap();
        assert_eq!(reason(&status), "ACCESS_DENIED");
    }
    synced(&server, watch(user(AGENT))).await;
}

/// Opens so many watches, at most 90 on each connection.
async fn open(server: &crate::support::program::Server, viewers: &[pb::Viewer]) -> Vec<Watch> {
    const OF_EACH_CONNECTION: usize = 90;
    const AT_ONCE: usize = 30;

    let mut watches = Vec::new();
    for viewers in viewers.chunks(OF_EACH_CONNECTION) {
        let client: Client = server.client().await;
        for viewers in viewers.chunks(AT_ONCE) {
            let opened = viewers.iter().map(async |viewer| {
                let mut opened = client.watch(watch(*viewer)).await.unwrap();
                opened.batch().await.unwrap();
                opened
            });
            watches.extend(join_all(opened).await);
        }
    }
    watches
}

/// As many as the default permits, and one more.
#[ignore = "make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_4097th_watch_is_refused() {
    let database = small(Backend::Sqlite).await;
    let server = serving(&database).env("RUST_LOG", "warn").start();
    let viewers: Vec<_> = (0..4096)
        .map(|index| user(if index % 2 == 0 { ADMINISTRATOR } else { AGENT }))
        .collect();
    let mut watches = open(&server, &viewers).await;
    let scrape = server.scrape().await;
    assert_eq!(scrape.count("leadchat_inbox_watches", &[]), 4096);
    assert_eq!(scrape.count("leadchat_inbox_watched_accounts", &[]), 1);
    let status = server.client().await.watch(watch(user(AGENT))).await;
    assert_eq!(reason(&status.err().unwrap()), "TOO_MANY_WATCHES");
    // Each is received.
    database
        .execute("UPDATE inboxes SET name = 'x' WHERE id = 1")
        .await;
    let received = watches.iter_mut().map(async |watch| {
        assert_eq!(summary(&watch.batch().await.unwrap()), ["+1"]);
    });
    join_all(received).await;
}

/// Mixed viewers, one of which does not read. The others are not held up, and a stop is not.
#[ignore = "make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_watches_and_one_that_does_not_read() {
    let database = small(Backend::Sqlite).await;
    let server = serving(&database)
        .env("RUST_LOG", "warn")
        .args(["--drain-timeout", "5s"])
        .start();
    let viewers: Vec<_> = (0..1000)
        .map(|index| {
            user(if index % 100 == 0 {
                ADMINISTRATOR
            } else {
                AGENT
            })
        })
        .collect();
    let mut watches = open(&server, &viewers).await;
    // It takes nothing from now on; its connection is its own.
    let mut silent = synced(&server, watch(user(ADMINISTRATOR))).await;
    // The administrators see it.
    let long = "x".repeat(200_000);
    for round in 0..30 {
        let change = format!(
            "BEGIN; UPDATE inboxes SET name = 'n{round}' WHERE id = 1;
            UPDATE inboxes SET greeting_message = '{round}{long}' WHERE id = 5; COMMIT"
        );
        database.execute(&change).await;
        let began = Instant::now();
        let received = watches.iter_mut().enumerate();
        let received = received.map(async |(index, watch)| {
            let expected: &[_] = if index % 100 == 0 {
                &["+1", "+5"]
            } else {
                &["+1"]
            };
            assert_eq!(
                summary(&watch.batch().await.unwrap()),
                expected,
                "round {round}"
            );
        });
        join_all(received).await;
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{:?}",
            began.elapsed()
        );
    }
    let expected = [ADMINISTRATOR, AGENT].map(async |id| listed(&server, user(id)).await);
    let expected = join_all(expected).await;
    for (index, watch) in watches.iter().enumerate() {
        assert_holds(&watch.held, &expected[usize::from(index % 100 != 0)]);
    }
    // The one that has slept gets the last state, and few of those before.
    let mut events = 0;
    while silent.held[&1].name != "n29" {
        silent.next().await.unwrap();
        events += 1;
    }
    assert!(events < 60, "{events}");

    let silent = synced(&server, watch(user(ADMINISTRATOR))).await;
    let began = Instant::now();
    server.signal("TERM");
    let ends = watches
        .into_iter()
        .map(async |watch| reason(&watch.end().await));
    let ends = join_all(ends).await;
    assert!(ends.iter().all(|end| end == "SHUTTING_DOWN"));
    println!(
        "a thousand watches ended {:?} after the signal",
        began.elapsed()
    );
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(server.wait(), Some(0));
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_no_watch_is_refused() {
    let refused = Program::new(&["serve", "--max-watches", "0"]).output();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("--max-watches"), "{said}");
}
