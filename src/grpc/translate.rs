//! Gives what tonic answers by itself the form of our errors: bytes that do not
//! decode, a message too large, an unknown method. And answers what tonic would
//! take for a call although it is none of gRPC.
//!
//! Health and reflection are standard services: theirs stay as they are where they say
//! something of their own, which is NOT_FOUND alone.

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::BodyExt;
use prost::bytes::Bytes;
use tonic::{Code, Status, body::Body};

use super::{
    around::Around,
    status::{CallError, answer, trailers_of},
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

/// What a request is, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No call of gRPC, and what HTTP says to it.
    Foreign(StatusCode),
    /// A call to a standard service.
    Standard,
    /// Any other.
    Call,
}

impl Kind {
    pub fn of<B>(request: &Request<B>) -> Self {
        if request.method() != Method::POST {
            Self::Foreign(StatusCode::METHOD_NOT_ALLOWED)
        } else if !is_grpc(request.headers()) {
            Self::Foreign(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        } else if is_standard(request.uri().path()) {
            Self::Standard
        } else {
            Self::Call
        }
    }
}

impl Around for Translate {
    type Head = Kind;

    fn read<B>(&self, request: &mut Request<B>) -> Kind {
        Kind::of(request)
    }

    async fn answer<E: Send + 'static>(
        kind: Kind,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        if let Kind::Foreign(status) = kind {
            // With 200, whoever does not speak gRPC would take any error for
            // success. Nothing was done yet: a future does nothing by itself.
            let mut refused = answer(CallError::UnknownMethod);
            *refused.status_mut() = status;
            return Ok(refused);
        }
        let answered = answered.await?;
        if matches!(kind, Kind::Call) {
            return Ok(translated(answered));
        }
        if code(answered.headers()) == Some(Code::NotFound) {
            return Ok(answered);
        }
        // What reflection is asked comes in a stream, and so do its errors, at the end.
        Ok(translated(answered).map(|body| Body::new(body.map_frame(in_our_trailers))))
    }
}

/// Whether there is one content type, and it is gRPC's, of whatever encoding.
fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let first = types.next().map(HeaderValue::as_bytes);
    let parts = first.and_then(|first| first.split_at_checked(GRPC.len()));
    types.next().is_none()
        && parts.is_some_and(|(known, rest)| {
            known.eq_ignore_ascii_case(GRPC) && matches!(rest, [] | [b'+' | b';', ..])
        })
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
    error(response.headers()).map_or(response, answer)
}

fn in_our_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(match error(&trailers) {
            Some(error) if code(&trailers) != Some(Code::NotFound) => trailers_of(error),
            _ => trailers,
        }),
        Err(frame) => frame,
    }
}

/// Which error of ours it is that tonic answers in its own words, if it does.
fn error(said: &HeaderMap) -> Option<CallError> {
    Some(match code(said)? {
        Code::Ok => return None,
        _ if said.contains_key("grpc-status-details-bin") => return None,
        Code::OutOfRange | Code::ResourceExhausted => CallError::TooLarge,
        Code::Unimplemented => CallError::UnknownMethod,
        // Nothing of ours answers so without details: tonic could not read the
        // request.
        Code::Internal | Code::InvalidArgument => CallError::Undecodable,
        _ => CallError::Internal,
    })
}

/// The code of a status, in the head of an answer that is nothing else, or behind one.
fn code(said: &HeaderMap) -> Option<Code> {
    let code = said.get(Status::GRPC_STATUS);
    code.map(|code| Code::from_bytes(code.as_bytes()))
}
