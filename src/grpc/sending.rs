//! An answer on its way to its caller.
//!
//! A call is under way until its answer has been handed to HTTP/2, and a stop waits for
//! that. HTTP/2 lets a caller take an answer as slowly as it likes. So a large one
//! leaves in pieces, each when the caller has taken most of those before, and what is
//! left at the deadline is given up: it would keep its memory for as long as the caller
//! stays.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

use http_body::Frame;
use prost::bytes::Bytes;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, task_tracker::TaskTrackerToken},
};
use tonic::{Status, body::Body};
use tracing::Span;

use super::{
    log,
    status::{CallError, trailers_of},
};

/// What leaves at once. Most answers are smaller, and then nothing is copied.
const PIECE: usize = 64 << 10;

/// The body of an answer, and what it keeps until it has left.
pub struct Sending {
    rest: Rest,
    by: Instant,
    given_up: CancellationToken,
    /// Not while it is with what is left of a large answer.
    under_way: Option<TaskTrackerToken>,
    span: Span,
}

/// What has not left yet.
enum Rest {
    AsItComes(Body),
    Large(Large),
    Nothing,
}

/// A message that leaves in pieces, until the deadline takes what is left of it.
struct Large {
    left: Arc<Mutex<Option<Left>>>,
    _deadline: AbortOnDropHandle<()>,
}

struct Left {
    message: Bytes,
    then: Body,
    /// A call whose answer is given up is under way no more.
    under_way: Option<TaskTrackerToken>,
}

impl Sending {
    /// Sends a body by the deadline, unless all calls are given up.
    pub fn body(
        body: Body,
        by: Instant,
        given_up: CancellationToken,
        under_way: TaskTrackerToken,
    ) -> Body {
        Body::new(Self {
            rest: Rest::AsItComes(body),
            by,
            given_up,
            under_way: Some(under_way),
            span: Span::current(),
        })
    }

    /// Ends the answer with an error, which comes behind what has left of it.
    fn end(&mut self, error: CallError) -> Frame<Bytes> {
        self.rest = Rest::Nothing;
        log::cut_off(&self.span, &error);
        Frame::trailers(trailers_of(error))
    }
}

impl Large {
    fn new(left: Left, by: Instant) -> Self {
        let left = Arc::new(Mutex::new(Some(left)));
        let late = Arc::clone(&left);
        let deadline = tokio::spawn(async move {
            tokio::time::sleep_until(by.into()).await;
            lock(&late).take();
        });
        Self {
            left,
            _deadline: AbortOnDropHandle::new(deadline),
        }
    }

    /// The next piece of the message, or what is left when there is none; `None` where
    /// the deadline has passed.
    fn next(&self) -> Option<Result<Bytes, Left>> {
        let mut left = lock(&self.left);
        let Left { message, .. } = left.as_mut()?;
        if message.is_empty() {
            return left.take().map(Err);
        }
        let piece = message.split_to(message.len().min(PIECE));
        // A copy, which does not keep the whole in memory.
        Some(Ok(Bytes::copy_from_slice(&piece)))
    }
}

fn lock(left: &Mutex<Option<Left>>) -> MutexGuard<'_, Option<Left>> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            match &mut this.rest {
                Rest::AsItComes(body) => {
                    let frame = match ready!(Pin::new(&mut *body).poll_frame(context)) {
                        Some(Ok(frame)) => frame,
                        end => return Poll::Ready(end),
                    };
                    match frame.into_data() {
                        Ok(message) if message.len() > PIECE => {
                            let then = std::mem::take(body);
                            let under_way = this.under_way.take();
                            let left = Left {
                                message,
                                then,
                                under_way,
                            };
                            this.rest = Rest::Large(Large::new(left, this.by));
                        }
                        Ok(message) => return Poll::Ready(Some(Ok(Frame::data(message)))),
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    }
                }
                Rest::Large(_) if this.given_up.is_cancelled() => {
                    return Poll::Ready(Some(Ok(this.end(CallError::ShuttingDown))));
                }
                Rest::Large(large) => match large.next() {
                    Some(Ok(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                    Some(Err(left)) => {
                        this.rest = Rest::AsItComes(left.then);
                        this.under_way = left.under_way;
                    }
                    None => {
                        return Poll::Ready(Some(Ok(this.end(CallError::DeadlineExceeded))));
                    }
                },
                Rest::Nothing => return Poll::Ready(None),
            }
        }
    }
}
