//! Adds error details to the errors that tonic makes by itself: bytes that do not decode,
//! a message too large, an unknown method. Requests that are no gRPC call are answered
//! here, too.
//!
//! NOT_FOUND of health and reflection stays as it is: tonic itself never makes it.

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::BodyExt;
use prost::bytes::Bytes;
use tonic::{Code, Status};

use crate::grpc::status::{ACCEPT_ENCODING, CallError, response, trailers};

/// Completes the response of a call.
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

/// Whether the one content type is gRPC's, with any encoding.
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

/// The error that replaces one without details; `None` for any other response.
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
        // tonic could not read the request: its bytes do not decode or its stream broke.
        _ => CallError::UndecodableRequest,
    })
}

/// Whether tonic refuses a compressed request. Either the request names its encoding, and
/// the response lists those accepted, or it only flags a message.
fn is_about_compression(headers: &HeaderMap) -> bool {
    let message = headers.get("grpc-message").map(HeaderValue::as_bytes);
    let flag = b"compressed-flag";
    headers.contains_key(ACCEPT_ENCODING)
        || message.is_some_and(|it| it.windows(flag.len()).any(|part| part == flag))
}
