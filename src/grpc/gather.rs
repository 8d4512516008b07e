//! Writes refusals of about the same time together, and reads together the calls that came
//! meanwhile.
//!
//! Under overload most answers are refusals, and to read and to write cost a processor
//! more than all else that is done to send a call away. So refusals wait for one another
//! for a moment, in which nothing more is read, and what that spares is there for the
//! calls that are served. Another answer is written at once, and they with it; only what
//! is left of one whose beginning was written before may wait with them.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use http::Response;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};
use tonic::{Code, Status};

/// How long a refusal waits for others, at least. Timers count whole milliseconds, so it
/// is about one, and two at most where a processor is free.
const WAIT: Duration = Duration::from_micros(100);

/// What is longer is not kept waiting: there are other answers in it, or refusals enough.
const SHORT: usize = 1 << 10;

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

/// A connection to which refusals are written together.
pub struct Gathering<S> {
    stream: S,
    answers: Answers,
    write: Write,
    wait: Pin<Box<Sleep>>,
    /// Who would read what came while refusals wait.
    reader: Option<Waker>,
}

/// How far a write has come.
#[derive(Clone, Copy)]
enum Write {
    /// All is written that was to be.
    None,
    /// Other refusals may still come.
    Waiting,
    UnderWay,
}

impl<S> Gathering<S> {
    /// Writes the answers that are noted.
    pub fn new(stream: S, answers: Answers) -> Self {
        Self {
            stream,
            answers,
            write: Write::None,
            wait: Box::pin(sleep(WAIT)),
            reader: None,
        }
    }

    /// When it is time to write so many bytes.
    fn poll_time(&mut self, bytes: usize, context: &mut Context<'_>) -> Poll<()> {
        let may_wait = bytes <= SHORT && self.answers.are_refusals();
        if may_wait && matches!(self.write, Write::None) {
            self.wait.as_mut().reset(Instant::now() + WAIT);
            self.write = Write::Waiting;
        }
        if may_wait && matches!(self.write, Write::Waiting) {
            ready!(self.wait.as_mut().poll(context));
        }
        self.write = Write::UnderWay;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
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

    /// HTTP/2 flushes what it has written, which may be all that it has.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.write, Write::UnderWay) {
            self.write = Write::None;
            self.answers.are_written();
        }
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
        // The timer of the write wakes the same task.
        if matches!(self.write, Write::Waiting) && self.answers.are_refusals() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

#[cfg(test)]
mod tests;
