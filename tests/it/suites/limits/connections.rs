//! Limits of connections: how many, how old, how silent, and what stalled readers hold.

use std::time::{Duration, Instant};

use prost::Message;
use rustix::process::Resource;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;

use super::{GET, HELLO, health};
use crate::support::{
    Backend, Program,
    client::any_inbox as request,
    plain::{self, Body, Connection as Plain, framed},
    program::{Server, WAIT_TIMEOUT, eventually},
};

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
    assert_eq!(client.current_max_send_streams(), 100);
    connection.abort();
}

/// A peer that never speaks is disconnected after one time-out, one that falls silent after
/// another, and one that does not answer pings after a third. Each time-out ends its own
/// connections: the others are far longer here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_are_ended() {
    let database = Backend::Sqlite.golden();
    for (said, timeouts, least) in [
        (
            b"".as_slice(),
            ["1s", "1h", "1h", "1h"],
            Duration::from_millis(990),
        ),
        (HELLO, ["1h", "1s", "1h", "1h"], Duration::from_millis(990)),
        (
            HELLO,
            ["1h", "1h", "400ms", "600ms"],
            Duration::from_millis(990),
        ),
    ] {
        let [preface, idle, interval, ping] = timeouts;
        let server = Program::serving(&database)
            .args(["--preface-timeout", preface])
            .args(["--idle-timeout", idle])
            .args(["--keepalive-interval", interval])
            .args(["--keepalive-timeout", ping])
            .start();
        let began = Instant::now();
        let mut socket = TcpStream::connect(&server.address).await.unwrap();
        socket.write_all(said).await.unwrap();
        let mut received = Vec::new();
        let end = socket.read_to_end(&mut received);
        // Closed or reset; it was not left open.
        let end = tokio::time::timeout(WAIT_TIMEOUT, end).await;
        let _ = end.expect("the connection is still open");
        let took = began.elapsed();
        println!("a silent connection was ended after {took:?}, by {timeouts:?}");
        assert!(took >= least, "{took:?}");
    }
}

/// Pings keep a connection for longer than a peer may be silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_client_that_answers_pings_is_kept() {
    let database = Backend::Sqlite.golden();
    // A busy machine may not answer a ping within a second.
    for factor in [1, 4, 16] {
        let (idle, interval) = (format!("{factor}s"), format!("{}ms", 200 * factor));
        let server = Program::serving(&database)
            .args(["--idle-timeout", &idle, "--keepalive-interval", &interval])
            .args(["--keepalive-timeout", "1h"])
            .start();
        let idle = Plain::open(&server.address).await;
        let was_served = is_served(&server, &idle).await;
        tokio::time::sleep(Duration::from_millis(1500 * factor)).await;
        if was_served && is_served(&server, &idle).await {
            return;
        }
    }
    panic!("a connection that answers pings is ended");
}

/// On this very connection: it is not made anew, as a channel would.
async fn is_served(server: &Server, connection: &Plain) -> bool {
    let call = plain::request(&server.address, GET, &[]);
    let body = Body::Whole(framed(&request().encode_to_vec()));
    let reply = connection.send(call, body).await;
    reply.is_ok_and(|reply| reply.status().code() == Code::Ok)
}

/// Late data of streams that are closed is answered with resets, which a peer that reads
/// nothing does not take. HTTP/2 ends the connection after so many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_late_data_ends_the_connection() {
    const MAX_BYTES: usize = 24 << 20;
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let address = server.address.parse().unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let mut said = HELLO.to_vec();
    // A call without a path, on stream 2^30 + 1, so that those before it are closed.
    said.extend(b"\0\0\x02\x01\x04\x40\0\0\x01\x83\x86");
    socket.write_all(&said).await.unwrap();
    // Empty data of one such stream after the other.
    let frames = |first: u32| -> Vec<u8> {
        (first..first + 10_000)
            .flat_map(|number| {
                let [a, b, c, d] = (2 * number + 1).to_be_bytes();
                [0, 0, 0, 0, 0, a, b, c, d]
            })
            .collect()
    };
    let mut sent_bytes = 0;
    let end = async {
        for first in (0..).step_by(10_000) {
            let frames = frames(first);
            if sent_bytes >= MAX_BYTES || socket.write_all(&frames).await.is_err() {
                break;
            }
            sent_bytes += frames.len();
        }
    };
    let ended = tokio::time::timeout(WAIT_TIMEOUT, end).await;
    assert!(ended.is_ok(), "the connection is still open");
    assert!(sent_bytes < MAX_BYTES, "{sent_bytes}");
    let most_memory = server.most_memory();
    println!("a flood ended after {sent_bytes} bytes; the server had {most_memory} MB in all");
    assert!(most_memory < 200, "{most_memory} MB");
    assert!(server.client().await.get(request()).await.is_ok());
}

