//! Lets in as many calls at a time as can be served in good time.
//!
//! The others wait for their turn, which the newest of them get first. In a
//! burst, everybody's turn comes. A crowd that does not go away is an overload:
//! then the calls that are let in have hardly waited, and the others are told at
//! once, so that their callers can go elsewhere. That must cost next to nothing,
//! or else sending calls away would keep from serving others.

mod turns;

use std::{
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tokio::task::yield_now;
use tonic::body::Body;
use tower::{Layer, Service, ServiceExt};

use super::{
    status::{CallError, answer},
    translate::{Kind, is_standard},
};
use turns::Turns;

/// The largest request, in bytes: a hundred ids are a thousandth of it.
pub const LARGEST_REQUEST: usize = 256 << 10;

/// The same for all connections of a process. Health and reflection pass.
#[derive(Clone)]
pub struct Admission(Turns);

impl Admission {
    /// For this many calls at a time.
    pub fn new(calls: usize) -> Self {
        Self(Turns::new(calls))
    }

    /// What stands before all layers that do something for a call.
    pub fn door(&self) -> Door {
        Door {
            turns: self.0.clone(),
            refusal: Arc::new(answer(CallError::Overloaded).into_parts().0.headers),
        }
    }
}

/// Sends away, under overload, those who could not even wait.
#[derive(Clone)]
pub struct Door {
    turns: Turns,
    /// Made once.
    refusal: Arc<HeaderMap>,
}

/// A service behind the [`Door`], with all that is done for a call that is let in.
/// hyper-util's bridge clones a service for every call, and the one behind this door is
/// cloned for those alone.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: Arc<S>,
    door: Door,
}

impl<S> Layer<S> for Door {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner: Arc::new(inner),
            door: self.clone(),
        }
    }
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    /// A clone is not ready because another is.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if Kind::of(&request) != Kind::Call || self.door.turns.may_wait() {
            let inner = S::clone(&self.inner);
            return Box::pin(async move {
                // What is done for it is not done where it was read.
                yield_now().await;
                inner.oneshot(request).await
            });
        }
        let mut refusal = Response::new(Body::empty());
        refusal.headers_mut().clone_from(self.door.refusal.as_ref());
        Box::pin(ready(Ok(refusal)))
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitting<S>;

    fn layer(&self, inner: S) -> Admitting<S> {
        Admitting {
            inner,
            turns: self.0.clone(),
        }
    }
}

/// A service behind the [`Admission`].
#[derive(Clone)]
pub struct Admitting<S> {
    inner: S,
    turns: Turns,
}

impl<S> Service<Request<Body>> for Admitting<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // What was found ready is called, and a copy kept for the next call.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        if is_standard(request.uri().path()) {
            return Box::pin(inner.call(request));
        }
        let turns = self.turns.clone();
        Box::pin(async move {
            let request = match received(request).await {
                Ok(request) => request,
                Err(error) => return Ok(answer(error)),
            };
            match turns.turn().await {
                Some(_turn) => inner.call(request).await,
                None => Ok(answer(CallError::Overloaded)),
            }
        })
    }
}

/// A request that has arrived: whoever is slow to send one keeps no other
/// waiting.
async fn received(request: Request<Body>) -> Result<Request<Body>, CallError> {
    /// What tells a message's length, before it.
    const FRAME: usize = 5;

    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_REQUEST + FRAME).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            CallError::TooLarge
        } else {
            CallError::Undecodable
        }
    })?;
    let body = Full::new(body.to_bytes());
    Ok(Request::from_parts(head, Body::new(body)))
}
