//! The limit of reads: an overload is told as one. (That ordinary callers are served is shown
//! in `field::ordinary_load`.)

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::support::{Client, Database};

/// By which a deadline is earlier than its caller says.
const DEADLINE_LEAD_DELAY: Duration = Duration::from_millis(20);

/// A server with one permit.
fn with_one_permit(database: &Database, arguments: &[&str]) -> Server {
    Program::serving(database)
        .args(["--max-concurrent-reads", "1"])
        .args(arguments.iter().copied())
        .with_admin()
        .start()
}

async fn get_within(client: &Client, timeout: Duration) -> Result<(), tonic::Status> {
    let mut call = tonic::Request::new(request().encode_to_vec());
    call.set_timeout(timeout);
    client
        .raw::<pb::GetInboxResponse>(GET, call)
        .await
        .map(drop)
}

fn assert_overloaded(status: &tonic::Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.reason, "OVERLOADED");
    let retry = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(retry, Some(Duration::from_secs(1)));
    assert_eq!(
        status.metadata().get("grpc-retry-pushback-ms").unwrap(),
        "1000"
    );
}

/// Of a call's time, half is for the queue. Health and reflection do not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_for_a_permit_for_half_of_its_time() {
    let database = Backend::Postgres.golden();
    let server = with_one_permit(&database, &[]);
    let client = server.client().await;
    let mut health = health(&server.address).await;
    // On a busy machine a second may be too little for what does not wait.
    for timeout in [
        Duration::from_secs(1),
        Duration::from_secs(4),
        Duration::from_secs(16),
    ] {
        let held = database.lock_table("inboxes").await;
        let reading = tokio::spawn({
            let client = client.clone();
            async move { client.get(request()).await.map(drop) }
        });
        database.until_sessions_wait(1).await;
        let waiting = (0..10).map(|_| async {
            let began = Instant::now();
            (get_within(&client, timeout).await, began.elapsed())
        });
        let waiting = async { (join_all(waiting).await, Instant::now()) };
        let asking = async {
            let check = HealthCheckRequest::default();
            let checked = health.check(check).await.unwrap().into_inner();
            assert_eq!(checked.status().as_str_name(), "SERVING");
            let services = reflected(&server.address).await;
            assert!(
                services
                    .iter()
                    .any(|it| it == "leadchat.inbox.v1.InboxService")
            );
            Instant::now()
        };
        let ((answers, waited), asked) = tokio::join!(waiting, asking);
        held.release().await;
        // With or without the lock's own time-out.
        let _ = reading.await.unwrap();
        let mut refused = 0_u32;
        for (answer, took) in answers {
            let status = answer.unwrap_err();
            if status.code() == Code::ResourceExhausted {
                assert_overloaded(&status);
                let least = (timeout / 2).min(Duration::from_secs(3));
                assert!(
                    took + DEADLINE_LEAD_DELAY >= least,
                    "{took:?} of {timeout:?}"
                );
                refused += 1;
            }
        }
        // Some may have had a permit when the read before them had ended.
        assert!(refused > 0);
        let overloaded = [("reason", "overloaded")];
        let all = |it| it >= f64::from(refused);
        server.eventually_scraped(REFUSED, &overloaded, all).await;
        assert!(get_within(&client, Duration::from_secs(30)).await.is_ok());
        if asked < waited {
            return;
        }
    }
    panic!("health and reflection wait");
}

/// A thousand and twenty-four wait; the others are told at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once() {
    const MAX_QUEUED: usize = 1024;
    /// Half of the time of a call, which has no longer time-out.
    const QUEUE_TIMEOUT: Duration = Duration::from_secs(15);
    let database = Backend::Postgres.golden();
    let server = with_one_permit(&database, &["--max-queue-timeout", "1h"]);
    let clients = join_all((0..12).map(|_| server.client())).await;
    let held = database.lock_table("inboxes").await;
    let quick = Arc::new(AtomicUsize::new(0));
    let calls = clients.iter().flat_map(|client| vec![client.clone(); 95]);
    let calls: Vec<_> = calls
        .map(|client| {
            let quick = Arc::clone(&quick);
            tokio::spawn(async move {
                let began = Instant::now();
                let outcome = client.get(request()).await;
                let is_refused = outcome.is_err_and(|status| {
                    assert_overloaded_or_locked(&status);
                    status.code() == Code::ResourceExhausted
                });
                if is_refused && began.elapsed() + Duration::from_secs(1) < QUEUE_TIMEOUT {
                    quick.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let sent = calls.len();
    eventually("a call is refused", || quick.load(Ordering::Relaxed) > 0).await;
    held.release().await;
    for call in calls {
        call.await.unwrap();
    }
    // But for the one that reads, and what was sent after some had been refused.
    let quick = quick.load(Ordering::Relaxed);
    let surplus = sent - MAX_QUEUED - 1;
    println!("{quick} of {sent} calls were refused at once");
    assert!((1..=surplus).contains(&quick), "{quick}, {surplus}");
    assert!(clients[0].get(request()).await.is_ok());
}

/// The calls that had the permit waited for the lock in vain.
fn assert_overloaded_or_locked(status: &tonic::Status) {
    if status.code() == Code::Unavailable {
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "STORE_UNAVAILABLE");
    } else {
        assert_overloaded(status);
    }
}

/// A read owns its permit until it has ended, though its caller has left: no other begins
/// beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_without_its_caller_keeps_its_permit() {
    let database = Backend::Postgres.golden();
    database.slow_down(1.0).await;
    let server = with_one_permit(&database, &["--max-queue-timeout", "1h"]);
    let client = server.client().await;
    let running = async || database.sessions("wait_event = 'PgSleep'").await;
    for _ in 0..3 {
        // On a slow machine it may have ended before it is seen.
        let left = loop {
            let client = client.clone();
            let left = tokio::spawn(async move { client.get(request()).await.map(drop) });
            while !left.is_finished() && running().await == 0 {}
            if !left.is_finished() {
                break left;
            }
        };
        left.abort();
        let next = tokio::spawn({
            let client = client.clone();
            async move { client.get(request()).await.map(drop) }
        });
        let mut most = 0;
        while !next.is_finished() {
            most = most.max(running().await);
        }
        next.await.unwrap().unwrap();
        assert_eq!(most, 1);
    }
}
