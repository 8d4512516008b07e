//! The reads that watches cause: how many, and what happens while there is no answer.

use std::time::{Duration, Instant, SystemTime};

use super::{ADMINISTRATOR, AGENT, small, synced, user};
use crate::support::{
    Backend, Program, get_as_user, reason,
    watch::{summary, watch},
};

/// The reads of whole accounts of a server so far.
async fn account_reads(server: &crate::support::program::Server) -> u64 {
    let labels = [("shape", "account"), ("result", "ok")];
    server
        .scrape()
        .await
        .count("leadchat_inbox_store_reads_total", &labels)
}

/// PostgreSQL is polled, at half the bound; one poll is for all watches of the account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_polled_at_half_the_bound() {
    let database = small(Backend::Postgres).await;
    let server = Program::serving(&database)
        .env("MAX_STALENESS", "1")
        .with_admin()
        .start();
    let mut watches = Vec::new();
    for id in [ADMINISTRATOR, AGENT, ADMINISTRATOR, AGENT] {
        watches.push(synced(&server, watch(user(id))).await);
    }
    let (before, began) = (account_reads(&server).await, Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let reads = account_reads(&server).await - before;
    let most = began.elapsed().as_millis() / 500 + 1;
    assert!(reads >= 3 && u128::from(reads) <= most, "{reads}");
    let scrape = server.scrape().await;
    assert_eq!(scrape.count("leadchat_inbox_watched_accounts", &[]), 1);
    assert!(scrape.value("leadchat_inbox_watch_round_seconds", &[]) > 0.0);
    assert!(scrape.value("leadchat_inbox_watched_bytes", &[]) > 1000.0);
    // Each sees a change.
    database
        .execute("UPDATE inboxes SET name = 'x' WHERE id = 1")
        .await;
    for watch in &mut watches {
        assert_eq!(summary(&watch.batch().await.unwrap()), ["+1"]);
    }
    // With the last watch, the polls end.
    drop(watches);
    server
        .eventually_counted("leadchat_inbox_watched_accounts", &[], 0)
        .await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let before = account_reads(&server).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(account_reads(&server).await, before);
}

/// Calls that keep all permits for reads do not hold up a watch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_do_not_wait_for_the_permits_of_calls() {
    let database = small(Backend::Postgres).await;
    let now = "'2026-01-01', '2026-01-01'";
    // Reads of account 2 take until their time-out, and those of account 1 do not.
    let slow = format!(
        "INSERT INTO channel_api (id, account_id, identifier, created_at, updated_at)
            SELECT id, 2, 'i' || id, {now} FROM generate_series(11, 16) id;
        INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
            SELECT id, 2, id, 'Channel::Api', 'inbox', {now} FROM generate_series(11, 16) id;
        INSERT INTO working_hours (inbox_id, account_id, day_of_week, created_at, updated_at)
            SELECT id, 2, 1, {now} FROM generate_series(11, 16) id;
        ALTER TABLE working_hours RENAME TO hours;
        CREATE VIEW working_hours AS SELECT * FROM hours WHERE account_id <> 2
            OR (SELECT CAST(pg_sleep(30) AS text)) IS NOT NULL"
    );
    database.execute(&slow).await;
    let server = super::serving(&database)
        .args(["--max-concurrent-reads", "1"])
        .start();
    let mut watch = synced(&server, watch(user(ADMINISTRATOR))).await;
    // Of an inbox each, so that they share no read.
    for inbox in 11..=16 {
        let client = server.client().await;
        tokio::spawn(async move {
            loop {
                let _ = client.get(get_as_user(2, inbox, 3)).await;
            }
        });
    }
    let name = "leadchat_inbox_reads_waiting";
    server.eventually_scraped(name, &[], |it| it > 2.5).await;
    let mut times = Vec::new();
    for attempt in 1..=3 {
        let began = Instant::now();
        for number in 1..=3 {
            let rename = format!("UPDATE inboxes SET name = '{attempt} {number}' WHERE id = 1");
            database.execute(&rename).await;
            assert_eq!(summary(&watch.batch().await.unwrap()), ["+1"]);
        }
        times.push(began.elapsed());
    }
    println!("polls: three events beside calls that hold the permit: {times:?}");
    // With a permit of the calls, each would wait for a time-out of three seconds.
    let quickest = times.iter().min().unwrap();
    assert!(*quickest < Duration::from_secs(5), "{times:?}");
}

