//! Callers that give up, or whose deadline passes, while the database is slow:
//! they are answered on time, and what was begun for them ends.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    Backend, Program,
    client::any_inbox as request,
    cluster::Cluster,
    plain::{self, framed},
    proxy::Proxy,
};

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";
const CALLS: usize = 1000;
const AT_A_TIME: usize = 50;

/// As many as the server keeps.
const CONNECTIONS: i64 = 16;

async fn until(what: &str, within: Duration, is_so: impl AsyncFn() -> bool) {
    let end = Instant::now() + within;
    while !is_so().await {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a call was answered at its deadline. One that gets no permit is told so after half
/// of its time. Where the machine sets the server aside at that very moment, tonic answers.
fn is_late(status: &Status) -> bool {
    let reason = status.get_details_error_info().map(|info| info.reason);
    match reason.as_deref() {
        Some("OVERLOADED") => false,
        Some("DEADLINE_EXCEEDED") => true,
        _ => {
            assert_eq!(status.code(), Code::Cancelled, "{status:?}");
            true
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cancelled_calls_leave_no_read_behind() {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database)
        .arg("--max-concurrent-reads")
        .arg("100")
        .start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());
    let lock = database.lock_table("inboxes").await;

    let body = framed(&request().encode_to_vec());
    let (address, body, client_) = (&server.address, &body, &client);
    let outcomes: Vec<_> = stream::iter(0..CALLS)
        .map(|number| async move {
            if number % 2 == 0 {
                let began = Instant::now();
                let timeout = [("grpc-timeout", "300m")];
                let status = plain::call(address, GET, &timeout, body.clone())
                    .await
                    .status();
                Some((status, began.elapsed()))
            } else {
                // Gives up; the stream is reset.
                let patience = Duration::from_millis(100 + number as u64 % 50);
                let answer = tokio::time::timeout(patience, client_.get(request())).await;
                assert!(answer.is_err());
                None
            }
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let mut cancelled = 0;
    let mut waits: Vec<_> = outcomes
        .into_iter()
        .flatten()
        .map(|(status, took)| {
            let is_late = is_late(&status);
            cancelled += usize::from(status.code() == Code::Cancelled);
            let least = if is_late { 290 } else { 145 };
            assert!(took >= Duration::from_millis(least), "{took:?}: {status:?}");
            took
        })
        .collect();
    waits.sort();
    assert!(
        cancelled <= CALLS / 100,
        "{cancelled} were answered by tonic"
    );
    println!(
        "deadlines of 300 ms, {} calls: answered after {:?} at the median, {:?} at most",
        waits.len(),
        waits[waits.len() / 2],
        waits[waits.len() - 1]
    );
    // A slow machine may be late, but not by the time of a lock or a statement.
    assert!(waits[waits.len() / 2] < Duration::from_millis(600));
    assert!(waits[waits.len() * 95 / 100] < Duration::from_secs(1));
    assert!(waits[waits.len() - 1] < Duration::from_secs(2));

    // The lock is still held, and nothing waits for it.
    until("statements end", Duration::from_secs(3), async || {
        database.sessions("state <> 'idle'").await == 0
    })
    .await;
    lock.release().await;
    until("transactions end", Duration::from_secs(3), async || {
        database.sessions("state <> 'idle'").await == 0
    })
    .await;
    assert!(database.sessions("true").await <= CONNECTIONS);

    // Every connection of the pool is there and sound.
    for _ in 0..3 {
        let answers = stream::iter(0..64).map(|_| client_.get(request()));
        let answers: Vec<_> = answers.buffer_unordered(64).collect().await;
        for answer in answers {
            answer.unwrap();
        }
    }
    let lock = database.lock_table("inboxes").await;
    let callers: Vec<_> = (0..CONNECTIONS * 2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get(request()).await })
        })
        .collect();
    until(
        "all connections are in use",
        Duration::from_secs(3),
        async || database.sessions("wait_event_type = 'Lock'").await == CONNECTIONS,
    )
    .await;
    lock.release().await;
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    // Each of them has its line, but for one that was gone before it arrived.
    let given_up = server.log().matches("cancelled code=\"CANCELLED\"").count();
    assert!(given_up >= CALLS / 2 - CALLS / 100, "{given_up}");
    assert!(!server.log().contains("panicked"));
    assert!(!server.log().contains("stopped short"));
}

/// The deadline reaches the database: a statement that would run for long, and waits
/// for nothing, ends with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_ends_with_its_deadline() {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());
    database.slow_down(60.0).await;
    let body = framed(&request().encode_to_vec());
    let mut seen = 0;
    // On a slow machine a deadline may pass before the statement is reached.
    for _ in 0..20 {
        let began = Instant::now();
        let (address, body) = (server.address.clone(), body.clone());
        let call = tokio::spawn(async move {
            plain::call(&address, GET, &[("grpc-timeout", "500m")], body).await
        });
        let mut is_seen = false;
        while !call.is_finished() {
            is_seen |= database.sessions("wait_event = 'PgSleep'").await == 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let status = call.await.unwrap().status();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        // Other statements have three seconds.
        until(
            "the statement ends",
            Duration::from_millis(800),
            async || database.sessions("state <> 'idle'").await == 0,
        )
        .await;
        let took = began.elapsed();
        println!("patience: a statement ended {took:?} after its call began, of 500 ms");
        seen += usize::from(is_seen);
        if seen == 3 {
            return;
        }
    }
    panic!("the statement was seen {seen} times");
}

/// A caller without a deadline that gives up leaves a statement that ends as soon as any
/// that takes too long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_ends_when_its_call_is_cancelled() {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());
    database.slow_down(60.0).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.get(request()).await }
    });
    until("the statement runs", Duration::from_secs(10), async || {
        database.sessions("wait_event = 'PgSleep'").await == 1
    })
    .await;
    let began = Instant::now();
    call.abort();
    until("the statement ends", Duration::from_secs(4), async || {
        database.sessions("state <> 'idle'").await == 0
    })
    .await;
    println!(
        "patience: a statement ended {:?} after its caller gave up",
        began.elapsed()
    );
    assert!(server.log().contains("cancelled code=\"CANCELLED\""));
}

