//! The time-outs of a connection.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::Instant,
};

use super::*;

const LIMITS: ConnectionLimits = ConnectionLimits {
    max_connections: 1,
    preface_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(30),
    write_timeout: Duration::from_secs(40),
    max_age: Duration::from_secs(100),
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn connect(draining: &CancellationToken) -> (Connection, UnixStream) {
    let (server, client) = UnixStream::pair().unwrap();
    let permits = Arc::new(Semaphore::new(1));
    let permit = permits.try_acquire_owned().unwrap();
    let connection = Connection::new(
        Either::Left(Either::Right(server)),
        Peer::Unix(None),
        &ConnectionContext {
            limits: LIMITS,
            draining: draining.clone(),
            refusals: RefusalLog::default(),
            metrics: ConnectionMetrics::default(),
        },
        permit,
    );
    (connection, client)
}

/// How many seconds it takes until a read or a write fails for its time.
async fn seconds_until_timeout<T>(outcome: impl Future<Output = io::Result<T>>) -> u64 {
    let began = Instant::now();
    let error = outcome.await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    began.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_a_preface_is_disconnected() {
    let draining = CancellationToken::new();
    let (mut connection, mut client) = connect(&draining);
    // All but the last byte.
    client.write_all(&PREFACE[..23]).await.unwrap();
    let mut received = [0; 24];
    let read = connection.read_exact(&mut received);
    assert_eq!(seconds_until_timeout(read).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_only_connections_without_a_preface() {
    let draining = CancellationToken::new();
    let (mut silent, _client) = connect(&draining);
    let (mut spoken, mut client) = connect(&draining);
    client.write_all(PREFACE).await.unwrap();
    spoken.read_exact(&mut [0; 24]).await.unwrap();
    draining.cancel();
    assert_eq!(seconds_until_timeout(silent.read_u8()).await, 0);
    assert_eq!(seconds_until_timeout(spoken.read_u8()).await, 30);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_no_bytes_is_disconnected() {
    let (mut connection, client) = connect(&CancellationToken::new());
    let bytes = vec![0; 16 << 20];
    assert_eq!(
        seconds_until_timeout(connection.write_all(&bytes)).await,
        40
    );
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn an_active_connection_ends_at_its_maximum_age() {
    let (mut connection, mut client) = connect(&CancellationToken::new());
    tokio::spawn(async move {
        while client.write_all(PREFACE).await.is_ok() {
            sleep(Duration::from_secs(7)).await;
        }
    });
    let began = Instant::now();
    let mut received = [0; 24];
    while connection.read_exact(&mut received).await.is_ok() {}
    assert_eq!(began.elapsed().as_secs(), 100);
}
