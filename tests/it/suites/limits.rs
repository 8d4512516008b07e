//! What keeps a few callers from taking all there is.

use std::time::{Duration, Instant};

use http::Request;
use prost::Message;
use rustix::process::Resource;
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime::Handle,
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use leadchat_inbox::{
    demo::Demo,
    directory::StoreDirectory,
    domain::access::Role,
    grpc::{self, EtagKey, Limits, Listener},
    identity::Caller,
    leadchat::Keys,
    store::{DatabaseSettings, Store},
};

use crate::support::{
    Backend, Database, Program, client::any_inbox as request, pb, program::eventually,
};

on_both_databases!(
    requests_are_as_large_as_they_may_be,
    slow_senders_keep_nobody_waiting,
    a_burst_is_served,
);

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

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

async fn requests_are_as_large_as_they_may_be(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
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

/// Headers alone do not take a turn from those who are ready to be answered.
async fn slow_senders_keep_nobody_waiting(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database)
        .arg("--max-concurrent-calls")
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

/// Whoever is sent away has a line of its own, or is counted in one, at the latest
/// when the server stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_are_sent_away_are_in_the_log() {
    let database = Backend::Postgres.golden();
    let mut locking = PgConnection::connect(&database.url()).await.unwrap();
    let server = Program::serving(&database)
        .arg("--max-concurrent-calls")
        .arg("1")
        .start();
    let client = server.client().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE inboxes")
        .execute(&mut locking)
        .await
        .unwrap();
    let ask = || {
        let client = client.clone();
        tokio::spawn(async move { client.get(request()).await.map(drop) })
    };
    // They go on coming for longer than makes an overload.
    let mut calls = Vec::new();
    for _ in 0..40 {
        calls.extend((0..5).map(|_| ask()));
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let mut sent_away = 0;
    for call in calls {
        let refused = call.await.unwrap().unwrap_err();
        sent_away += usize::from(refused.code() == Code::ResourceExhausted);
    }
    assert!(sent_away >= 50, "{sent_away}");
    server.signal("TERM");
    let counts = regex::Regex::new("sent away at once.* calls=([0-9]+)").unwrap();
    eventually("all are told", || {
        let log = server.log();
        let alone = log.matches("RESOURCE_EXHAUSTED").count();
        let counts = counts.captures_iter(&log);
        let counted: usize = counts.map(|found| found[1].parse::<usize>().unwrap()).sum();
        counted > 0 && alone + counted == sent_away
    })
    .await;
}

async fn a_burst_is_served(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database)
        .arg("--max-concurrent-calls")
        .arg("2")
        .start();
    let client = server.client().await;
    let calls = (0..6).map(|_| client.get(request()));
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
}

