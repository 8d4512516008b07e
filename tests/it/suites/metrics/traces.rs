//! Traces: whose goes on, which are begun, and what is in them.

use tonic::{Code, Request};

use super::LOCAL;
use crate::support::{
    Backend, Client, Program,
    client::any_inbox,
    collector::{Collector, attribute},
    pb,
    program::Server,
};

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Calls with a parent whose trace is sampled, or not.
async fn call(client: &Client, id: &str, flags: Option<&str>) -> Result<(), tonic::Status> {
    use prost::Message;

    let mut request = Request::new(any_inbox().encode_to_vec());
    let metadata = request.metadata_mut();
    metadata.insert("x-request-id", id.parse().unwrap());
    if let Some(flags) = flags {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
        metadata.insert("traceparent", parent.parse().unwrap());
        metadata.insert("tracestate", "vendor=secret-of-the-caller".parse().unwrap());
    }
    client
        .raw::<pb::GetInboxResponse>(GET, request)
        .await
        .map(drop)
}

fn ids(collector: &Collector) -> Vec<String> {
    let spans = collector.spans();
    spans
        .iter()
        .filter_map(|span| attribute(span, "request_id"))
        .collect()
}

async fn with_collector(program: Program) -> (Collector, Server, Client) {
    let collector = Collector::start().await;
    let server = program.with_traces(&collector).start();
    let client = server.client().await;
    (collector, server, client)
}

/// The trace of a known caller goes on; without a parent, none begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_of_a_caller_goes_on() {
    let database = Backend::Sqlite.golden();
    let program = Program::serving(&database).env("RUST_LOG", "off");
    let (collector, server, client) = with_collector(program).await;
    call(&client, "without", None).await.unwrap();
    call(&client, "not-sampled", Some("00")).await.unwrap();
    call(&client, "sampled", Some("01")).await.unwrap();
    let span = collector.span("sampled").await;
    assert_eq!(hex::encode(&span.trace_id), TRACE);
    assert_eq!(hex::encode(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(span.name, "leadchat.inbox.v1.InboxService/GetInbox");
    assert_eq!(span.trace_state, "");
    let of = |key| attribute(&span, key);
    assert_eq!(of("caller").as_deref(), Some("local"));
    assert_eq!(of("account").as_deref(), Some("1"));
    assert_eq!(of("rpc.system").as_deref(), Some("grpc"));
    assert_eq!(of("rpc.method").as_deref(), Some("GetInbox"));
    assert_eq!(of("rpc.grpc.status_code").as_deref(), Some("0"));
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    // All of them were over before it.
    assert_eq!(server.stop("TERM").0, Some(0));
    assert_eq!(ids(&collector), ["sampled"]);
}

/// A caller that is not known cannot have itself traced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_of_a_stranger_does_not_go_on() {
    let database = Backend::Sqlite.golden();
    let nobody = LOCAL.replace("local = true", "uids = [4294967294]");
    let program = Program::serving(&database).with_callers(&nobody);
    let (collector, server, client) = with_collector(program).await;
    let refused = call(&client, "stranger", Some("01")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(server.stop("TERM").0, Some(0));
    assert_eq!(ids(&collector), [""; 0]);
}

/// With a share of 1, each call has a trace, failed ones with their code. The last spans are sent
/// at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_of_calls_begins_a_trace() {
    let database = Backend::Sqlite.golden();
    let program = Program::serving(&database).env("TRACE_RATIO", "1");
    let (collector, server, client) = with_collector(program).await;
    call(&client, "first", None).await.unwrap();
    call(&client, "not-sampled", Some("00")).await.unwrap();
    let unknown = client
        .call::<pb::GetInboxResponse>("Unknown", any_inbox())
        .await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(server.stop("TERM").0, Some(0));
    let spans = collector.spans();
    let codes: Vec<_> = spans
        .iter()
        .map(|it| attribute(it, "rpc.grpc.status_code"))
        .collect();
    assert_eq!(codes, [Some("0".to_owned()), Some("12".to_owned())]);
    assert_eq!(spans[1].name, "unknown");
    let status = spans[1].status.as_ref().unwrap();
    assert_eq!(status.message, "UNIMPLEMENTED");
}

/// A collector that is away costs no call, and is said once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_no_call() {
    let database = Backend::Sqlite.golden();
    let program = Program::serving(&database).env("TRACE_RATIO", "1");
    let (collector, server, client) = with_collector(program).await;
    drop(collector);
    for number in 0..20 {
        call(&client, &format!("{number}"), None).await.unwrap();
    }
    let text = "traces cannot be sent to OTEL_EXPORTER_OTLP_ENDPOINT";
    crate::support::program::eventually("a line", || server.log().contains(text)).await;
    assert_eq!(server.stop("TERM").0, Some(0));
}
