//! A stop lets calls end, whole answers included, within a time.

use std::time::{Duration, Instant};

use http::HeaderMap;
use prost::Message;
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::support::{
    Backend, Client, Database, Program,
    client::any_inbox as request,
    plain::{self, Body, Connection as Plain, framed},
    program::{Server, WAIT_TIMEOUT, eventually},
    reason,
};

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

/// However slow the machine is, the last answers leave.
const FLUSHED: [&str; 2] = ["--flush-timeout", "1h"];

/// In the greeting of inbox 1: far more than HTTP/2 sends to who does not read.
const LENGTH: usize = 2_000_000;

async fn long_winded() -> Database {
    let database = Backend::Sqlite.golden();
    let greeting = format!("printf('%.*c', {LENGTH}, 'x')");
    let long = format!("UPDATE inboxes SET greeting_message = {greeting} WHERE id = 1");
    database.execute(&long).await;
    database
}

/// An answer of which only the head has been taken.
struct Slow {
    _connection: Plain,
    incoming: h2::RecvStream,
}

impl Slow {
    async fn begin(server: &Server, headers: &[(&str, &str)]) -> Self {
        let connection = Plain::open(&server.address).await;
        let request_ = plain::request(&server.address, GET, headers);
        let (mut stream, answer) = connection.begin(request_, false).await.unwrap();
        let body = framed(&request().encode_to_vec());
        stream.send_data(body.into(), true).unwrap();
        let answer = answer.await.unwrap();
        assert!(!answer.headers().contains_key("grpc-status"));
        Self {
            _connection: connection,
            incoming: answer.into_body(),
        }
    }

    /// Takes the rest: its length, and how the call ended.
    async fn taken(mut self) -> (usize, Status) {
        let mut length = 0;
        while let Some(data) = self.incoming.data().await {
            let data = data.unwrap();
            length += data.len();
            let mut control = self.incoming.flow_control().clone();
            control.release_capacity(data.len()).unwrap();
        }
        let trailers: Option<HeaderMap> = self.incoming.trailers().await.unwrap();
        let status = Status::from_header_map(&trailers.expect("trailers"));
        (length, status.expect("a status"))
    }
}

