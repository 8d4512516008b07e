//! Gives the errors that tonic makes by itself the form of ours: bytes that do not decode,
//! a message too large, an unknown method. And answers a request that is no call of gRPC.
//!
//! Health and reflection say one thing of their own, NOT_FOUND, which stays as it is:
//! tonic never makes it, and ours has details.

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::BodyExt;
use prost::bytes::Bytes;
use tonic::{Code, Status};

use crate::grpc::status::{ACCEPT_ENCODING, CallError, response, trailers};

/// Completes what is answered to a call.
pub async fn complete(request: Request, next: Next) -> Response {
    // With 200, a client that does not speak gRPC would take any error for success.
    let refusal = if request.method() != Method::POST {
        Some(StatusCode::METHOD_NOT_ALLOWED)
    } else if !is_grpc(request.headers()) {
        Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    } else {
        None
    };
    if let Some(status) = refusal {
        let mut refused = response(CallError::UnknownMethod);
        *refused.status_mut() = status;
        return refused;
    }
    let answered = next.run(request).await;
    if let Some(error) = foreign_error(answered.headers()) {
        return response(error);
    }
    // Reflection answers a stream, and its errors come at the end.
    answered.map(|body| Body::new(body.map_frame(complete_trailers)))
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

fn complete_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(sent) => Frame::trailers(foreign_error(&sent).map_or(sent, trailers)),
        Err(frame) => frame,
    }
}

/// Which error of ours stands for one that has no details, if this is one.
fn foreign_error(headers: &HeaderMap) -> Option<CallError> {
    if headers.contains_key("grpc-status-details-bin") {
        return None;
    }
    let code = headers.get(Status::GRPC_STATUS)?;
    Some(match Code::from_bytes(code.as_bytes()) {
        Code::Ok | Code::NotFound => return None,
        Code::OutOfRange | Code::ResourceExhausted => CallError::RequestTooLarge,
        _ if is_about_compression(headers) => CallError::CompressionNotSupported,
        Code::Unimplemented => CallError::UnknownMethod,
        // Nothing of ours answers so without details: tonic could not read the request, for
        // its bytes or because its stream broke.
        _ => CallError::UndecodableRequest,
    })
}

/// Whether tonic refuses a compressed request: one that names its encoding, to which it
/// answers the encodings that it takes, or one that only flags a message.
fn is_about_compression(headers: &HeaderMap) -> bool {
    let message = headers.get("grpc-message").map(HeaderValue::as_bytes);
    let flag = b"compressed-flag";
    headers.contains_key(ACCEPT_ENCODING)
        || message.is_some_and(|it| it.windows(flag.len()).any(|part| part == flag))
}
