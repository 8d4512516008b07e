//! Limits that keep a few clients from taking all resources.

mod connections;
mod load;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Request;
use prost::Message;
use rustix::process::Resource;
use tokio::net::TcpStream;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

pub use connections::stalled;

use crate::support::{
    Backend, Program,
    client::any_inbox as request,
    pb,
    program::{Server, eventually},
};

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

/// The metric of calls that were refused.
const REFUSED: &str = "leadchat_inbox_refused_total";

/// A request of this many bytes: a client newer than the server fills it up with
/// a field that this one does not know.
fn filled(size: usize) -> Vec<u8> {
    let mut bytes = request().encode_to_vec();
    // Its tag takes two bytes, its length three.
    let rest = size - bytes.len() - 5;
    prost::encoding::encode_key(1000, prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(rest as u64, &mut bytes);
    bytes.resize(size, b'x');
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_as_large_as_they_may_be() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).with_admin().start();
    let client = server.client().await;
    let send = async |size| {
        let request = tonic::Request::new(filled(size));
        client.raw::<pb::GetInboxResponse>(GET, request).await
    };
    assert_eq!(send(256 << 10).await.unwrap().message.inbox.unwrap().id, 1);
    for size in [(256 << 10) + 1, 1 << 20] {
        let status = send(size).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "REQUEST_TOO_LARGE", "{size}");
    }
    let too_large = [("reason", "too_large")];
    let both = |it| it >= 2.0;
    server.eventually_scraped(REFUSED, &too_large, both).await;
}

async fn health(address: &str) -> HealthClient<Channel> {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    HealthClient::new(channel.connect().await.unwrap())
}

/// The services that reflection names.
async fn reflected(address: &str) -> Vec<String> {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = ServerReflectionClient::new(channel.connect().await.unwrap());
    let answers = client.server_reflection_info(tokio_stream::once(request));
    let answer = answers.await.unwrap().into_inner().message().await.unwrap();
    match answer.unwrap().message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect(),
        _ => panic!("no list"),
    }
}

/// A request that has not arrived takes no permit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_senders_delay_no_other_call() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .arg("--max-concurrent-reads")
        .arg("1")
        .start();
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let (slow, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut slow = slow.ready().await.unwrap();
    let mut bodies = Vec::new();
    for _ in 0..20 {
        let request = Request::post(format!("http://{}{GET}", server.address))
            .header("content-type", "application/grpc")
            .body(());
        let (answer, mut body) = slow.send_request(request.unwrap(), false).unwrap();
        // The beginning of a message, too.
        body.send_data(vec![0, 0, 0].into(), false).unwrap();
        bodies.push((answer, body));
    }
    let client = server.client().await;
    for _ in 0..20 {
        assert!(client.get(request()).await.is_ok());
    }
    connection.abort();
}

/// Half of a handshake: the preface and empty settings.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// While the system gives no more files, no connection is accepted, and those that there
/// are are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_files_serves_those_it_has() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).with_admin().start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());

    let files = server.files();
    // The limit is one of numbers.
    let highest = || {
        let files = std::fs::read_dir(&files).unwrap();
        let numbers = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        numbers.map(|it| it.parse::<u64>().unwrap()).max().unwrap()
    };
    let limit_to = |current| {
        let mut limit = rustix::process::getrlimit(Resource::Nofile);
        limit.current = Some(current);
        rustix::process::prlimit(Some(server.pid()), Resource::Nofile, limit).unwrap();
    };
    let before = rustix::process::getrlimit(Resource::Nofile)
        .current
        .unwrap();
    let began = Instant::now();
    let most = highest() + 2;
    limit_to(most);
    let mut clients = Vec::new();
    for _ in 0..most + 8 {
        clients.push(TcpStream::connect(&server.address).await.unwrap());
    }
    eventually("cannot accept connections", || {
        server.log().contains("cannot accept connections")
    })
    .await;
    for _ in 0..10 {
        assert!(client.get(request()).await.is_ok());
    }
    limit_to(before);
    // It rests a second each time. There was no file for the port for operators before.
    let exhausted = began.elapsed();
    let failures = "leadchat_inbox_accept_failures_total";
    let failures = server.scrape().await.count(failures, &[]);
    assert!(
        (1..=exhausted.as_secs() + 2).contains(&failures),
        "{failures}"
    );
    assert!(server.client().await.get(request()).await.is_ok());
}

/// The soft limit of open files is raised to the hard one, and a hard one that is too low is
/// told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_open_files_is_raised() {
    let database = Backend::Sqlite.golden();
    for (hard, is_enough) in [(1000, false), (5000, true)] {
        let server = Program::serving(&database)
            .with_open_files(256, hard)
            .start();
        let limits = system_limit(&server, "Max open files");
        assert_eq!(limits, [hard.to_string(), hard.to_string()]);
        assert_eq!(!server.log().contains("too few open files"), is_enough);
        assert!(server.client().await.get(request()).await.is_ok());
    }
}

/// The soft and the hard limit that the system has for a server.
fn system_limit(server: &Server, name: &str) -> [String; 2] {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid().as_raw_pid()));
    let limits = limits.unwrap();
    let limit = limits.lines().find_map(|line| line.strip_prefix(name));
    let mut numbers = limit.unwrap().split_whitespace().map(str::to_owned);
    [numbers.next().unwrap(), numbers.next().unwrap()]
}

/// They would hold secrets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_core_file_is_written() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    assert_eq!(system_limit(&server, "Max core file size"), ["0", "0"]);
}
