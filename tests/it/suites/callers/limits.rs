//! Strangers: what they can hold, and for how long.

use std::time::{Duration, Instant};

use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Request;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{
    certificates::{callers, outcome},
    network::{DASHBOARD, Network, uri},
};
use crate::support::{
    Backend, Program,
    program::{WAIT_TIMEOUT, eventually},
    reason,
};

/// Silent, plain and refused handshakes end, and known callers are served meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_fail_hold_nothing() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let program = Program::caching(&database).args(["--preface-timeout", "1s"]);
    let program = program.with_admin();
    let server = network.program_with(program, &callers()).start();
    let address = server.address.trim_start_matches("tls:").to_owned();
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let client = network.client(&server, Some(&certificate));
    assert_eq!(outcome(&client).await, "is dashboard");
    let before = server.sockets();

    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    let mut plain = TcpStream::connect(&address).await.unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let foreign = network.office.certificate_with("them", &uri(DASHBOARD));
    for _ in 0..20 {
        let stranger = network.client(&server, Some(&foreign));
        assert_eq!(outcome(&stranger).await, "UnknownCA");
    }
    assert_eq!(outcome(&client).await, "is dashboard");
    let mut rest = Vec::new();
    for mut connection in silent {
        let end = tokio::time::timeout(WAIT_TIMEOUT, connection.read_to_end(&mut rest));
        // Closed or reset; it was not left open.
        let _ = end.await.expect("the connection is still open");
    }
    assert!(began.elapsed() >= Duration::from_millis(990));
    drop(plain);
    eventually("they are closed", || server.sockets() <= before).await;
    assert!(server.log().contains("a handshake failed"));
    for (result, least) in [("done", 1.0), ("timed_out", 50.0), ("refused", 21.0)] {
        let labels = [("result", result)];
        server
            .eventually_scraped("leadchat_inbox_handshakes_total", &labels, |it| it >= least)
            .await;
    }
}

/// Streams of health that strangers hold open are limited, and known callers have their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_streams_are_limited() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = network.server(&database, &callers());
    let tls = network.tls(None);
    let mut held = Vec::new();
    let mut refused = None;
    // A connection has a hundred at most.
    'connections: for _ in 0..12 {
        let mut health = HealthClient::new(tls.channel(&server.address));
        for _ in 0..100 {
            match health.watch(HealthCheckRequest::default()).await {
                Ok(stream) => held.push(stream),
                Err(status) => {
                    refused = Some(status);
                    break 'connections;
                }
            }
        }
    }
    assert_eq!(held.len(), 1000);
    assert_eq!(reason(&refused.unwrap()), "OVERLOADED");
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let client = network.client(&server, Some(&certificate));
    assert_eq!(outcome(&client).await, "is dashboard");
    // Nor do probes depend on them.
    let check = Request::new(HealthCheckRequest::default().encode_to_vec());
    let path = "/grpc.health.v1.Health/Check";
    let answer = client.raw::<tonic_health::pb::HealthCheckResponse>(path, check);
    assert_eq!(answer.await.unwrap().message.status, 1);
    // Those that end make room.
    held.truncate(900);
    let mut health = HealthClient::new(tls.channel(&server.address));
    let end = Instant::now() + WAIT_TIMEOUT;
    while health.watch(HealthCheckRequest::default()).await.is_err() {
        assert!(Instant::now() < end);
    }
}