/// An SQLite file is read only after a change, by whichever process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_read_after_changes_alone() {
    let database = small(Backend::Sqlite).await;
    let server = Program::serving(&database).with_admin().start();
    let mut watch = synced(&server, watch(user(ADMINISTRATOR))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = account_reads(&server).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(account_reads(&server).await, before);
    // It is known all the same that nothing has changed.
    let age = server
        .scrape()
        .await
        .value("leadchat_inbox_watch_oldest_state_seconds", &[]);
    assert!(age < 2.0, "{age}");
    let began = Instant::now();
    database
        .execute("UPDATE inboxes SET name = 'x' WHERE id = 1")
        .await;
    assert_eq!(summary(&watch.batch().await.unwrap()), ["+1"]);
    println!("sqlite: an event {:?} after the commit", began.elapsed());
    assert!(account_reads(&server).await > before);
}

/// A hot standby is watched as far as it has replayed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_watched() {
    let (primary, _standby, server) = super::super::freshness::served_standby();
    let mut watch = synced(&server, watch(user(ADMINISTRATOR))).await;
    let rename = "UPDATE inboxes SET name = 'replayed' WHERE id = 1";
    primary.psql("leadchat", rename);
    assert_eq!(summary(&watch.batch().await.unwrap()), ["+1"]);
    assert_eq!(watch.held[&1].name, "replayed");
}

/// While the database is away, heartbeats go on with a time that stands still, and at last
/// the watch ends.
#[ignore = "make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_ends_watches_after_a_while() {
    let cluster = crate::support::cluster::Cluster::start();
    crate::support::answers::fill(&cluster, "leadchat");
    let server = Program::serving_at(&cluster.url("leadchat"))
        .env("MAX_STALENESS", "2")
        .with_admin()
        .start();
    let mut watch = synced(&server, watch(user(ADMINISTRATOR))).await;
    let failed = SystemTime::now();
    let mut processes = cluster.processes();
    processes.pause();
    let began = Instant::now();
    let mut heartbeats = Vec::new();
    let status = loop {
        match watch.next().await {
            Ok(event) => {
                assert_eq!(summary(&[event]), ["heartbeat"]);
                heartbeats.push(watch.read_time.unwrap());
            }
            Err(status) => break status,
        }
    };
    let took = began.elapsed();
    processes.resume();
    assert_eq!(reason(&status), "STORE_UNAVAILABLE");
    assert!(
        took > Duration::from_secs(25) && took < Duration::from_mins(1),
        "{took:?}"
    );
    server.eventually_ended_watches("store", 1).await;
    assert!(!heartbeats.is_empty());
    // No heartbeat says more than is known.
    for heartbeat in &heartbeats {
        assert!(
            *heartbeat <= failed + Duration::from_millis(500),
            "{heartbeats:?}"
        );
    }
    println!(
        "an outage: {} heartbeats, ended after {took:?}",
        heartbeats.len()
    );
    synced(&server, self::watch(user(ADMINISTRATOR))).await;
}

/// A read that fails ends no watch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_outage_ends_no_watch() {
    let cluster = crate::support::cluster::Cluster::start();
    crate::support::answers::fill(&cluster, "leadchat");
    let server = Program::serving_at(&cluster.url("leadchat"))
        .env("MAX_STALENESS", "0.5")
        .with_admin()
        .start();
    let mut watch = synced(&server, watch(user(ADMINISTRATOR))).await;
    let mut processes = cluster.processes();
    processes.pause();
    server
        .eventually_scraped("leadchat_inbox_watch_polls_failed_total", &[], |it| {
            it > 0.5
        })
        .await;
    processes.resume();
    let rename = "UPDATE inboxes SET name = 'after' WHERE id = 1";
    cluster.psql("leadchat", rename);
    assert_eq!(summary(&watch.batch().await.unwrap()), ["+1"]);
}