/// Who waits for a connection, and leaves, does not take one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_in_the_queue_reads_nothing() {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database)
        .arg("--max-concurrent-reads")
        .arg("500")
        .start();
    let client = server.client().await;
    let lock = database.lock_table("inboxes").await;
    let leaving = stream::iter(0..300).map(|_| {
        let patience = Duration::from_millis(400);
        tokio::time::timeout(patience, client.get(request()))
    });
    let left: Vec<_> = leaving.buffer_unordered(300).collect().await;
    assert!(left.iter().all(Result::is_err));
    until("statements end", Duration::from_secs(3), async || {
        database.sessions("state <> 'idle'").await == 0
    })
    .await;
    lock.release().await;
    // Each read begins with its account.
    let begun = server
        .log()
        .matches("FROM accounts t WHERE t.id = $1")
        .count();
    assert!(begun <= 40, "{begun} reads were begun");
    assert!(client.get(request()).await.is_ok());
}

/// A connection is asked whether it is sound before it is used. Who leaves meanwhile
/// does not cost it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_before_its_read_costs_no_connection() {
    let database = Backend::Postgres.golden();
    let name = database.name();
    let proxy = Proxy::to(Cluster::shared().port).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}", proxy.port);
    let server = Program::serving(&database)
        .env("DATABASE_URL", &url)
        .start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());
    let processes = async || {
        database
            .numbers(
                "SELECT pid AS id FROM pg_stat_activity WHERE datname = current_database()
                    AND application_name = 'leadchat-inbox'",
            )
            .await
    };
    let before = processes().await;
    assert!(!before.is_empty());

    // Slower than a caller has time for, not than an answer may be.
    proxy.slow_down(80);
    let body = framed(&request().encode_to_vec());
    for _ in 0..10 {
        let timeout = [("grpc-timeout", "40m")];
        let answer = plain::call(&server.address, GET, &timeout, body.clone()).await;
        assert_eq!(answer.status().code(), Code::DeadlineExceeded);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    proxy.slow_down(0);
    assert!(client.get(request()).await.is_ok());
    let after = processes().await;
    for process in before {
        assert!(after.contains(&process), "{process} of {after:?}");
    }
}