/// A load balancer goes on seeing a server that is busy as one that is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_reflection_need_no_turn() {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database)
        .arg("--max-concurrent-calls")
        .arg("1")
        .start();
    let client = server.client().await;
    let mut health = health(&server.address).await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let mut lock = connection.begin().await.unwrap();
    let take = "LOCK TABLE inboxes IN ACCESS EXCLUSIVE MODE";
    sqlx::query(take).execute(&mut *lock).await.unwrap();

    // The one turn is taken for as long as the database waits for the lock.
    let mut checks = 0;
    for _ in 0..2 {
        let calls = futures_util::future::join_all((0..10).map(|_| client.get(request())));
        tokio::pin!(calls);
        let answers = loop {
            tokio::select! {
                answers = &mut calls => break answers,
                checked = health.check(HealthCheckRequest { service: String::new() }) => {
                    assert_eq!(checked.unwrap().into_inner().status().as_str_name(), "SERVING");
                    let services = reflected(&server.address).await;
                    assert!(services.iter().any(|it| it == "leadchat.inbox.v1.InboxService"));
                    checks += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let mut reasons: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.unwrap_err().get_details_error_info().unwrap().reason)
            .collect();
        reasons.sort();
        reasons.dedup();
        assert_eq!(reasons, ["OVERLOADED", "STORE_UNAVAILABLE"]);
    }
    assert!(checks > 20, "{checks}");
    lock.rollback().await.unwrap();
    assert!(client.get(request()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_so_many_streams() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let (client, mut connection) = h2::client::handshake(socket).await.unwrap();
    let ping = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    // Whatever was said before the ping has arrived when it is answered.
    let mut ping = ping;
    ping.ping(h2::Ping::opaque()).await.unwrap();
    let client = client.ready().await.unwrap();
    assert_eq!(client.current_max_send_streams(), 256);
    connection.abort();
}

/// Who never says a word, and who says no more, is let go; who is there may be
/// idle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_are_ended() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let idle = server.client().await;
    assert!(idle.get(request()).await.is_ok());

    let ended = async |said: &'static [u8]| {
        let began = Instant::now();
        let mut socket = TcpStream::connect(&server.address).await.unwrap();
        socket.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        let end = socket.read_to_end(&mut heard);
        let end = tokio::time::timeout(Duration::from_mins(1), end).await;
        // Closed or reset; it was not left open.
        let _ = end.expect("the connection is still open");
        began.elapsed()
    };
    let (mute, gone) = tokio::join!(
        ended(b""),
        // Its half of a handshake: the preface and empty settings.
        ended(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    );
    println!("silent connections were ended after {mute:?} and {gone:?}");
    for took in [mute, gone] {
        assert!(took > Duration::from_secs(25), "{took:?}");
    }
    assert!(idle.get(request()).await.is_ok());
}

/// A caller that talks without end and reads nothing is not heard for long, costs little, and
/// is let go. What it says here has to be answered, each nine bytes with thirteen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_nothing_is_not_heard() {
    const MOST: usize = 24 << 20;
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let address = server.address.parse().unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // A call without a path, on stream 2^30 + 1, so that those before it are closed.
    said.extend(b"\0\0\x02\x01\x04\x40\0\0\x01\x83\x86");
    socket.write_all(&said).await.unwrap();
    // Empty data of one such stream after the other.
    let talk = |first: u32| -> Vec<u8> {
        (first..first + 10_000)
            .flat_map(|number| {
                let [a, b, c, d] = (2 * number + 1).to_be_bytes();
                [0, 0, 0, 0, 0, a, b, c, d]
            })
            .collect()
    };
    let mut heard = 0;
    let began = Instant::now();
    let end = async {
        for first in (0..).step_by(10_000) {
            let said = talk(first);
            if heard >= MOST || socket.write_all(&said).await.is_err() {
                break;
            }
            heard += said.len();
        }
    };
    let ended = tokio::time::timeout(Duration::from_mins(1), end).await;
    println!(
        "who takes nothing was let go after {heard} bytes, {:?}",
        began.elapsed()
    );
    assert!(ended.is_ok(), "the connection is still open");
    assert!(heard < MOST);
    let most_memory = server.most_memory();
    println!("for which the server had {most_memory} MB in all");
    assert!(most_memory < 400, "{most_memory} MB");
    assert!(began.elapsed() > Duration::from_secs(25));
    assert!(server.client().await.get(request()).await.is_ok());
}

/// When the system gives no more files, nobody is let in until it does, and who is in
/// is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_files_serves_those_it_has() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());

    let files = format!("/proc/{}/fd", server.pid().as_raw_pid());
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
    let mut crowd = Vec::new();
    for _ in 0..most + 8 {
        crowd.push(TcpStream::connect(&server.address).await.unwrap());
    }
    eventually("nobody can connect", || {
        server.log().contains("nobody can connect")
    })
    .await;
    for _ in 0..10 {
        assert!(client.get(request()).await.is_ok());
    }
    // It rests a second each time.
    let said = server.log().matches("nobody can connect").count() as u64;
    assert!(said <= began.elapsed().as_secs() + 2, "{said}");

    limit_to(before);
    assert!(server.client().await.get(request()).await.is_ok());
}

/// An idle connection does not stay for ever; one with a call under way does for longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_connections_are_renewed() {
    let database = Backend::Sqlite.golden();
    let Database::Sqlite { folder } = &database else {
        unreachable!()
    };
    let file = DatabaseSettings::Sqlite(folder.path().join("store.db"));
    let store = Store::open(&file, None, Demo::installation(), Keys::default())
        .await
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (_tell, told) = tokio::sync::mpsc::channel(1);
    let limits = Limits {
        connection_age: Duration::from_millis(300),
        connection_grace: Duration::from_secs(8),
        ..Limits::new(4)
    };
    let serving = tokio::spawn(grpc::serve(
        Listener::Tcp(listener),
        StoreDirectory::new(store, Handle::current()),
        Caller::local(Role::Agent),
        EtagKey::random([7; 32]),
        || Some(7),
        limits,
        told,
    ));

    let socket = TcpStream::connect(&address).await.unwrap();
    let (_client, connection) = h2::client::handshake(socket).await.unwrap();
    let busy = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut watch = HealthClient::new(busy.connect().await.unwrap())
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(watch.message().await.unwrap().is_some());
    // Told to go, without an error.
    let ended = tokio::time::timeout(Duration::from_secs(20), connection);
    ended.await.unwrap().unwrap();
    let more = tokio::time::timeout(Duration::from_secs(1), watch.message());
    assert!(more.await.is_err(), "the watch goes on");
    // But not for ever.
    let end = tokio::time::timeout(Duration::from_secs(20), watch.message());
    assert!(end.await.unwrap().is_err());
    serving.abort();
}
