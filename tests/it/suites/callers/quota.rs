//! Limits of a caller, over all its connections. Other callers do not feel them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tonic::Code;
use tonic_types::StatusExt;

use super::{file, get, metadata, on_socket_with, rule};
use crate::support::{Backend, Program, reason, viewer};

/// The metric of calls that were refused.
const REFUSED: &str = "leadchat_inbox_refused_total";

const RULES: &str = "accounts = [\"*\"]\nas = { users = \"any\" }\ndetail = \"full\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_a_second_are_counted_over_all_connections() {
    let database = Backend::Sqlite.golden();
    let limits = "[caller.limits]\ncalls_per_second = 5\nburst = 10\n";
    let callers = format!("{}{limits}", file(&rule(RULES)));
    let server = on_socket_with(Program::caching(&database).with_admin(), &callers);
    let clients = [server.client().await, server.client().await];
    let began = Instant::now();
    let calls = (0..40).map(|number| get(&clients[number % 2], 1, viewer::user(1)));
    let answers = join_all(calls).await;
    let served = answers.iter().filter(|answer| answer.is_ok()).count();
    let seconds = began.elapsed().as_secs_f64();
    println!("quota: {served} of 40 calls in {seconds} s");
    let most = 10 + usize::try_from(began.elapsed().as_secs() + 1).unwrap() * 5;
    assert!((10..=most).contains(&served), "{served}");
    assert!(served < 40 || seconds > 5.0, "none was refused");
    let refused = f64::from(u8::try_from(answers.len() - served).unwrap());
    let of_rate = [("reason", "caller_rate")];
    server
        .eventually_scraped(REFUSED, &of_rate, |it| it >= refused)
        .await;
    for status in answers.into_iter().filter_map(Result::err) {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason(&status), "CALLER_LIMIT_EXCEEDED");
        assert_eq!(metadata(&status)["limit"], "calls_per_second");
        assert_eq!(metadata(&status)["caller"], "me");
        assert!(status.get_details_retry_info().is_some());
        assert_eq!(
            status.metadata().get("grpc-retry-pushback-ms").unwrap(),
            "1000"
        );
    }
    // After a while calls are served again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(get(&clients[0], 1, viewer::user(1)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_a_time_are_counted() {
    let database = Backend::Postgres.golden();
    let callers = format!(
        "{}[caller.limits]\nconcurrent_calls = 2\n",
        file(&rule(RULES))
    );
    let server = on_socket_with(Program::serving(&database).with_admin(), &callers);
    let client = server.client().await;
    get(&client, 1, viewer::user(1)).await.unwrap();
    let lock = database.lock_table("inboxes").await;
    // Two wait for the lock, for longer than it takes to refuse the others.
    let answers = join_all((0..6).map(|_| get(&client, 1, viewer::user(1)))).await;
    lock.release().await;
    let refused = answers.into_iter().filter_map(Result::err);
    let refused: Vec<_> = refused
        .filter(|status| reason(status) == "CALLER_LIMIT_EXCEEDED")
        .collect();
    // On a busy machine one may come when another is over, or while the very first one still
    // holds its place: that is given back a moment after its answer.
    assert!((1..=5).contains(&refused.len()), "{}", refused.len());
    let all = f64::from(u8::try_from(refused.len()).unwrap());
    let of_concurrency = [("reason", "caller_concurrency")];
    server
        .eventually_scraped(REFUSED, &of_concurrency, |it| it >= all)
        .await;
    for status in refused {
        assert_eq!(metadata(&status)["limit"], "concurrent_calls");
    }
    assert!(get(&client, 1, viewer::user(1)).await.is_ok());
}

/// A caller that does not read its answers has them counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_read_is_a_call_under_way() {
    let database = Backend::Sqlite.golden();
    let long = "UPDATE inboxes SET greeting_message = printf('%.*c', 250000, 'x') WHERE id = 1";
    database.execute(long).await;
    let callers = "version = 1\n[[caller]]\nname = \"me\"\nlocal = true\n";
    let rules = rule(RULES);
    let callers = format!("{callers}{rules}[caller.limits]\nconcurrent_calls = 1\n");
    let server = Program::caching(&database).with_callers(&callers).start();
    let (stalled, answers) = crate::suites::limits::stalled(&server, 1).await;
    let mut held = Vec::new();
    for answer in answers {
        held.push(answer.await.unwrap());
    }
    let status = get(&server.client().await, 1, viewer::user(1)).await;
    let status = status.unwrap_err();
    assert_eq!(metadata(&status)["limit"], "concurrent_calls");
    drop((held, stalled));
    eventually_served(&server).await;
}

async fn eventually_served(server: &crate::support::program::Server) {
    let end = Instant::now() + Duration::from_secs(20);
    while get(&server.client().await, 1, viewer::user(1))
        .await
        .is_err()
    {
        assert!(Instant::now() < end, "the call is still under way");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
