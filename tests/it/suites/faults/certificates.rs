//! A certificate ends: that of the server, or that of a client.

use std::time::{Duration, Instant, SystemTime};

use rustls::{CertificateError, Error};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use super::caller::{Counter, MAX_CALL_AGE, assert_within, becomes, with_bound, within_bound};
use crate::{
    suites::callers::network::{DASHBOARD, Network, entry, uri},
    support::{
        Backend, Client, Program,
        authority::Certificate,
        get_inbox,
        program::{Server, WAIT_TIMEOUT},
        reason, viewer,
    },
};

/// The time that a short certificate still has: more than a start takes.
const REMAINING_AGE: Duration = Duration::from_secs(10);

fn callers() -> String {
    let dashboard = entry("dashboard", &format!("spiffe = [\"{DASHBOARD}\"]"));
    format!("{}{dashboard}", Network::HEAD)
}

fn program(network: &Network) -> (Program, crate::support::Database) {
    let database = Backend::Sqlite.golden();
    let program = with_bound(Program::serving(&database));
    (network.program_with(program, &callers()), database)
}

async fn get(client: &Client) -> Result<(), Status> {
    let request = get_inbox(1, 1, viewer::service());
    let call = timeout(MAX_CALL_AGE, client.get(request)).await;
    call.expect("a call has no end").map(drop)
}

async fn until_over(end: SystemTime) {
    let rest = end.duration_since(SystemTime::now()).unwrap_or_default();
    sleep(rest + Duration::from_secs(1)).await;
}

/// Of a handshake of a client with the server, the error of the certificate.
async fn server_error(network: &Network, server: &Server) -> Option<CertificateError> {
    let error = network.tls(None).handshake(&server.address).await.err()?;
    let error = error.into_inner().unwrap().downcast::<Error>().unwrap();
    match *error {
        Error::InvalidCertificate(error) => Some(error),
        other => panic!("{other}"),
    }
}

/// Connections go on, and a new one fails at its client, until there is a new certificate.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_certificate_that_ended_is_replaced() {
    let network = Network::new();
    let now = SystemTime::now();
    let end = now + REMAINING_AGE;
    let names = "subjectAltName = DNS:localhost, IP:127.0.0.1";
    let hour = Duration::from_hours(1);
    let servers = &network.servers;
    let short = servers.certificate_between("short", names, (now - hour, end));
    let (program, _database) = program(&network);
    let server = program
        .with_file("server.pem", &short.text)
        .with_file("server.key", &short.key)
        .start();
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let client = network.client(&server, Some(&certificate));
    get(&client).await.unwrap();
    until_over(end).await;
    get(&client).await.unwrap();
    let began = Instant::now();
    let error = server_error(&network, &server).await;
    println!(
        "faults: the server's certificate ended: {error:?} after {:.2?}",
        began.elapsed()
    );
    assert!(matches!(
        error,
        Some(CertificateError::Expired | CertificateError::ExpiredContext { .. })
    ));
    let new = network.client(&server, Some(&certificate));
    let status = get(&new).await.unwrap_err();
    println!(
        "faults: the server's certificate ended: {:?} by a client's library",
        status.code()
    );
    assert!([Code::Unavailable, Code::Unknown].contains(&status.code()));

    let expiry = "leadchat_inbox_certificate_expiry_timestamp_seconds";
    let seconds = end
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let which = [("which", "server")];
    let shown = server.scrape().await.value(expiry, &which);
    assert!((shown - seconds).abs() <= 1.0, "{shown}");
    becomes(&server, "leadchat_inbox_ready", &[], false).await;
    let next = network.certificate("next");
    server.replace("server.key", &next.key);
    server.replace("server.pem", &next.text);
    let replaced = Instant::now();
    while server_error(&network, &server).await.is_some() {
        assert!(replaced.elapsed() < WAIT_TIMEOUT, "it is not taken");
        sleep(Duration::from_millis(50)).await;
    }
    let after = replaced.elapsed();
    println!("faults: the server's certificate is replaced: it is served after {after:.2?}");
    assert_within(after, Duration::from_secs(6));
    // The client that failed connects again by itself.
    get(&new).await.unwrap();
    get(&client).await.unwrap();
    becomes(&server, "leadchat_inbox_ready", &[], true).await;
    within_bound(&server).await;
}

/// The next call is refused, and a second later the connection ends. A client with a new
/// certificate is served at once.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_that_ended_ends_its_connection() {
    let network = Network::new();
    let (program, _database) = program(&network);
    let server = program.start();
    let now = SystemTime::now();
    let end = now + REMAINING_AGE;
    let hour = Duration::from_hours(1);
    let short: Certificate =
        network
            .mesh
            .certificate_between("short", &uri(DASHBOARD), (now - hour, end));
    let tls = network.tls(Some(&short));
    let client = tls.client(&server.address);
    get(&client).await.unwrap();
    let expired = &[("credential", "certificate"), ("problem", "expired")];
    let refusals = Counter::begin(&server, "leadchat_inbox_unauthenticated_total", expired).await;
    let why = &[("why", "certificate")];
    let ends = Counter::begin(&server, "leadchat_inbox_connections_ended_total", why).await;
    until_over(end).await;
    let began = Instant::now();
    let status = get(&client).await.unwrap_err();
    let refused = began.elapsed();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert_eq!(reason(&status), "CREDENTIALS_EXPIRED");
    // The library connects again only when its connection has ended.
    while tls.connections() == 1 {
        let _ = get(&client).await;
        assert!(began.elapsed() < WAIT_TIMEOUT, "the connection stays");
        sleep(Duration::from_millis(50)).await;
    }
    let ended = began.elapsed();
    println!(
        "faults: a client's certificate ended: refused after {refused:.2?}, disconnected after {ended:.2?}"
    );
    assert_within(ended, Duration::from_secs(1));
    let status = get(&client).await.unwrap_err();
    println!("faults: a client's certificate ended: {status:?}");
    refusals.rises_by(1).await;
    ends.rises_by(1).await;
    let renewed = network.mesh.certificate_with("renewed", &uri(DASHBOARD));
    get(&network.client(&server, Some(&renewed))).await.unwrap();
}
