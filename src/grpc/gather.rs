//! Sends answers that are ready at about the same time in one write.
//!
//! A write costs a processor as much as all else that is done to send a call away, and
//! HTTP/2 begins one as soon as there is one answer. So the first waits until the thread
//! has nothing else to do (or has done some sixty things): by then there are those of
//! the other calls that came with it on the same connection.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
};

/// What is longer is not kept waiting: it is worth a write of its own.
const SHORT: usize = 1 << 10;

/// A connection that does not write before its thread has nothing else to do.
pub struct Gathering<S> {
    stream: S,
    write: Write,
    idle: Arc<Idle>,
}

/// How far a write has come.
#[derive(Clone, Copy)]
enum Write {
    /// All is written that was to be.
    None,
    Awaited,
    UnderWay,
}

/// Told when the thread has nothing else to do.
struct Idle {
    is_now: AtomicBool,
    writer: Mutex<Waker>,
}

impl Idle {
    /// Wakes the task of this context when the thread is idle. The runtime does so for
    /// whatever yields to other tasks, and no more is asked of the future that does.
    fn wait(self: &Arc<Self>, context: &Context<'_>) {
        self.is_now.store(false, Ordering::Release);
        self.writer().clone_from(context.waker());
        let waker = Waker::from(Arc::clone(self));
        let _ = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
    }

    fn writer(&self) -> MutexGuard<'_, Waker> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Idle {
    fn wake(self: Arc<Self>) {
        self.is_now.store(true, Ordering::Release);
        self.writer().wake_by_ref();
    }
}

impl<S> Gathering<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            write: Write::None,
            idle: Arc::new(Idle {
                is_now: AtomicBool::new(false),
                writer: Mutex::new(Waker::noop().clone()),
            }),
        }
    }

    /// When it is time to write so many bytes.
    fn poll_time(&mut self, bytes: usize, context: &Context<'_>) -> Poll<()> {
        match self.write {
            _ if bytes > SHORT => {
                self.write = Write::UnderWay;
                return Poll::Ready(());
            }
            Write::None => {
                self.idle.wait(context);
                self.write = Write::Awaited;
            }
            // Another task may be polling.
            Write::Awaited => self.idle.writer().clone_from(context.waker()),
            Write::UnderWay => return Poll::Ready(()),
        }
        if !self.idle.is_now.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.write = Write::UnderWay;
        Poll::Ready(())
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_time(bytes.len(), cx));
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        ready!(self.poll_time(bytes, cx));
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// HTTP/2 flushes when it has written all that it has.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write = Write::None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

#[cfg(test)]
mod tests;
