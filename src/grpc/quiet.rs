//! Ends connections that say nothing, and those that take nothing.
//!
//! A caller that is there answers a ping, so its connection is never silent for
//! long, whether or not it makes calls. What stays silent is a peer that is gone
//! or one that never spoke HTTP/2.
//!
//! A peer may also talk without reading what it is told. Nothing more is heard of it
//! then: HTTP/2 answers much of what it hears, and would keep all of that.

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

/// A connection that fails when nothing goes over it for some time.
pub struct Quiet<S> {
    stream: S,
    limit: Duration,
    silence: Pin<Box<Sleep>>,
    /// Whether the peer has to take something before more is written, and heard.
    is_full: bool,
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
    fn written<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        let was_full = std::mem::replace(&mut self.is_full, written.is_pending());
        if was_full != self.is_full {
            self.something_went();
        }
        if self.is_full {
            return self.poll_silence(context);
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
        if this.is_full {
            this.reader = Some(cx.waker().clone());
        } else if let Poll::Ready(heard) = Pin::new(&mut this.stream).poll_read(cx, into) {
            this.something_went();
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
