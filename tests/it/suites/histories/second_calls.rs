//! I8: calls of one request in the bound cost one read. Metrics count the statements.

use std::time::{Duration, Instant};

use super::{
    MAX_STALENESS_AGE, caching,
    model::{Method, Request, Viewer},
    nanoseconds,
    readers::call,
    reads, writers,
};
use crate::support::{Backend, Client, Database, connection::now, program::Server};

/// A warm server has the answer in the cache. A busy machine may not call twice in time.
pub async fn a_second_call_within_the_bound_reads_nothing(backend: Backend) {
    let database = backend.empty();
    writers::fill(&database).await;
    let bound = Duration::from_secs(2);
    let server = counting(&database, bound);
    let client = server.client().await;
    let viewer = Viewer::User(writers::USERS[0]);
    let [inbox, other, ..] = writers::STABLE_INBOXES;
    // The whole account comes last, since it answers for its inboxes.
    for method in [
        Method::Get(inbox),
        Method::Get(999),
        Method::Batch(vec![other]),
        Method::Find(inbox),
        Method::FindEverywhere(inbox),
        Method::List,
    ] {
        let viewer = match method {
            Method::FindEverywhere(_) => Viewer::Service,
            _ => viewer,
        };
        let request = Request {
            account: writers::first_home(inbox),
            viewer,
            method,
        };
        second_call_reads_nothing(&server, &client, &request, bound).await;
    }
}

async fn second_call_reads_nothing(
    server: &Server,
    client: &Client,
    request: &Request,
    bound: Duration,
) {
    for _ in 0..20 {
        let began = now();
        let first = statements_of(server, client, request).await;
        let second = statements_of(server, client, request).await;
        let elapsed = now() - began;
        assert!(first > 0, "{request:?}: a cold call read nothing");
        if elapsed < reads::least_interval(nanoseconds(bound)) {
            assert_eq!(second, 0, "{request:?}: statements of the second call");
            return;
        }
        // The time until the answer in the cache is too old.
        tokio::time::sleep(bound).await;
    }
    panic!("no two calls in the bound");
}

/// How many statements a call costs.
async fn statements_of(server: &Server, client: &Client, request: &Request) -> u64 {
    let before = server.statements().await;
    let answer = call(client, 0, request.clone(), false).await;
    assert!(answer.is_some(), "{request:?}: unavailable");
    server.statements().await - before
}

/// Callers of one request cost no more than one read in 0.675 B. No other read sends a
/// statement.
pub async fn many_calls_share_a_read(backend: Backend) {
    const CALLERS: usize = 6;
    const BOUNDS: u32 = 10;

    let database = backend.empty();
    writers::fill(&database).await;
    let server = counting(&database, MAX_STALENESS_AGE);
    let client = server.client().await;
    let inbox = writers::STABLE_INBOXES[0];
    let viewer = Viewer::User(writers::USERS[0]);
    let request = Request {
        account: writers::first_home(inbox),
        viewer,
        method: Method::Get(inbox),
    };
    let of_each = statements_of(&server, &client, &request).await;

    let before = server.statements().await;
    let end = Instant::now() + MAX_STALENESS_AGE * BOUNDS;
    let callers = (0..CALLERS).map(|_| {
        let (client, request) = (client.clone(), request.clone());
        tokio::spawn(async move {
            let mut answers = Vec::new();
            while Instant::now() < end {
                answers.extend(call(&client, 0, request.clone(), false).await);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            answers
        })
    });
    let mut answers = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        answers.extend(caller.await.unwrap());
    }
    let bound = nanoseconds(MAX_STALENESS_AGE);
    let reads = reads::reads(
        answers.iter().filter_map(|it| it.read_time).collect(),
        bound,
    );
    let statements = server.statements().await - before;
    println!(
        "histories {}: {} calls, {} reads, {statements} statements of {of_each} each",
        backend.name(),
        answers.len(),
        reads.len()
    );
    assert!(
        reads.len() >= 3 && answers.len() >= 5 * reads.len(),
        "too few calls"
    );
    let intervals = reads.windows(2).map(|pair| pair[1] - pair[0]);
    let least = intervals.min().unwrap();
    let allowed = reads::least_interval(bound) - reads::INTERVAL_ALLOWANCE;
    assert!(least >= allowed, "two reads in {least} ns");
    // No call may see the last one.
    assert!(
        statements <= (reads.len() as u64 + 1) * of_each,
        "reads without answers"
    );
}

/// A server that counts its statements.
fn counting(database: &Database, bound: Duration) -> Server {
    let program = caching(database, bound).with_admin();
    program.env("RUST_LOG", "info,leadchat_inbox=debug").start()
}
