//! Counts each call: that it began, its code and duration, and its caller.
//!
//! The code is that of the header, or that of the trailers where an answer has a body. A call
//! whose answer was not sent to its end was cancelled.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::HeaderMap;
use http_body_util::BodyExt;
use tonic::Status;

use super::access_log::grpc_code;
use crate::{
    grpc::status::refusal,
    metrics::calls::{CallMetrics, CountedCall, GrpcCode, MethodLabels},
};

/// Counts the calls of some methods.
#[derive(Clone)]
pub struct CallCounter(Arc<Counter>);

struct Counter {
    methods: Arc<BTreeMap<String, MethodLabels>>,
    other: MethodLabels,
    metrics: CallMetrics,
}

impl CallCounter {
    /// `methods` are all that there are, by their paths.
    pub fn new(methods: Arc<BTreeMap<String, MethodLabels>>, metrics: CallMetrics) -> Self {
        Self(Arc::new(Counter {
            methods,
            other: MethodLabels::other(),
            metrics,
        }))
    }
}

/// Counts a call, from its beginning until its answer was sent.
pub async fn count(
    State(CallCounter(counter)): State<CallCounter>,
    mut request: Request,
    next: Next,
) -> Response {
    let method = counter.methods.get(request.uri().path());
    let mut call = counter
        .metrics
        .begin(method.unwrap_or(&counter.other).clone());
    request.extensions_mut().insert(call.caller_slot());
    let response = next.run(request).await;
    let headers = response.headers();
    if let Some(code) = end(&mut call, headers)
        && matches!(code, GrpcCode::ResourceExhausted | GrpcCode::Unavailable)
        && let Some(reason) = refusal(headers)
    {
        counter.metrics.refused(reason);
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            if let Some(trailers) = frame.trailers_ref() {
                // A call that was answered was not refused: a watch ends with an error.
                end(&mut call, trailers);
            }
            frame
        }))
    })
}

/// Ends a call, if these headers or trailers have its code.
fn end(call: &mut CountedCall, headers: &HeaderMap) -> Option<GrpcCode> {
    let code = grpc_code(headers.get(Status::GRPC_STATUS)?);
    call.ended(code);
    Some(code)
}

#[cfg(test)]
mod tests;
