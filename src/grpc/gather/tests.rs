//! When a write begins, and that it always does.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};

use super::*;

const IN_TIME: Duration = Duration::from_secs(10);

fn gathering(capacity: usize) -> (Gathering<DuplexStream>, DuplexStream) {
    let (stream, peer) = duplex(capacity);
    (Gathering::new(stream, Answers::default()), peer)
}

fn with_status(code: &'static str) -> Response<()> {
    let mut answer = Response::new(());
    let code = http::HeaderValue::from_static(code);
    answer.headers_mut().insert(Status::GRPC_STATUS, code);
    answer
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_a_write() {
    let (mut stream, mut peer) = gathering(8);
    let sent: Vec<u8> = (0..=255).collect();
    let expected = sent.clone();
    tokio::spawn(async move {
        stream.write_all(&sent).await.unwrap();
        stream.flush().await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let mut read = Vec::new();
    let all = peer.read_to_end(&mut read);
    timeout(IN_TIME, all).await.unwrap().unwrap();
    assert_eq!(read, expected);
}

/// Time stands still until all tasks are idle.
#[tokio::test(start_paused = true)]
async fn refusals_wait_for_others() {
    let (mut stream, _peer) = gathering(64);
    let began = Instant::now();
    for _ in 0..2 {
        stream.answers.note(&with_status("8"));
        stream.write_all(b"refusal").await.unwrap();
        stream.flush().await.unwrap();
    }
    assert!(began.elapsed() >= 2 * WAIT);

    // Written, they keep no other back.
    let began = Instant::now();
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_other_answer_waits() {
    let (mut stream, _peer) = gathering(64);
    let began = Instant::now();
    for status in ["0", "5", "14"] {
        stream.answers.note(&with_status(status));
        stream.write_all(b"answer").await.unwrap();
        stream.flush().await.unwrap();
    }
    // With a refusal that waits already. Of an answer with a message, the status comes
    // behind it.
    stream.answers.note(&with_status("8"));
    let waits = std::future::poll_fn(|cx| {
        assert!(Pin::new(&mut stream).poll_write(cx, b"one").is_pending());
        Poll::Ready(())
    });
    waits.await;
    stream.answers.note(&Response::new(()));
    stream.write_all(b"one, two").await.unwrap();
    stream.flush().await.unwrap();
    // With so many that one more makes no difference.
    let (mut long, _peer) = gathering(SHORT + 1);
    long.answers.note(&with_status("8"));
    long.write_all(&[0; SHORT + 1]).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// A flush of nothing, which HTTP/2 does, is no write of what was noted.
#[tokio::test(start_paused = true)]
async fn what_is_not_written_yet_stays_noted() {
    let (mut stream, _peer) = gathering(64);
    let began = Instant::now();
    stream.answers.note(&with_status("0"));
    stream.flush().await.unwrap();
    stream.answers.note(&with_status("8"));
    stream.write_all(b"both").await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_refusals_wait() {
    let (stream, mut peer) = gathering(64);
    peer.write_all(b"more").await.unwrap();
    let began = Instant::now();
    stream.answers.note(&with_status("8"));
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        writer.write_all(b"refusal").await.unwrap();
        let written = began.elapsed();
        writer.flush().await.unwrap();
        written
    };
    let read = async {
        let mut more = [0; 4];
        reader.read_exact(&mut more).await.unwrap();
        assert_eq!(&more, b"more");
        began.elapsed()
    };
    // One task does both, as in HTTP/2.
    let (written, read) = tokio::join!(write, read);
    assert!(written >= WAIT);
    assert_eq!(read, written);

    // All else is read at once.
    peer.write_all(b"more").await.unwrap();
    let began = Instant::now();
    reader.read_exact(&mut [0; 4]).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}
