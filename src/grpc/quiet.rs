//! Ends connections that say nothing, and those that take nothing.
//!
//! A caller that is there answers a ping, so its connection is never silent for
//! long, whether or not it makes calls. What stays silent is a peer that is gone
//! or one that never spoke HTTP/2.
//!
//! A peer may also talk without reading what it is told. HTTP/2 answers much of what it
//! hears, and would keep all of that. So who has not taken what there is for it is heard
//! half as much as it takes, which is more than such answers need.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How much, in bytes, a peer is heard that takes nothing more, because of what it took
/// before.
const MOST_CREDIT: isize = 64 << 10;

/// A connection that fails when nothing goes over it for some time.
pub struct Quiet<S> {
    stream: S,
    limit: Duration,
    /// Wakes who asked last; one task reads and writes.
    silence: Pin<Box<Sleep>>,
    /// Whether the peer has to take something before more is written.
    is_full: bool,
    /// How many bytes may be heard meanwhile; less than none after a large one.
    credit: isize,
    /// Who would hear more.
    reader: Option<Waker>,
}

impl<S> Quiet<S> {
    pub fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            silence: Box::pin(sleep(limit)),
            is_full: false,
            credit: 0,
            reader: None,
        }
    }

    fn something_went(&mut self) {
        self.silence.as_mut().reset(Instant::now() + self.limit);
    }

    fn poll_silence<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let silence = self.silence.as_mut().poll(context);
        silence.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What came of a write.
    fn written(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let was_full = std::mem::replace(&mut self.is_full, written.is_pending());
        if was_full != self.is_full {
            self.something_went();
        }
        if self.is_full {
            return self.poll_silence(context);
        }
        if let Poll::Ready(Ok(bytes)) = written {
            let more = isize::try_from(bytes / 2).unwrap_or(MOST_CREDIT);
            self.credit = self.credit.saturating_add(more).min(MOST_CREDIT);
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Quiet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_full && this.credit <= 0 {
            this.reader = Some(cx.waker().clone());
            return this.poll_silence(cx);
        }
        let before = into.filled().len();
        if let Poll::Ready(heard) = Pin::new(&mut this.stream).poll_read(cx, into) {
            if this.is_full {
                let bytes = into.filled().len() - before;
                this.credit -= isize::try_from(bytes).unwrap_or(MOST_CREDIT);
            } else {
                this.something_went();
            }
            return Poll::Ready(heard);
        }
        this.poll_silence(cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Quiet<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex, split},
        time::timeout,
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const A_MOMENT: Duration = Duration::from_secs(1);

    /// Reads for as long as something comes.
    async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> usize {
        let mut bytes = [0; 10];
        let mut heard = 0;
        while let Ok(more) = timeout(A_MOMENT, stream.read(&mut bytes)).await {
            heard += more.unwrap();
        }
        heard
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_little_is_heard_as_much() {
        let (stream, peer) = duplex(1000);
        let (mut reader, mut writer) = split(Quiet::new(stream, LIMIT));
        let (mut takes, mut talks) = split(peer);
        let writing = tokio::spawn(async move { writer.write_all(&[0; 10_000]).await });
        let talking = tokio::spawn(async move { talks.write_all(&[0; 10_000]).await });
        tokio::task::yield_now().await;
        // Half of what there is room for.
        assert_eq!(heard(&mut reader).await, 500);
        assert_eq!(heard(&mut reader).await, 0);
        takes.read_exact(&mut [0; 600]).await.unwrap();
        assert_eq!(heard(&mut reader).await, 300);
        // Who has taken all is heard.
        takes.read_exact(&mut [0; 9400]).await.unwrap();
        writing.await.unwrap().unwrap();
        assert_eq!(heard(&mut reader).await, 9200);
        talking.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_dropped_however_much_it_talks() {
        let (stream, mut peer) = duplex(100);
        let (mut reader, mut writer) = split(Quiet::new(stream, LIMIT));
        let began = Instant::now();
        let talking = async {
            for _ in 0..5 {
                peer.write_all(b"x").await.unwrap();
                assert_eq!(heard(&mut reader).await, 1);
                sleep(LIMIT / 10).await;
            }
            reader.read(&mut [0; 1]).await
        };
        // One task does both, as in HTTP/2.
        let (written, heard) = tokio::join!(writer.write_all(&[0; 1000]), talking);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() < LIMIT + A_MOMENT);
    }
}
