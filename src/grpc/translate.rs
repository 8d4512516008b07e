//! Gives what tonic answers by itself the form of our errors: bytes that do not
//! decode, a message too large, an unknown method.
//!
//! Health and reflection are standard services with standard answers; theirs are
//! left as they are.

use http::{HeaderValue, Request, Response};
use tonic::{Code, Status, body::Body};

use super::{
    around::Around,
    status::{CallError, answer},
};

/// What the paths of the standard services begin with.
const STANDARD: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// Tells a caller which encodings it may use instead.
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

pub struct Translate;

impl Around for Translate {
    /// Whether the call is to a standard service.
    type Head = bool;

    fn read<B>(request: &Request<B>) -> bool {
        let path = request.uri().path();
        STANDARD.iter().any(|standard| path.starts_with(standard))
    }

    async fn answer<E: Send + 'static>(
        standard: bool,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        let answered = answered.await?;
        Ok(if standard {
            answered
        } else {
            translated(answered)
        })
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
