//! The trace of a call: that of its caller goes on, and gets the code.
//!
//! Of the caller's headers, `traceparent` alone is read,
//! and only where the caller is known: others could have everything traced.

use std::collections::HashMap;

use http::HeaderMap;
use opentelemetry::{propagation::TextMapPropagator, trace::Status as SpanStatus};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::metrics::calls::GrpcCode;

const TRACEPARENT: &str = "traceparent";

/// Continues the trace of an identified caller.
pub fn continue_trace(headers: &HeaderMap) {
    let mut values = headers.get_all(TRACEPARENT).iter();
    // It comes once (W3C Trace Context).
    let (Some(value), None) = (values.next(), values.next()) else {
        return;
    };
    let Ok(value) = value.to_str() else { return };
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), value.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&carrier);
    // Without traces, there is nothing to continue.
    let _ = Span::current().set_parent(parent);
}

/// Records the code of a call, as the conventions of OpenTelemetry have it.
pub fn record_code(call: &Span, code: GrpcCode) {
    call.set_attribute("rpc.grpc.status_code", code.number());
    let is_server_error = matches!(
        code,
        GrpcCode::Unknown
            | GrpcCode::DeadlineExceeded
            | GrpcCode::Unimplemented
            | GrpcCode::Internal
            | GrpcCode::Unavailable
            | GrpcCode::DataLoss
    );
    if is_server_error {
        call.set_status(SpanStatus::error(code.name()));
    }
}