async fn is_stopping(server: &Server) {
    eventually("the server shuts down", || {
        server.log().contains("shutting down")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_flight_is_answered() {
    let database = Backend::Postgres.golden();
    // On a slow machine, the read may give up its lock before the stop is seen.
    for attempt in 1.. {
        assert!(attempt < 20, "the read never outlasted the stop");
        let server = Program::serving(&database)
            .args(["--drain-timeout", "1h"])
            .start();
        let client = server.client().await;
        let lock = database.lock_table("inboxes").await;
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.get(request()).await }
        });
        let waiting = async || database.sessions("wait_event_type = 'Lock'").await;
        while waiting().await == 0 && !call.is_finished() {}
        server.signal("TERM");
        is_stopping(&server).await;
        let is_in_flight = !call.is_finished();
        lock.release().await;
        let answer = call.await.unwrap();
        assert_eq!(server.wait(), Some(0));
        match answer {
            Ok(answer) => {
                assert!(is_in_flight);
                assert_eq!(answer.message.inbox.unwrap().id, 1);
                return;
            }
            Err(status) => assert_eq!(reason(&status), "STORE_UNAVAILABLE"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_are_sent_whole_to_slow_readers() {
    let database = long_winded().await;
    let server = Program::serving(&database)
        .args(["--drain-timeout", "1h"])
        .start();
    let slow = Slow::begin(&server, &[]).await;
    server.signal("TERM");
    is_stopping(&server).await;
    // Longer than a stop waits for what it takes to have left already.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let (length, status) = slow.taken().await;
    assert_eq!(status.code(), Code::Ok, "{status:?}");
    assert!(length > LENGTH);
    assert_eq!(server.wait(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_delays_a_shutdown_until_its_timeout() {
    let database = long_winded().await;
    // Neither silence nor its age ends the connection before.
    let server = Program::serving(&database)
        .args(["--drain-timeout", "1s"])
        .args(["--idle-timeout", "1h", "--write-timeout", "1h"])
        .start();
    let _slow = Slow::begin(&server, &[]).await;
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(990), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_call_is_answered_shutting_down() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .env("DRAIN_TIMEOUT", "1500ms")
        .args(FLUSHED)
        .start();
    let connection = Plain::open(&server.address).await;
    let call = plain::request(&server.address, GET, &[]);
    let endless = connection.send(call, Body::Endless(vec![0, 0]));
    let began = Instant::now();
    let (reply, ()) = tokio::join!(endless, async {
        // Its head has arrived when the answer to a later call has.
        let client: Client = server.client().await;
        client.get(request()).await.unwrap();
        server.signal("TERM");
    });
    let status = reply.unwrap().status();
    assert_eq!(reason(&status), "SHUTTING_DOWN");
    assert!(status.get_details_retry_info().is_some());
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    assert_eq!(server.wait(), Some(0));
}

/// The numbers can be asked for while an answer has not left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_a_stop_cuts_off_are_counted() {
    let database = long_winded().await;
    let server = Program::serving(&database)
        .with_admin()
        .args(["--drain-timeout", "500ms"])
        .args(["--idle-timeout", "1h", "--write-timeout", "1h"])
        .args(FLUSHED)
        .start();
    let slow = Slow::begin(&server, &[]).await;
    let connection = Plain::open(&server.address).await;
    let call = plain::request(&server.address, GET, &[]);
    let endless = connection.send(call, Body::Endless(vec![0, 0]));
    let (reply, ()) = tokio::join!(endless, async {
        server.client().await.get(request()).await.unwrap();
        server.signal("TERM");
    });
    assert_eq!(reason(&reply.unwrap().status()), "SHUTTING_DOWN");
    let (refused, stopped) = ("leadchat_inbox_refused_total", ("reason", "shutting_down"));
    server
        .eventually_scraped(refused, &[stopped], |it| it >= 1.0)
        .await;
    drop(slow);
    assert_eq!(server.wait(), Some(0));
}

/// Without waiting for the hour that was set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_process() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .args(["--drain-wait", "1h", "--drain-timeout", "1h"])
        .args(FLUSHED)
        .start();
    let connection = Plain::open(&server.address).await;
    let call = plain::request(&server.address, GET, &[]);
    let endless = connection.send(call, Body::Endless(vec![0, 0]));
    let (reply, ()) = tokio::join!(endless, async {
        server.client().await.get(request()).await.unwrap();
        server.signal("TERM");
        is_stopping(&server).await;
        server.signal("INT");
    });
    assert_eq!(reason(&reply.unwrap().status()), "SHUTTING_DOWN");
    assert_eq!(server.wait(), Some(0));
}

async fn health(server: &Server) -> HealthClient<Channel> {
    let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap();
    HealthClient::new(channel.connect().await.unwrap())
}

/// While a stop waits for load balancers to look elsewhere, calls are served on old and new
/// connections, and health says what is to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_may_be_delayed() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .args(["--drain-wait", "1h"])
        .start();
    let client = server.client().await;
    let mut health = health(&server).await;
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    let mut watched = async || {
        let message = watch.message().await.unwrap();
        message.map(|answer| answer.status().as_str_name())
    };
    assert_eq!(watched().await, Some("SERVING"));
    server.signal("TERM");
    assert_eq!(watched().await, Some("NOT_SERVING"));
    let check = HealthCheckRequest::default();
    let checked = health.check(check).await.unwrap().into_inner();
    assert_eq!(checked.status().as_str_name(), "NOT_SERVING");
    assert!(client.get(request()).await.is_ok());
    assert!(server.client().await.get(request()).await.is_ok());
}

/// A watch of the health is ended when the wait is over, and not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_watches_after_its_wait() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .args(["--drain-wait", "2s", "--drain-timeout", "1h"])
        .start();
    let mut health = health(&server).await;
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    assert!(watch.message().await.unwrap().is_some());
    let began = Instant::now();
    server.signal("TERM");
    while watch.message().await.unwrap().is_some() {}
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1990), "{took:?}");
    assert_eq!(server.wait(), Some(0));
}

/// systemd learns when the service is ready, and when it stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_and_stop_are_reported_to_systemd() {
    let database = Backend::Sqlite.golden();
    let program = Program::serving(&database);
    let path = program.folder().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let server = program.env("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    for (signal, expected) in [(None, "READY=1"), (Some("TERM"), "STOPPING=1")] {
        if let Some(signal) = signal {
            server.signal(signal);
        }
        let mut report = [0; 64];
        let received = tokio::time::timeout(WAIT_TIMEOUT, socket.recv(&mut report));
        let length = received.await.expect(expected).unwrap();
        assert_eq!(String::from_utf8_lossy(&report[..length]).trim(), expected);
    }
    assert_eq!(server.wait(), Some(0));
}
