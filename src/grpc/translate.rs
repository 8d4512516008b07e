//! Gives what tonic answers by itself the form of our errors: bytes that do not
//! decode, a message too large, an unknown method.
//!
//! Health and reflection are standard services with standard answers; theirs are
//! left as they are.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use super::status::{CallError, answer};

/// What the paths of the standard services begin with.
const STANDARD: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// Tells a caller which encodings it may use instead.
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

#[derive(Clone, Copy)]
pub struct TranslateLayer;

#[derive(Clone)]
pub struct Translate<S> {
    inner: S,
}

impl<S> Layer<S> for TranslateLayer {
    type Service = Translate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Translate { inner }
    }
}

impl<S, B> Service<Request<B>> for Translate<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let standard = STANDARD.iter().any(|standard| path.starts_with(standard));
        let answered = self.inner.call(request);
        if standard {
            return Box::pin(answered);
        }
        Box::pin(async move { answered.await.map(translated) })
    }
}

/// Our errors all have details; tonic's have none.
fn translated(response: Response<Body>) -> Response<Body> {
    let accepted = response.headers().get(ACCEPT_ENCODING).cloned();
    let mut translated = in_our_form(response);
    if let Some(accepted) = accepted {
        translated.headers_mut().insert(ACCEPT_ENCODING, accepted);
    }
    translated
}

fn in_our_form(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    let code = headers.get(Status::GRPC_STATUS).map(HeaderValue::as_bytes);
    match code.map(Code::from_bytes) {
        None | Some(Code::Ok) => response,
        Some(_) if headers.contains_key("grpc-status-details-bin") => response,
        Some(Code::OutOfRange | Code::ResourceExhausted) => answer(CallError::TooLarge),
        Some(Code::Unimplemented) => answer(CallError::UnknownMethod),
        Some(Code::Cancelled | Code::DeadlineExceeded) => answer(CallError::DeadlineExceeded),
        // Nothing of ours answers so without details: tonic could not read the
        // request.
        Some(Code::Internal | Code::InvalidArgument) => answer(CallError::Undecodable),
        Some(_) => answer(CallError::Internal),
    }
}
