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
    program::{Server, eventually},
    reason,
};

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

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
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let lock = database.lock_table("inboxes").await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.get(request()).await }
    });
    database.until_sessions_wait(1).await;
    server.signal("TERM");
    is_stopping(&server).await;
    assert!(!call.is_finished());
    lock.release().await;
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer.message.inbox.unwrap().id, 1);
    assert_eq!(server.wait(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_are_sent_whole_to_slow_readers() {
    let database = long_winded().await;
    let server = Program::serving(&database).start();
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
    let server = Program::serving(&database)
        .arg("--drain-timeout")
        .arg("1s")
        .start();
    let _slow = Slow::begin(&server, &[]).await;
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let took = began.elapsed();
    assert!((1..8).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_call_is_answered_shutting_down() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .env("DRAIN_TIMEOUT", "1500ms")
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

/// Without waiting for the ten seconds that there are by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_process() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .arg("--drain-wait")
        .arg("1m")
        .start();
    let connection = Plain::open(&server.address).await;
    let call = plain::request(&server.address, GET, &[]);
    let endless = connection.send(call, Body::Endless(vec![0, 0]));
    let began = Instant::now();
    let (reply, ()) = tokio::join!(endless, async {
        server.client().await.get(request()).await.unwrap();
        server.signal("TERM");
        is_stopping(&server).await;
        server.signal("INT");
    });
    assert_eq!(reason(&reply.unwrap().status()), "SHUTTING_DOWN");
    assert_eq!(server.wait(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8));
}

/// While a stop waits for load balancers to look elsewhere, calls are served on old and new
/// connections, and health says what is to come. A watch of the health is ended then, and
/// not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_may_be_delayed() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .arg("--drain-wait")
        .arg("5s")
        .start();
    let client = server.client().await;
    let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap();
    let mut health = HealthClient::new(channel.connect().await.unwrap());
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    let mut watched = async || {
        let message = watch.message().await.unwrap();
        message.map(|answer| answer.status().as_str_name())
    };
    assert_eq!(watched().await, Some("SERVING"));
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(watched().await, Some("NOT_SERVING"));
    let check = HealthCheckRequest::default();
    let checked = health.check(check).await.unwrap().into_inner();
    assert_eq!(checked.status().as_str_name(), "NOT_SERVING");
    assert!(client.get(request()).await.is_ok());
    assert!(server.client().await.get(request()).await.is_ok());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "slower than the wait"
    );
    assert_eq!(watched().await, None);
    assert_eq!(server.wait(), Some(0));
    let took = began.elapsed();
    assert!((5..14).contains(&took.as_secs()), "{took:?}");
}
