//! Calls that are odd or hostile in all but what they ask for: their metadata,
//! framing and encoding.
//!
//! Each is served, answered in our words, or refused as HTTP/2 refuses. Another
//! call under way on the same connection goes on, and so does the server. None of it
//! depends on the database.

mod bodies;
mod frames;
mod noise;

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use prost::Message;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    Backend, Program, get_as_user,
    log::complaints,
    plain::{self, Body, Connection, Reply, framed},
    program::Server,
};

const METHOD: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

/// The expected result of a call.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Served,
    /// Answered with an error of ours, which is this reason.
    Answered(&'static str),
    /// The same, and told how messages may be encoded instead.
    Encoded,
    /// The same, and with a status of HTTP that says so to whoever does not
    /// speak gRPC.
    Foreign(u16),
    /// HTTP/2 resets the stream.
    Reset,
    /// HTTP/2 refuses it with this status.
    Refused(u16),
}

/// A good call, made odd.
struct Call {
    what: String,
    request: Request<()>,
    body: Body,
}

fn good() -> Vec<u8> {
    let request = get_as_user(1, 1, 1);
    framed(&request.encode_to_vec())
}

/// A call with more metadata.
fn with<V: AsRef<[u8]>>(headers: &[(&str, V)]) -> Call {
    let mut request = plain::request("server.test", METHOD, &[]);
    let mut what = Vec::new();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        what.push(format!("{name}: {value:?}"));
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, value);
    }
    Call {
        what: what.join(", ").chars().take(200).collect(),
        request,
        body: Body::Whole(good()),
    }
}

/// A call with another body.
fn sending(what: &str, body: Vec<u8>) -> Call {
    Call {
        what: what.to_owned(),
        body: Body::Whole(body),
        ..with::<&str>(&[])
    }
}

impl Call {
    fn without(mut self, header: &str) -> Self {
        let what = format!("without {header}, {}", self.what);
        self.request.headers_mut().remove(header).unwrap();
        Self { what, ..self }
    }

    fn by(mut self, method: Method) -> Self {
        let what = format!("{method}, {}", self.what);
        *self.request.method_mut() = method;
        Self { what, ..self }
    }
}

/// Sends each, while another call is under way on the same connection.
async fn assert_fates(calls: Vec<(Call, Fate)>) {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    for (call, fate) in calls {
        let Call {
            what,
            request,
            body,
        } = call;
        let connection = Connection::open(&server.address).await;
        let other = with::<&str>(&[]).request;
        let (mut stream, answer) = connection.begin(other, false).await.unwrap();
        let (begun, rest) = (good()[..7].to_vec(), good()[7..].to_vec());
        stream.send_data(begun.into(), false).unwrap();

        match (connection.send(request, body).await, fate) {
            (Err(refused), Fate::Reset) => assert!(refused.is_reset(), "{what}: {refused}"),
            (Ok(reply), Fate::Refused(status)) => assert_eq!(reply.http, status, "{what}"),
            (Ok(reply), fate) => assert_fate(&what, &reply, fate),
            (Err(refused), fate) => panic!("{what}: {refused}, not {fate:?}"),
        }

        stream.send_data(rest.into(), true).unwrap();
        let other = plain::reply(answer).await.unwrap();
        assert_eq!(other.status().code(), Code::Ok, "while another: {what}");
        assert_serves(&connection, &what).await;
    }
    assert_unharmed(&server).await;
}

fn assert_fate(what: &str, reply: &Reply, fate: Fate) {
    let status = reply.status();
    // Whatever it is, it can be found in the log.
    assert!(reply.headers.contains_key("x-request-id"), "{what}");
    let (http, reason) = match fate {
        Fate::Served => {
            assert_eq!(status.code(), Code::Ok, "{what}: {status:?}");
            return;
        }
        Fate::Answered(reason) => (200, reason),
        Fate::Encoded => {
            assert_eq!(reply.headers["grpc-accept-encoding"], "identity", "{what}");
            (200, "COMPRESSION_NOT_SUPPORTED")
        }
        Fate::Foreign(http) => (http, "UNKNOWN_METHOD"),
        Fate::Reset | Fate::Refused(_) => panic!("{what}: {status:?}, not {fate:?}"),
    };
    assert_eq!(reply.http, http, "{what}");
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("{what}: {status:?}"));
    assert_eq!(
        (info.domain.as_str(), info.reason.as_str()),
        ("inbox.leadchat", reason),
        "{what}"
    );
    assert_ne!(status.code(), Code::Internal, "{what}");
}

async fn assert_serves(connection: &Connection, after: &str) {
    let call = with::<&str>(&[]);
    let reply = connection.send(call.request, call.body).await;
    let reply = reply.unwrap_or_else(|error| panic!("after {after}: {error}"));
    assert_eq!(reply.status().code(), Code::Ok, "after {after}");
}

