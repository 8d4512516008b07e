//! The access log, in both formats.

mod lines;
mod unlogged;

use std::net::TcpListener;

use lines::{answered, objects};
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{
    Backend, Program, get_as_user, pb,
    plain::{self, framed},
    viewer,
    wire::POOL,
};

on_both_databases!(a_read_that_fails_is_logged_with_its_call);

const FORMATS: [&str; 2] = ["pretty", "json"];
const SERVICE: &str = "leadchat.inbox.v1.InboxService";

// Values of requests; none is for the log.
const NAME_PREFIX: &str = "prefix-of-a-name";
const PAGE_TOKEN: &str = "token-of-a-page";
const QUERY: &str = "query-of-a-path";
/// No time-out, and ignored.
const TIMEOUT: &str = "canary-of-a-timeout";
const CREDENTIALS: &str = "credentials-of-a-caller";
const NO_METHOD: &str = "no-such-method";
const UNFIT_ID: &str = "two words";

/// A call, and what the log is to say of it.
struct Call {
    id: String,
    path: String,
    request: Vec<u8>,
    code: Code,
    /// The placeholder for the path.
    method: String,
    asked: Option<(i64, &'static str)>,
}

fn call(id: &str, method: &str, request: &impl Message, code: Code) -> Call {
    let path = format!("/{SERVICE}/{method}");
    Call {
        id: id.to_owned(),
        method: path.clone(),
        path,
        request: request.encode_to_vec(),
        code,
        asked: None,
    }
}

impl Call {
    fn asked(mut self, account: i64, viewer: &'static str) -> Self {
        self.asked = Some((account, viewer));
        self
    }

