//! When a write begins, and that it always does.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};

use super::*;

const IN_TIME: Duration = Duration::from_secs(10);

/// Counts the writes that arrive.
struct Counting {
    stream: DuplexStream,
    writes: usize,
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes += 1;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn gathering(capacity: usize) -> (Gathering<Counting>, DuplexStream) {
    let (stream, peer) = duplex(capacity);
    let counting = Counting { stream, writes: 0 };
    (Gathering::new(counting, Answers::default()), peer)
}

fn with_status(code: &'static str) -> Response<()> {
    let mut answer = Response::new(());
    let code = http::HeaderValue::from_static(code);
    answer.headers_mut().insert(Status::GRPC_STATUS, code);
    answer
}

#[tokio::test]
async fn a_write_begins_when_other_tasks_have_had_their_turn() {
    let (mut stream, mut peer) = gathering(64);
    let (tell, told) = std::sync::mpsc::channel();
    let written = tell.clone();
    let writer = tokio::spawn(async move {
        stream.write_all(b"answer").await.unwrap();
        written.send("written").unwrap();
        stream.flush().await.unwrap();
    });
    for _ in 0..3 {
        let tell = tell.clone();
        tokio::spawn(async move { tell.send("another task").unwrap() });
    }
    timeout(IN_TIME, writer).await.unwrap().unwrap();
    let mut answer = [0; 6];
    peer.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
    drop(tell);
    let order: Vec<_> = told.into_iter().collect();
    assert_eq!(
        order,
        ["another task", "another task", "another task", "written"]
    );
}

/// Until it is flushed, a write is one, in however many pieces it leaves.
#[tokio::test]
async fn each_write_waits_once() {
    let (mut stream, _peer) = gathering(64);
    let mut pending = 0;
    for _ in 0..2 {
        for piece in [b"one", b"two"] {
            let write = std::future::poll_fn(|cx| {
                let polled = Pin::new(&mut stream).poll_write(cx, piece);
                pending += usize::from(polled.is_pending());
                polled
            });
            assert_eq!(timeout(IN_TIME, write).await.unwrap().unwrap(), 3);
        }
        stream.flush().await.unwrap();
    }
    assert_eq!((pending, stream.stream.writes), (2, 4));
}

/// HTTP/2 tries again whenever it has another answer, on whichever task that is.
#[tokio::test]
async fn whoever_asked_last_is_woken() {
    let (mut stream, mut peer) = gathering(64);
    let abandoned = std::future::poll_fn(|cx| {
        assert!(Pin::new(&mut stream).poll_write(cx, b"answer").is_pending());
        Poll::Ready(())
    });
    abandoned.await;
    let writer = tokio::spawn(async move {
        stream.write_all(b"answer").await.unwrap();
        stream.flush().await.unwrap();
    });
    timeout(IN_TIME, writer).await.unwrap().unwrap();
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
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

/// HTTP/2 flushes after every piece of a large answer.
#[tokio::test]
async fn what_is_long_does_not_wait() {
    let (mut stream, _peer) = gathering(8 << 10);
    let long = [0; SHORT + 1];
    let written = std::future::poll_fn(|cx| {
        assert!(Pin::new(&mut stream).poll_write(cx, b"short").is_pending());
        Poll::Ready(Pin::new(&mut stream).poll_write(cx, &long))
    });
    assert!(matches!(written.await, Poll::Ready(Ok(1025))));
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
    assert!(began.elapsed() >= 2 * REFUSALS_WAIT);

    // Written, they keep no other back.
    let began = Instant::now();
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_other_answer_waits_with_refusals() {
    for before in ["0", "5", "8"] {
        let (mut stream, _peer) = gathering(64);
        let began = Instant::now();
        stream.answers.note(&with_status(before));
        let waits = std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut stream).poll_write(cx, b"first").is_pending());
            Poll::Ready(())
        });
        waits.await;
        // Of an answer with a message, the status comes behind it.
        stream.answers.note(&Response::new(()));
        stream.write_all(b"first, second").await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO, "{before}");
    }
}
