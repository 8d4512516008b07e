//! Callers that give up, or whose deadline passes, while the database is slow:
//! they are answered on time, and what was begun for them ends.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    Backend, Client, Database, Program,
    client::{any_inbox as request, retried},
    cluster::Cluster,
    log::failed_reads,
    plain::{self, framed},
    program::{Server, WAIT_TIMEOUT, eventually},
    proxy::Proxy,
    sessions::until,
};

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";
const CALLS: usize = 1000;
const AT_A_TIME: usize = 50;

/// As many as the server keeps.
const CONNECTIONS: i64 = 16;

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
        .args(["--max-concurrent-reads", "100"])
        .with_admin()
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
                let timeout = Duration::from_millis(100 + number as u64 % 50);
                let answer = tokio::time::timeout(timeout, client_.get(request())).await;
                assert!(!matches!(answer, Ok(Ok(_))));
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
    // A server without a deadline of its own would leave all, half of the calls, to tonic.
    assert!(
        cancelled <= CALLS / 20,
        "{cancelled} were answered by tonic"
    );
    println!(
        "deadlines of 300 ms, {} calls: answered after {:?} at the median, {:?} at most",
        waits.len(),
        waits[waits.len() / 2],
        waits[waits.len() - 1]
    );

    // The lock is still held, and nothing waits for it.
    until("statements end", async || {
        database.sessions("state <> 'idle'").await == 0
    })
    .await;
    lock.release().await;
    until("transactions end", async || {
        database.sessions("state <> 'idle'").await == 0
    })
    .await;
    assert!(database.sessions("true").await <= CONNECTIONS);

    // Every connection of the pool is there and sound.
    for _ in 0..3 {
        let answers = stream::iter(0..64).map(|_| is_answered(client_));
        let answers: Vec<_> = answers.buffer_unordered(64).collect().await;
        assert!(answers.into_iter().all(|is_answered| is_answered));
    }
    let lock = database.lock_table("inboxes").await;
    let callers: Vec<_> = (0..CONNECTIONS * 2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { is_answered(&client).await })
        })
        .collect();
    until("all connections are in use", async || {
        database.sessions("wait_event_type = 'Lock'").await == CONNECTIONS
    })
    .await;
    lock.release().await;
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    let log = server.log();
    assert_eq!(failed_reads(&log), [""; 0]);
    // Each of them is counted, but for those that were gone before they arrived: on a busy
    // machine many are. A server that does not count them would have none.
    let given_up = server.ended("CANCELLED").await;
    println!(
        "{given_up} of {} callers that gave up were counted",
        CALLS / 2
    );
    assert!(given_up >= CALLS as u64 / 4, "{given_up}");
    assert!(!log.contains("panicked"));
}

/// Asks until there is an answer, as long as it is told to ask again.
async fn is_answered(client: &Client) -> bool {
    for _ in 0..100 {
        match retried(|| client.get(request())).await {
            Err(status) if status.code() == Code::ResourceExhausted => {}
            answer => return answer.is_ok(),
        }
    }
    false
}

/// The deadline reaches the database: a statement that would run for long, and waits
/// for nothing, ends with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_ends_with_its_deadline() {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database).start();
    statements_end_with_their_deadline(&server, &database, 3).await;
}