/// It serves whoever comes, and has nothing to complain of.
async fn assert_unharmed(server: &Server) {
    assert_serves(&Connection::open(&server.address).await, "all of it").await;
    let log = server.log();
    assert_eq!(complaints(&log), [""; 0]);
    assert!(!log.contains("code=INTERNAL"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_metadata_is_served_or_refused() {
    use Fate::{Answered, Reset, Served};

    let longest = "a".repeat(10_000);
    let calls = vec![
        (
            with(&[("x-request-id", "a"), ("x-request-id", "b")]),
            Served,
        ),
        (with(&[("x-request-id", "")]), Served),
        (with(&[("x-request-id", "a\tb")]), Served),
        (with(&[("x-request-id", b"\xff\xfe")]), Served),
        (with(&[("x-request-id", longest.as_str())]), Served),
        (with(&[("x-request-id-bin", "====")]), Served),
        (
            with(&[("x-bin", "!!!"), ("x-bin", "A"), ("x-bin", "")]),
            Served,
        ),
        (with(&[("grpc-trace-bin", b"\xf0\x28\x8c\xbc")]), Served),
        (with(&[("grpc-tags-bin", "\u{fffd}")]), Served),
        // Headers that only a response has.
        (
            with(&[
                ("grpc-status", "13"),
                ("grpc-message", "%"),
                ("grpc-status-details-bin", "!"),
            ]),
            Served,
        ),
        (with(&[("grpc-accept-encoding", "gzip,,\u{fffd}")]), Served),
        // A deadline that cannot be read is none; of several, the first counts.
        (with(&[("grpc-timeout", "")]), Served),
        (with(&[("grpc-timeout", "S")]), Served),
        (with(&[("grpc-timeout", "-1S")]), Served),
        (with(&[("grpc-timeout", "1.5S")]), Served),
        (with(&[("grpc-timeout", "99999999999S")]), Served),
        (with(&[("grpc-timeout", "99999999H")]), Served),
        (with(&[("grpc-timeout", b"1\xc3")]), Served),
        (
            with(&[("grpc-timeout", "10S"), ("grpc-timeout", "0S")]),
            Served,
        ),
        (
            with(&[("grpc-timeout", "0S"), ("grpc-timeout", "10S")]),
            Answered("DEADLINE_EXCEEDED"),
        ),
        (
            with(&[("grpc-timeout", "x"), ("grpc-timeout", "0S")]),
            Served,
        ),
        // As with tonic's own servers, there may be a plus in front.
        (
            with(&[("grpc-timeout", "+0S")]),
            Answered("DEADLINE_EXCEEDED"),
        ),
        (with(&[("grpc-timeout", "+20S")]), Served),
        // No proxy has to be warned that there are trailers.
        (with::<&str>(&[]).without("te"), Served),
        (with(&[("content-length", "5")]), Reset),
        (
            with(&[("content-length", "5"), ("content-length", "6")]),
            Reset,
        ),
        (with(&[("content-length", "a")]), Reset),
    ];
    assert_fates(calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_no_calls_are_refused() {
    use Fate::{Answered, Foreign, Served};

    let typed = |content_type: &str| {
        let mut call = with::<&str>(&[]).without("content-type");
        let value = HeaderValue::from_str(content_type).unwrap();
        call.request.headers_mut().insert("content-type", value);
        Call {
            what: content_type.to_owned(),
            ..call
        }
    };
    let json = Call {
        body: Body::Whole(framed(br#"{"accountId": "1"}"#)),
        ..typed("application/grpc+json")
    };
    let nothing = |call| Call {
        body: Body::Nothing,
        ..call
    };
    let calls = vec![
        (typed("application/grpc+proto"), Served),
        (typed("application/grpc;charset=utf-8"), Served),
        (typed("Application/gRPC"), Served),
        // Messages are protobuf, whatever they are called.
        (typed("application/grpc+json"), Served),
        (json, Answered("UNDECODABLE_REQUEST")),
        (typed("application/json"), Foreign(415)),
        (typed("application/grpc-web+proto"), Foreign(415)),
        (typed("application/grp"), Foreign(415)),
        (typed(""), Foreign(415)),
        (with::<&str>(&[]).without("content-type"), Foreign(415)),
        (with(&[("content-type", "text/html")]), Foreign(415)),
        (with(&[("content-type", "application/grpc")]), Foreign(415)),
        (with::<&str>(&[]).by(Method::GET), Foreign(405)),
        (nothing(with::<&str>(&[]).by(Method::GET)), Foreign(405)),
        (nothing(with::<&str>(&[]).by(Method::HEAD)), Foreign(405)),
        (nothing(with::<&str>(&[]).by(Method::OPTIONS)), Foreign(405)),
        (nothing(with::<&str>(&[]).by(Method::TRACE)), Foreign(405)),
        (with::<&str>(&[]).by(Method::PUT), Foreign(405)),
        (
            with::<&str>(&[]).by(Method::from_bytes(b"post").unwrap()),
            Foreign(405),
        ),
    ];
    assert_fates(calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_headers_are_refused() {
    let headers = |count: usize, length: usize| {
        let names: Vec<_> = (0..count).map(|index| format!("x-{index}")).collect();
        let value = "v".repeat(length);
        let headers: Vec<_> = names.iter().map(|name| (name.as_str(), &value)).collect();
        let what = format!("{count} headers of {length}");
        Call {
            what,
            ..with(&headers)
        }
    };
    let calls = vec![
        (headers(1, 15_000), Fate::Served),
        (headers(300, 5), Fate::Served),
        (headers(1, 17_000), Fate::Served),
        (headers(1, 60_000), Fate::Served),
        (headers(500, 5), Fate::Served),
        (headers(1, 70_000), Fate::Refused(431)),
        (headers(2000, 5), Fate::Refused(431)),
    ];
    assert_fates(calls).await;

    // So many are an attack, which may cost the connection it comes by.
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let connection = Connection::open(&server.address).await;
    for call in [headers(1000, 100), headers(10_000, 100)] {
        let attack = Connection::open(&server.address).await;
        match attack.send(call.request, call.body).await {
            Ok(reply) => assert_eq!(reply.http, 431, "{}", call.what),
            // The connection may be closed while the headers are still being written.
            Err(refused) => assert!(
                refused.is_go_away() || refused.is_reset() || refused.is_io(),
                "{refused}"
            ),
        }
        assert_serves(&connection, &call.what).await;
    }
    assert_unharmed(&server).await;
}
