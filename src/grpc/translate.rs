//! Gives what tonic answers by itself the form of our errors: bytes that do not
//! decode, a message too large, an unknown method.
//!
//! Health and reflection are standard services with standard answers; theirs are
//! left as they are, but for methods that they have not.

use http::{Request, Response};
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

/// Whether a path is one of the standard services'.
pub fn is_standard(path: &str) -> bool {
    STANDARD.iter().any(|standard| path.starts_with(standard))
}

#[derive(Clone, Copy)]
pub struct Translate;

impl Around for Translate {
    /// Whether the call is to a standard service.
    type Head = bool;

    fn read<B>(&self, request: &mut Request<B>) -> bool {
        is_standard(request.uri().path())
    }

    async fn answer<E: Send + 'static>(
        standard: bool,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        let answered = answered.await?;
        let unknown_method = code(&answered) == Some(Code::Unimplemented);
        Ok(if standard && !unknown_method {
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
    match code(&response) {
        None | Some(Code::Ok) => response,
        Some(_) if response.headers().contains_key("grpc-status-details-bin") => response,
        Some(Code::OutOfRange | Code::ResourceExhausted) => answer(CallError::TooLarge),
        Some(Code::Unimplemented) => answer(CallError::UnknownMethod),
        Some(Code::Cancelled | Code::DeadlineExceeded) => answer(CallError::DeadlineExceeded),
        // Nothing of ours answers so without details: tonic could not read the
        // request.
        Some(Code::Internal | Code::InvalidArgument) => answer(CallError::Undecodable),
        Some(_) => answer(CallError::Internal),
    }
}

/// The code of an answer that is nothing but a status.
fn code(response: &Response<Body>) -> Option<Code> {
    let code = response.headers().get(Status::GRPC_STATUS);
    code.map(|code| Code::from_bytes(code.as_bytes()))
}