    /// The same to another path.
    fn to(mut self, path: &str, logged_as: &str) -> Self {
        path.clone_into(&mut self.path);
        logged_as.clone_into(&mut self.method);
        self
    }
}

fn calls() -> Vec<Call> {
    let list = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::bot(1)),
        name_prefix: NAME_PREFIX.to_owned(),
        ..Default::default()
    };
    let forged = pb::ListInboxesRequest {
        page_token: PAGE_TOKEN.to_owned(),
        ..list.clone()
    };
    let batch = pb::BatchGetInboxesRequest {
        account_id: 2,
        viewer: Some(viewer::service()),
        inbox_ids: vec![1, 2],
        ..Default::default()
    };
    let (known, invalid) = (get_as_user(1, 1, 1), get_as_user(1, -1, 1));
    let (refused, missing) = (get_as_user(2, 1, 1), get_as_user(1, 999_999, 2));

    let path = format!("/{SERVICE}/GetInbox");
    let health = "/grpc.health.v1.Health/Check";
    let unknown = |id, service: &str| {
        let path = format!("{service}/{NO_METHOD}");
        call(id, "", &known, Code::Unimplemented).to(&path, "unknown")
    };
    let mut calls = vec![
        call("get", "GetInbox", &known, Code::Ok).asked(1, "user"),
        call("list", "ListInboxes", &list, Code::Ok).asked(1, "agent_bot"),
        call("batch", "BatchGetInboxes", &batch, Code::Ok).asked(2, "service"),
        call("refused", "GetInbox", &refused, Code::PermissionDenied).asked(2, "user"),
        call("missing", "GetInbox", &missing, Code::NotFound).asked(1, "user"),
        call("invalid", "GetInbox", &invalid, Code::InvalidArgument),
        call("forged", "ListInboxes", &forged, Code::InvalidArgument),
        call("health", "", &(), Code::Ok).to(health, health),
        // Fit for an id, however it looks in a log.
        call(r#"odd"}\:{answered=\"#, "GetInbox", &known, Code::Ok).asked(1, "user"),
        // A path is not repeated, even where its method is known.
        call("query", "GetInbox", &known, Code::Ok)
            .to(&format!("{path}?{QUERY}=1"), &path)
            .asked(1, "user"),
        unknown("service", "/nope.Nope"),
        unknown("method", &format!("/{SERVICE}")),
        unknown("standard", "/grpc.health.v1.Health"),
        unknown("line", "/a%0A2026-01-05T09:00:00.000000Z%20%20INFO%20"),
        unknown("quoted", r#"/é"}{'\x:answered{code=OK,"#),
        unknown("long", &format!("/{}", "x".repeat(8000))),
    ];
    // Whichever there are, and will be: each wants an account.
    let service = POOL.get_service_by_name(SERVICE).unwrap();
    for method in service.methods() {
        calls.push(call(
            method.name(),
            method.name(),
            &(),
            Code::InvalidArgument,
        ));
    }
    assert!(calls.len() >= 19);
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_one_line() {
    let database = Backend::Sqlite.golden();
    let calls = calls();
    for format in FORMATS {
        let server = Program::serving(&database)
            .env("LOG_FORMAT", format)
            .start();
        for call in &calls {
            let headers = [
                ("x-request-id", &*call.id),
                ("authorization", CREDENTIALS),
                ("grpc-timeout", TIMEOUT),
            ];
            let body = framed(&call.request);
            let reply = plain::call(&server.address, &call.path, &headers, body).await;
            assert_eq!(reply.status().code(), call.code, "{}", call.id);
        }
        // One without an id, and one with an id that is not repeated.
        for headers in [vec![], vec![("x-request-id", UNFIT_ID)]] {
            let path = format!("/{SERVICE}/GetInbox");
            let body = framed(&get_as_user(1, 1, 1).encode_to_vec());
            plain::call(&server.address, &path, &headers, body).await;
        }

        // A call is logged before it is answered.
        let log = server.log();
        let mut answered = answered(&log, format);
        for call in &calls {
            let lines = answered.remove(&call.id).unwrap_or_default();
            let mut expected = json!({
                "code": code(call.code),
                "method": call.method,
                "request_id": call.id,
            });
            // The guard knows the caller of every call of the service.
            if call.path.starts_with(&format!("/{SERVICE}/")) {
                expected["caller"] = "local".into();
                expected["credential"] = "local".into();
            }
            if let Some((account, viewer)) = call.asked {
                expected["account"] = account.into();
                expected["viewer"] = viewer.into();
            }
            assert_eq!(lines, [expected], "{format}: {}", call.id);
        }
        let made: Vec<_> = answered.into_iter().collect();
        assert_eq!(made.len(), 2, "{made:?}");
        for (id, lines) in made {
            let digits = id.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(digits && id.len() == 32 && lines.len() == 1, "{id}");
        }
        assert!(log.contains("DEBUG"), "the log is not talkative");
        let values = [
            NAME_PREFIX,
            PAGE_TOKEN,
            QUERY,
            CREDENTIALS,
            TIMEOUT,
            NO_METHOD,
        ];
        for value in values.into_iter().chain([UNFIT_ID, "xxxxx"]) {
            assert!(!log.contains(value), "{format}: {value}");
        }
    }
}

/// gRPC's own name of a code.
fn code(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::Unimplemented => "UNIMPLEMENTED",
        other => panic!("{other:?}"),
    }
}

/// Also where nothing but warnings is logged.
async fn a_read_that_fails_is_logged_with_its_call(backend: Backend) {
    let database = backend.golden();
    let failing = |filter: &str| {
        Program::serving(&database)
            .env("RUST_LOG", filter)
            .arg("--log-format=json")
            .start()
    };
    let servers = [failing("trace"), failing("warn")];
    let gone = "ALTER TABLE inbox_members RENAME TO gone";
    database.execute(gone).await;
    for server in servers {
        let ask = get_as_user(1, 1, 1).encode_to_vec();
        let headers = [("x-request-id", "a-failing-one")];
        let path = format!("/{SERVICE}/GetInbox");
        let reply = plain::call(&server.address, &path, &headers, framed(&ask)).await;
        assert_eq!(reply.status().code(), Code::Internal);

        let events = objects(&server.log());
        let [failed] = &*of_message(&events, "read failed") else {
            panic!("{events:?}")
        };
        let cause = failed["cause"].as_str().unwrap();
        assert!(cause.contains("inbox_members"), "{failed}");
        assert_eq!(failed["level"], "ERROR");
        assert_eq!(
            failed["span"],
            json!({
                "name": "call",
                "method": path,
                "request_id": "a-failing-one",
                "caller": "local",
                "credential": "local",
                "account": 1,
                "viewer": "user",
            })
        );
    }
}

fn of_message<'a>(events: &'a [Value], message: &str) -> Vec<&'a Value> {
    let events = events.iter();
    events.filter(|event| event["message"] == message).collect()
}

#[test]
fn a_format_that_there_is_not_is_refused() {
    for command in ["serve", "migrate"] {
        for (program, setting) in [
            (
                Program::new(&[command]).env("LOG_FORMAT", "xml"),
                "LOG_FORMAT",
            ),
            (
                Program::new(&[command, "--log-format", "xml"]),
                "--log-format",
            ),
        ] {
            let output = program.output();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(
                error.contains(setting) && error.contains("pretty") && error.contains("json"),
                "{error}"
            );
        }
    }
}

/// Last words are an object too, whatever RUST_LOG says; so is what is wrong
/// with RUST_LOG.
#[test]
fn a_failed_start_is_logged_in_json() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("postgres://u:hunter2@{closed}/d");
    for (command, filter, unreadable) in [
        ("serve", "trace", 0),
        ("serve", "off", 0),
        ("migrate", "a[=b\n,info,]", 2),
    ] {
        let output = Program::new(&[command, "--log-format", "json"])
            .env("DATABASE_URL", &url)
            .env("RUST_LOG", filter)
            .output();
        assert_eq!(output.status.code(), Some(1));
        let events = objects(&String::from_utf8(output.stderr).unwrap());
        let last = events.last().unwrap();
        assert_eq!(last["level"], "ERROR");
        let message = last["message"].as_str().unwrap();
        assert!(message.starts_with("DATABASE_URL"), "{message}");
        let wrong = of_message(
            &events,
            "RUST_LOG: ignored a directive that cannot be parsed",
        );
        assert_eq!(wrong.len(), unreadable, "{events:?}");
    }
}
