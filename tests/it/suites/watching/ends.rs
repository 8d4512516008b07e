//! How a watch ends by itself: at its deadline, at its age, and when the server stops.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tonic::{Code, Request};
use tonic_types::StatusExt;

use super::{ADMINISTRATOR, small, synced, user};
use crate::support::{
    Backend, Program, reason,
    watch::{resume, summary, watch},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_at_its_deadline_and_not_before() {
    let database = small(Backend::Sqlite).await;
    let server = super::serving(&database).start();
    let client = server.client().await;
    let mut request = Request::new(watch(user(ADMINISTRATOR)));
    // Not by `set_timeout`: that would end the client's side, too.
    request
        .metadata_mut()
        .insert("grpc-timeout", "2S".parse().unwrap());
    let began = Instant::now();
    let watch = client.watch_with(request, BTreeMap::new()).await.unwrap();
    let status = watch.end().await;
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(20),
        "{took:?}"
    );
    server.eventually_ended_watches("deadline", 1).await;
}

/// A call without a deadline has 30 seconds; a watch has no such end.
#[ignore = "make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_without_a_deadline_outlives_a_call() {
    let database = small(Backend::Sqlite).await;
    let server = Program::serving(&database).start();
    let mut watch = synced(&server, watch(user(ADMINISTRATOR))).await;
    let began = Instant::now();
    let mut heartbeats = 0;
    while began.elapsed() < Duration::from_secs(50) {
        let before = watch.read_time;
        let event = watch.next().await.unwrap();
        assert_eq!(summary(&[event]), ["heartbeat"]);
        assert!(watch.read_time > before);
        heartbeats += 1;
    }
    assert!((3..=4).contains(&heartbeats), "{heartbeats}");
    database
        .execute("UPDATE inboxes SET name = 'x' WHERE id = 1")
        .await;
    assert_eq!(summary(&watch.batch().await.unwrap()), ["+1"]);
}

/// Before its connection is closed, and not all watches at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_before_its_connection() {
    let database = small(Backend::Sqlite).await;
    let server = Program::serving(&database)
        .args(["--max-connection-age", "5s"])
        .with_admin()
        .start();
    let mut ends = Vec::new();
    for _ in 0..12 {
        let began = Instant::now();
        let watch = synced(&server, watch(user(ADMINISTRATOR))).await;
        ends.push(tokio::spawn(async move {
            let held = watch.held.clone();
            (watch.end().await, began.elapsed(), held)
        }));
    }
    let mut times = Vec::new();
    let mut held = BTreeMap::new();
    for end in ends {
        let (status, took, of_watch) = end.await.unwrap();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unavailable, "RECONNECT")
        );
        let delay = status.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(delay, Some(Duration::ZERO));
        times.push(took);
        held = of_watch;
    }
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    // From eight to nine tenths of the age; a busy machine is later.
    assert!(*first >= Duration::from_secs(4), "{times:?}");
    assert!(
        last.saturating_sub(*first) > Duration::from_millis(50),
        "{times:?}"
    );
    server.eventually_ended_watches("age", 12).await;
    // Each ended before GOAWAY.
    assert!(*first < Duration::from_secs(5), "{times:?}");
    // Nothing is missed, and nothing comes again.
    let request = resume(&watch(user(ADMINISTRATOR)), &held);
    let client = server.client().await;
    let mut again = client.watch_holding(request, held).await.unwrap();
    assert_eq!(summary(&again.batch().await.unwrap()), [""; 0]);
}

/// Each gets a last `synced`, SHUTTING_DOWN and a line of the log, and the drain waits for none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_watches() {
    let database = small(Backend::Sqlite).await;
    let server = Program::serving(&database).start();
    let mut watches = Vec::new();
    for _ in 0..3 {
        watches.push(synced(&server, watch(user(ADMINISTRATOR))).await);
    }
    // So that there is a later moment.
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.signal("TERM");
    let began = Instant::now();
    for mut watch in watches {
        let before = watch.read_time;
        assert_eq!(summary(&watch.batch().await.unwrap()), [""; 0]);
        assert!(watch.read_time > before);
        let status = watch.next().await.err().unwrap();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unavailable, "SHUTTING_DOWN")
        );
        assert!(status.get_details_retry_info().is_some());
    }
    let log = server.log();
    assert_eq!(server.wait(), Some(0));
    // The drain waits for nobody.
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    let ends: Vec<_> = log
        .lines()
        .filter(|it| it.contains("watch ended"))
        .collect();
    assert_eq!(ends.len(), 3, "{ends:?}");
    for line in ends {
        assert!(
            line.contains("code=\"UNAVAILABLE\"") && line.contains("events=7"),
            "{line}"
        );
        assert!(
            line.contains("account=1") && line.contains("took_us="),
            "{line}"
        );
    }
}

/// With a drain wait, a watch goes on until the listener closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_during_the_drain_wait() {
    let database = small(Backend::Sqlite).await;
    let server = Program::serving(&database)
        .args(["--drain-wait", "3s"])
        .start();
    let mut watch = synced(&server, watch(user(ADMINISTRATOR))).await;
    server.signal("TERM");
    database
        .execute("UPDATE inboxes SET name = 'x' WHERE id = 1")
        .await;
    assert_eq!(summary(&watch.batch().await.unwrap()), ["+1"]);
    assert_eq!(reason(&watch.end().await), "SHUTTING_DOWN");
    assert_eq!(server.wait(), Some(0));
}

/// A client that leaves is no error, and its watch is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_leave_at_any_time() {
    let database = small(Backend::Sqlite).await;
    let server = super::serving(&database).start();
    let client = server.client().await;
    let watching = client.watch(watch(user(ADMINISTRATOR))).await.unwrap();
    let name = "leadchat_inbox_watches";
    server.eventually_counted(name, &[], 1).await;
    drop(watching);
    server.eventually_counted(name, &[], 0).await;
    let scrape = server.scrape().await;
    let left = [("why", "client")];
    assert_eq!(scrape.count("leadchat_inbox_watches_ended_total", &left), 1);
    assert_eq!(scrape.count("leadchat_inbox_watched_accounts", &[]), 0);
    let log = server.log();
    assert_eq!(log.matches("watch ended").count(), 1);
    assert!(log.contains("code=\"CANCELLED\""));
}
