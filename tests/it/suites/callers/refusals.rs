//! The log of refused calls and handshakes: of one peer, each problem has a line a second, with
//! a count.

use std::time::Duration;

use serde_json::Value;

use super::{
    certificates::{callers, outcome},
    file, get,
    network::{DASHBOARD, Network, uri},
    on_socket_with, rule, uid,
};
use crate::support::{
    Backend, Program,
    authority::Certificate,
    program::{Server, eventually},
    viewer,
};

/// Refusals in a test. They take a few seconds at most.
const REFUSALS: u64 = 60;
const MAX_LINES: usize = 20;

/// The message of a handshake that failed.
const FAILED: &str = "a handshake failed";

/// The lines of the log with this message that name a peer.
fn lines(server: &Server, message: &str) -> Vec<Value> {
    let log = server.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["message"] == message)
        .filter(|line| !line["span"]["peer"].is_null())
        .collect()
}

/// A line without a count is that of one.
fn count(lines: &[Value]) -> u64 {
    lines
        .iter()
        .map(|line| line["count"].as_u64().unwrap_or(1))
        .sum()
}

async fn assert_counted(server: &Server, message: &str) {
    // A client may connect again.
    eventually("all are counted", || {
        count(&lines(server, message)) >= REFUSALS
    })
    .await;
    let lines = lines(server, message);
    assert!(lines.len() > 1 && lines.len() < MAX_LINES, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_calls_have_a_line_a_second() {
    let database = Backend::Sqlite.golden();
    let others = file(&rule("accounts = [\"*\"]\nas = { itself = true }"));
    let others = others.replace(&format!("[{}]", uid()), &format!("[{}]", uid() + 1));
    let program = Program::caching(&database).env("LOG_FORMAT", "json");
    let server = on_socket_with(program, &others);
    let client = server.client().await;
    for _ in 0..REFUSALS {
        get(&client, 1, viewer::user(1)).await.unwrap_err();
    }
    assert_counted(&server, "answered").await;
    assert_eq!(count(&lines(&server, "answered")), REFUSALS);
    let last = lines(&server, "answered").pop().unwrap();
    assert_eq!(last["code"], "UNAUTHENTICATED");
    assert_eq!(
        last["span"]["method"],
        "/leadchat.inbox.v1.InboxService/GetInbox"
    );
    assert_eq!(last["span"]["identity"], format!("uid:{}", uid()));
    // After a quiet while, the next one has a line at once, and the last ones have theirs at
    // the stop.
    tokio::time::sleep(Duration::from_secs(3)).await;
    get(&client, 1, viewer::user(1)).await.unwrap_err();
    eventually("it is written", || {
        count(&lines(&server, "answered")) == REFUSALS + 1
    })
    .await;
    let at_once = lines(&server, "answered").pop().unwrap();
    assert!(at_once["count"].is_null(), "{at_once}");
    get(&client, 1, viewer::user(1)).await.unwrap_err();
    server.signal("TERM");
    eventually("it is written", || {
        count(&lines(&server, "answered")) == REFUSALS + 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_handshakes_have_a_line_a_second_and_name_the_certificate() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let program = Program::caching(&database).env("LOG_FORMAT", "json");
    let server = network.program_with(program, &callers()).start();
    let foreign = network.office.certificate_with("them", &uri(DASHBOARD));
    for _ in 0..REFUSALS {
        let stranger = network.client(&server, Some(&foreign));
        assert_eq!(outcome(&stranger).await, "UnknownCA");
    }
    assert_counted(&server, FAILED).await;
    let of = |problem: &str| {
        let lines = lines(&server, FAILED);
        let line = lines.iter().find(|line| line["span"]["problem"] == problem);
        line.unwrap_or_else(|| panic!("{problem}: {lines:#?}"))["span"].clone()
    };
    assert_eq!(of("unknown-authority")["peer"], "127.0.0.1");
    assert_eq!(of("unknown-authority")["claimed_id"], DASHBOARD);
    assert_eq!(
        of("unknown-authority")["error"],
        "invalid peer certificate: UnknownIssuer"
    );
    // Another problem of the same peer has its own line.
    let signing = network
        .mesh
        .certificate_with("ca", &format!("{}\nkeyUsage = keyCertSign", uri(DASHBOARD)));
    outcome(&network.client(&server, Some(&signing))).await;
    eventually("it is written", || {
        lines(&server, FAILED)
            .iter()
            .any(|line| line["span"]["problem"] == "signs")
    })
    .await;
    assert_eq!(of("signs")["claimed_id"], DASHBOARD);
    // A certificate that was copied, without its key.
    let own = network.mesh.certificate_with("own", &uri(DASHBOARD));
    let copied = Certificate {
        key: foreign.key.clone(),
        ..own
    };
    outcome(&network.client(&server, Some(&copied))).await;
    eventually("it is written", || {
        lines(&server, FAILED)
            .iter()
            .any(|line| line["span"]["problem"] == "signature")
    })
    .await;
    assert_eq!(of("signature")["claimed_id"], DASHBOARD);
}

/// A process id may be used again, so that nothing is decided by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_of_a_unix_socket_is_logged() {
    let database = Backend::Sqlite.golden();
    let own = file(&rule("accounts = [\"*\"]\nas = { itself = true }"));
    let program =
        Program::caching(&database).env("RUST_LOG", "info,leadchat_inbox::grpc::listener=debug");
    let server = on_socket_with(program, &own);
    let client = server.client().await;
    get(&client, 1, viewer::service()).await.ok();
    let pid = format!("pid={}", std::process::id());
    let is_logged = || {
        server
            .log()
            .lines()
            .any(|line| line.contains(&pid) && line.contains("DEBUG"))
    };
    eventually("it is logged", is_logged).await;
}
