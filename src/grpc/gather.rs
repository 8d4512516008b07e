//! Sends answers that are ready at about the same time in one write.
//!
//! A write costs a processor as much as all else that is done to send a call away, and
//! HTTP/2 begins one as soon as there is one answer. So the first waits until the thread
//! has nothing else to do (or has done some sixty things): by then there are those of
//! the other calls that came with it on the same connection. Where all of them are
//! refusals, nobody is kept from anything by a wait that is longer: under overload, what
//! it spares is there for those that are served.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::Duration,
};

use http::Response;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
    time::{Instant, Sleep, sleep},
};
use tonic::{Code, Status};

/// What is longer is not kept waiting: it is worth a write of its own.
const SHORT: usize = 1 << 10;

/// How long refusals wait for others. The timer may take a millisecond more.
const REFUSALS_WAIT: Duration = Duration::from_millis(2);

/// What the answers are that are about to be written to a connection.
#[derive(Clone, Default)]
pub struct Answers(Arc<Kinds>);

#[derive(Default)]
struct Kinds {
    refusals: AtomicBool,
    others: AtomicBool,
}

impl Answers {
    /// Has to be told before the answer is sent.
    pub fn note<B>(&self, answer: &Response<B>) {
        let status = answer.headers().get(Status::GRPC_STATUS);
        let code = status.map(|status| Code::from_bytes(status.as_bytes()));
        let kind = match code {
            Some(Code::ResourceExhausted) => &self.0.refusals,
            _ => &self.0.others,
        };
        kind.store(true, Ordering::Release);
    }

    fn are_refusals(&self) -> bool {
        self.0.refusals.load(Ordering::Acquire) && !self.0.others.load(Ordering::Acquire)
    }

    fn are_written(&self) {
        self.0.refusals.store(false, Ordering::Release);
        self.0.others.store(false, Ordering::Release);
    }
}

/// A connection that does not write before its thread has nothing else to do.
pub struct Gathering<S> {
    stream: S,
    write: Write,
    idle: Arc<Idle>,
    answers: Answers,
    refusals_wait: Pin<Box<Sleep>>,
}

/// How far a write has come.
#[derive(Clone, Copy)]
enum Write {
    /// All is written that was to be.
    None,
    /// Until other refusals may have come.
    OfRefusals,
    /// Until the thread is idle.
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

    fn poll(&self) -> Poll<()> {
        if self.is_now.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
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
    /// Writes the answers that are noted.
    pub fn new(stream: S, answers: Answers) -> Self {
        Self {
            stream,
            answers,
            refusals_wait: Box::pin(sleep(REFUSALS_WAIT)),
            write: Write::None,
            idle: Arc::new(Idle {
                is_now: AtomicBool::new(false),
                writer: Mutex::new(Waker::noop().clone()),
            }),
        }
    }

    /// When it is time to write so many bytes.
    fn poll_time(&mut self, bytes: usize, context: &mut Context<'_>) -> Poll<()> {
        match self.write {
            Write::UnderWay => {}
            _ if bytes > SHORT => {}
            Write::None if self.answers.are_refusals() => {
                let until = Instant::now() + REFUSALS_WAIT;
                self.refusals_wait.as_mut().reset(until);
                self.write = Write::OfRefusals;
                ready!(self.refusals_wait.as_mut().poll(context));
            }
            Write::OfRefusals if self.answers.are_refusals() => {
                ready!(self.refusals_wait.as_mut().poll(context));
            }
            Write::None | Write::OfRefusals => {
                self.idle.wait(context);
                self.write = Write::Awaited;
                ready!(self.idle.poll());
            }
            Write::Awaited => {
                // Another task may be polling.
                self.idle.writer().clone_from(context.waker());
                ready!(self.idle.poll());
            }
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
        self.answers.are_written();
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