/// The kernel accepts for a server that has all the connections that it takes; that one is
/// served when another has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_more_than_the_limit_waits() {
    const MAX_CONNECTIONS: usize = 4096;
    let mut files = rustix::process::getrlimit(Resource::Nofile);
    files.current = files.maximum;
    rustix::process::setrlimit(Resource::Nofile, files).unwrap();
    let database = Backend::Sqlite.golden();
    // However long it takes to open them all, none ends by itself.
    let server = Program::serving(&database)
        .args(["--preface-timeout", "1h", "--idle-timeout", "1h"])
        .args(["--keepalive-interval", "1h"])
        .start();
    // Answered with settings once it is served.
    let open = async || {
        let mut socket = TcpStream::connect(&server.address).await.unwrap();
        socket.write_all(HELLO).await.unwrap();
        socket
    };
    let hears = async |socket: &mut TcpStream, within| {
        let mut frame = [0; 9];
        let read = tokio::time::timeout(within, socket.read_exact(&mut frame)).await;
        matches!(read, Ok(Ok(_)))
    };
    let mut sockets = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        sockets.push(open().await);
    }
    for socket in &mut sockets {
        assert!(hears(socket, WAIT_TIMEOUT).await);
    }
    let mut waiting = open().await;
    assert!(!hears(&mut waiting, Duration::from_millis(500)).await);
    drop(sockets.pop());
    assert!(hears(&mut waiting, WAIT_TIMEOUT).await);
}

/// An idle connection is told to go at its age; one with a call under way goes on, and is
/// ended at twice that age.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_connections_are_renewed() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .arg("--max-connection-age")
        .arg("2s")
        .start();
    let began = Instant::now();
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let (_client, connection) = h2::client::handshake(socket).await.unwrap();
    let mut watch = health(&server.address)
        .await
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(watch.message().await.unwrap().is_some());
    // Told to go, without an error.
    let ended = tokio::time::timeout(WAIT_TIMEOUT, connection);
    ended.await.unwrap().unwrap();
    let went = began.elapsed();
    assert!(went >= Duration::from_millis(1990), "{went:?}");
    // The stream goes on, but not for ever.
    let end = tokio::time::timeout(WAIT_TIMEOUT, watch.message());
    assert!(end.await.unwrap().is_err());
    let ended = began.elapsed();
    println!("a connection of 2 s was told to go after {went:?} and ended after {ended:?}");
    assert!(ended >= Duration::from_millis(3990), "{ended:?}");
}

/// Readers that answer pings and open no window hold their answers: at most one for each
/// stream, and until the connection is ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_readers_hold_no_more_than_their_answers() {
    const ANSWER_BYTES: usize = 250_000;
    const STREAMS: usize = 100;
    let database = Backend::Sqlite.golden();
    let long = format!(
        "UPDATE inboxes SET greeting_message = printf('%.*c', {ANSWER_BYTES}, 'x') WHERE id = 1"
    );
    database.execute(&long).await;
    let server = Program::serving(&database)
        .env("RUST_LOG", "info")
        .args(["--max-queue-timeout", "1h"])
        .start();
    for _ in 0..5 {
        server.client().await.get(request()).await.unwrap();
    }
    let before = server.memory();
    let most = u64::try_from(2 * STREAMS * ANSWER_BYTES).unwrap() >> 20;
    // The resources of the first calls are free for later ones: what is kept for good adds
    // up. When an allocator gives memory back to the system is its own affair, so that the
    // least of many rounds counts.
    let mut least = u64::MAX;
    for round in 1..=10 {
        let sockets = server.sockets();
        let mut held = Vec::new();
        for _ in 0..2 {
            let (stalled, answers) = stalled(&server, STREAMS).await;
            for answer in answers {
                // Its head has come, and none of its body.
                held.push((answer.await.unwrap(), stalled.clone()));
            }
        }
        let more = server.memory() - before;
        println!("round {round}: 200 stalled readers of 250 kB hold {more} MB, beside {before} MB");
        assert!(more >= most / 2, "{more} MB");
        if round > 1 {
            least = least.min(more);
        }
        for (_, stalled) in held {
            stalled.connection.abort();
        }
        eventually("the connections are closed", || server.sockets() <= sockets).await;
    }
    assert!(least < most * 5 / 4 + 24, "{least} MB");
    assert!(server.client().await.get(request()).await.is_ok());
}

/// Whatever of its answer is still to be taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_is_ended_at_twice_the_age() {
    let database = Backend::Sqlite.golden();
    let long = "UPDATE inboxes SET greeting_message = printf('%.*c', 250000, 'x') WHERE id = 1";
    database.execute(long).await;
    let server = Program::serving(&database)
        .args(["--max-connection-age", "2s"])
        .start();
    let began = Instant::now();
    let (_stalled, answers) = stalled(&server, 1).await;
    for answer in answers {
        let mut answer = answer.await.unwrap();
        let data = tokio::time::timeout(WAIT_TIMEOUT, answer.body_mut().data());
        assert!(!matches!(data.await.unwrap(), Some(Ok(_))));
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(3990), "{took:?}");
    assert!(server.client().await.get(request()).await.is_ok());
}

/// A connection that answers pings and takes nothing of its answers.
#[derive(Clone)]
pub struct Stalled {
    connection: tokio::task::AbortHandle,
    _client: h2::client::SendRequest<prost::bytes::Bytes>,
}

/// So many calls on a connection of their own, whose answers have no window.
pub async fn stalled(
    server: &Server,
    streams: usize,
) -> (Stalled, Vec<h2::client::ResponseFuture>) {
    let socket = TcpStream::connect(&server.address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let (client, connection) = builder.handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection).abort_handle();
    let mut client = client.ready().await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..streams {
        let head = plain::request(&server.address, GET, &[]);
        client = client.ready().await.unwrap();
        let (answer, mut body) = client.send_request(head, false).unwrap();
        let message = framed(&request().encode_to_vec());
        body.send_data(message.into(), true).unwrap();
        answers.push(answer);
    }
    let stalled = Stalled {
        connection,
        _client: client,
    };
    (stalled, answers)
}