/// Waits until so many statements were seen that end with the deadlines of their calls. On a busy
/// machine others may be seen that end later.
pub(super) async fn statements_end_with_their_deadline(
    server: &Server,
    database: &Database,
    count: usize,
) {
    /// A statement without its deadline ends after three seconds: later than any of these,
    /// [`MAX_DELAY_MS`] included.
    const DEADLINES_MS: [i64; 5] = [300, 500, 700, 900, 1500];
    const MAX_DELAY_MS: i64 = 1000;

    assert!(server.client().await.get(request()).await.is_ok());
    database.slow_down(60.0).await;
    // Milliseconds for which it has been under way, as the database itself says.
    let age = "SELECT CAST(extract(epoch FROM clock_timestamp() - query_start) * 1000 AS bigint)
            AS id FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let mut seen = 0;
    let end = Instant::now() + WAIT_TIMEOUT;
    // On a slow machine a deadline may pass before the statement is reached.
    for deadline in DEADLINES_MS.into_iter().cycle() {
        let address = server.address.clone();
        let call = tokio::spawn(async move {
            let body = framed(&request().encode_to_vec());
            let timeout = format!("{deadline}m");
            plain::call(&address, GET, &[("grpc-timeout", timeout.as_str())], body).await
        });
        let mut oldest = None;
        loop {
            let is_answered = call.is_finished();
            let ages = database.numbers(age).await;
            oldest = oldest.max(ages.iter().max().copied());
            if is_answered && ages.is_empty() {
                break;
            }
        }
        assert!(is_late(&call.await.unwrap().status()));
        println!("a statement was seen for {oldest:?} ms at most, of a call of {deadline} ms");
        seen += usize::from(oldest.is_some_and(|oldest| oldest < deadline + MAX_DELAY_MS));
        if seen == count {
            return;
        }
        assert!(
            Instant::now() < end,
            "{seen} statements ended with their deadlines"
        );
    }
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
    let runs = async || database.sessions("wait_event = 'PgSleep'").await == 1;
    let call = loop {
        let client = client.clone();
        let call = tokio::spawn(async move { client.get(request()).await });
        while !call.is_finished() && !runs().await {}
        // A slow machine may see it only when it has ended.
        if !call.is_finished() {
            break call;
        }
    };
    let began = Instant::now();
    call.abort();
    until("the statement ends", async || {
        database.sessions("state <> 'idle'").await == 0
    })
    .await;
    let took = began.elapsed();
    println!("cancellation: a statement ended {took:?} after its caller gave up");
    // By the three seconds that each has, not by the minute that it would take.
    assert!(took < Duration::from_secs(30), "{took:?}");
    eventually("the call is logged", || {
        server.log().contains("cancelled code=\"CANCELLED\"")
    })
    .await;
}

/// A call that is cancelled while it waits for a permit does not take one. (The wait for a
/// connection is in `field::connections`.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_in_the_queue_reads_nothing() {
    /// Fewer than a connection has streams.
    const LEAVING: usize = 90;
    const READING: u64 = 2;
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database)
        .args(["--max-concurrent-reads", "2"])
        .args(["--max-queue-timeout", "1h"])
        .with_admin()
        .start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());
    database.slow_down(2.5).await;
    let cancelled = || server.ended("CANCELLED");
    let all_run = async || {
        let running = database.sessions("wait_event = 'PgSleep'").await;
        running == i64::try_from(READING).unwrap()
    };
    // On a slow machine they may have ended before all others have left.
    for attempt in 1.. {
        assert!(attempt < 10, "the reads never outlasted those who left");
        let reads = server.reads().await;
        let reading: Vec<_> = (0..READING)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.get(request()).await })
            })
            .collect();
        let is_over = || reading.iter().any(tokio::task::JoinHandle::is_finished);
        while !is_over() && !all_run().await {}
        let before = cancelled().await;
        let leaving = stream::iter(0..LEAVING).map(|_| {
            let timeout = Duration::from_millis(400);
            tokio::time::timeout(timeout, client.get(request()))
        });
        let left: Vec<_> = leaving.buffer_unordered(LEAVING).collect().await;
        assert!(left.iter().all(|left| !matches!(left, Ok(Ok(_)))));
        while !is_over() && cancelled().await < before + LEAVING as u64 / 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let gone = cancelled().await - before;
        let is_sound = gone >= LEAVING as u64 / 2 && all_run().await && !is_over();
        for reading in reading {
            let _ = reading.await.unwrap();
        }
        until("reads end", async || {
            database.sessions("state <> 'idle'").await == 0
        })
        .await;
        let running = "leadchat_inbox_reads_running";
        server.eventually_scraped(running, &[], |it| it < 1.0).await;
        if is_sound {
            let more = server.reads().await - reads - READING;
            println!("{more} reads were begun for {LEAVING}, {gone} of which had left");
            assert!(more + gone <= LEAVING as u64, "{more} reads were begun");
            return;
        }
    }
}

/// A connection is asked whether it is sound before it is used. A cancelled call does not
/// cost the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_before_its_read_costs_no_connection() {
    let database = Backend::Postgres.golden();
    let name = database.name();
    let proxy = Proxy::to(Cluster::shared().port).await;
    // Opened as slowly as this, a connection has a second to answer a ping.
    proxy.slow_down_once(1000);
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
        assert!(is_late(&answer.status()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    proxy.slow_down(0);
    assert!(client.get(request()).await.is_ok());
    let after = processes().await;
    for process in before {
        assert!(after.contains(&process), "{process} of {after:?}");
    }
}
