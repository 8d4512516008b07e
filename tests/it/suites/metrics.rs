//! Readiness, metrics, traces, and the lines of calls.

mod counters;
mod readiness;
mod texts;
mod traces;

use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{Backend, Program, client::any_inbox, get_inbox, pb, viewer};

/// A callers file with a caller that needs no proof, and takes tokens.
const LOCAL: &str = r#"version = 1
[[caller]]
name = "me"
local = true
[[caller.may]]
methods = ["GetInbox"]
accounts = ["*"]
as = { users = "any", itself = true }
"#;

/// Calls end by their codes, for everybody, and for each caller.
async fn calls_are_counted_by_code_and_caller(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).with_admin().start();
    let client = server.client().await;
    for _ in 0..3 {
        client.get(any_inbox()).await.unwrap();
    }
    let missing = get_inbox(1, i64::MAX, viewer::user(1));
    assert_eq!(
        client.get(missing).await.unwrap_err().code(),
        Code::NotFound
    );
    let stranger = client.get(get_inbox(1, 1, viewer::user(i64::MAX))).await;
    assert_eq!(stranger.unwrap_err().code(), Code::PermissionDenied);
    let unknown: Result<_, _> = client
        .call::<pb::GetInboxResponse>("Unknown", any_inbox())
        .await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);

    let (calls, handled) = ("leadchat_inbox_calls_total", "grpc_server_handled_total");
    for ended in [handled, calls] {
        let are_all = |it| it >= 6.0;
        server.eventually_scraped(ended, &[], are_all).await;
    }
    let scrape = server.scrape().await;
    let of = |code| {
        scrape.count(
            calls,
            &[("code", code), ("method", "GetInbox"), ("caller", "local")],
        )
    };
    assert_eq!((of("OK"), of("NOT_FOUND"), of("CANCELLED")), (3, 1, 0));
    let service = ("grpc_service", "leadchat.inbox.v1.InboxService");
    assert_eq!(scrape.count(handled, &[service]), 5);
    let other = [("grpc_method", "other"), ("grpc_code", "UNIMPLEMENTED")];
    assert_eq!(scrape.count(handled, &other), 1);
    let took = "grpc_server_handling_seconds_count";
    assert_eq!(scrape.count(took, &[("grpc_method", "GetInbox")]), 5);
    assert_eq!(scrape.count("grpc_server_started_total", &[]), 6);
    assert_eq!(scrape.count("leadchat_inbox_calls_in_flight", &[]), 0);
    assert_eq!(
        scrape.count("leadchat_inbox_store_reads_total", &[("result", "ok")]),
        5
    );
    assert!(scrape.count("leadchat_inbox_answer_age_seconds_count", &[]) >= 3);
    assert_eq!(
        scrape.count("leadchat_inbox_answers_beyond_bound_total", &[]),
        0
    );
    assert_eq!(
        scrape.count("leadchat_inbox_caller_accounts", &[("caller", "local")]),
        1
    );
    assert_eq!(
        scrape.count("leadchat_inbox_connections", &[("transport", "tcp")]),
        1
    );
}

/// Lookups are seen by cache and by freshness.
async fn lookups_are_counted(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).with_admin().start();
    let client = server.client().await;
    for _ in 0..4 {
        client.get(any_inbox()).await.unwrap();
    }
    let latest = pb::GetInboxRequest {
        freshness: pb::Freshness::Latest.into(),
        ..any_inbox()
    };
    client.get(latest).await.unwrap();
    let scrape = server.scrape().await;
    let lookups = |freshness, result| {
        let labels = [
            ("cache", "excerpts"),
            ("freshness", freshness),
            ("result", result),
        ];
        scrape.count("leadchat_inbox_cache_lookups_total", &labels)
    };
    assert_eq!(lookups("bounded", "read"), 1);
    assert_eq!(lookups("bounded", "hit"), 3);
    assert_eq!(lookups("latest", "read"), 1);
    let held = |name| scrape.count(name, &[("cache", "excerpts")]);
    assert_eq!(held("leadchat_inbox_cache_entries"), 1);
    assert!(held("leadchat_inbox_cache_bytes") > 500);
    assert!(held("leadchat_inbox_cache_max_bytes") > 1_000_000);
}

on_both_databases!(calls_are_counted_by_code_and_caller, lookups_are_counted);

/// A client that is gone has cancelled its call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_given_up_is_counted_as_cancelled() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).with_admin().start();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address));
    let mut health = HealthClient::new(endpoint.unwrap().connect().await.unwrap());
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let started = [("grpc_method", "Watch"), ("grpc_type", "server_stream")];
    server
        .eventually_scraped("grpc_server_started_total", &started, |it| it >= 1.0)
        .await;
    let in_flight = "leadchat_inbox_calls_in_flight";
    assert_eq!(server.scrape().await.count(in_flight, &[]), 1);
    drop(watch);
    let cancelled = [("grpc_method", "Watch"), ("grpc_code", "CANCELLED")];
    server
        .eventually_scraped("grpc_server_handled_total", &cancelled, |it| it >= 1.0)
        .await;
    assert_eq!(server.scrape().await.count(in_flight, &[]), 0);
}

/// The lines of calls can be left out; those of errors, or none, are left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_log_can_be_reduced() {
    let database = Backend::Sqlite.golden();
    for (setting, expected) in [
        ("all", [true, true]),
        ("errors", [false, true]),
        ("off", [false, false]),
    ] {
        let program = Program::serving(&database).with_admin();
        let server = program.env("ACCESS_LOG", setting).start();
        let client = server.client().await;
        client.get(any_inbox()).await.unwrap();
        let missing = get_inbox(1, i64::MAX, viewer::user(1));
        client.get(missing).await.unwrap_err();
        let calls = "leadchat_inbox_calls_total";
        server
            .eventually_scraped(calls, &[("code", "NOT_FOUND")], |it| it >= 1.0)
            .await;
        let log = server.log();
        let has =
            ["code=OK", "code=NOT_FOUND"].map(|code| log.contains(&format!(": answered {code} ")));
        assert_eq!(has, expected, "{setting}");
    }
}
