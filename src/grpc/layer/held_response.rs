//! Responses that keep a value until they are sent, such as a slot of a limit.

use axum::{body::Body, response::Response};
use http_body_util::BodyExt;

/// Keeps a value until the response was sent, or is given up.
pub fn hold<T: Send + 'static>(response: Response, value: T) -> Response {
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &value;
            frame
        }))
    })
}
