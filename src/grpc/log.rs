//! One span and one line a call: which method, for whom, what came of it, and
//! how long it took.
//!
//! What a caller sends is not repeated, whatever it may look like: an id has
//! passed `request_id`, a method is one that is served, and of a request only
//! its account and the kind of its viewer are told.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::{Request, Response};
use prost::{DecodeError, Message};
use prost_types::FileDescriptorSet;
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};
use tower_http::{request_id::RequestId, trace::MakeSpan};
use tracing::{Span, error_span, field::Empty, info};

use super::{around::Around, pb, status::CallError};
use crate::domain::{access::Viewer, id::AccountId};

/// What stands for the path of a method that there is not: a path may be any
/// text, of any length.
const UNKNOWN: &str = "unknown";

/// Makes the spans of calls.
#[derive(Clone)]
pub struct Calls {
    /// The paths of all methods.
    methods: Arc<BTreeSet<String>>,
}

impl Calls {
    /// Of the services here. They are taken from their descriptors, so that a
    /// new method is not forgotten.
    pub fn of_all_services() -> Result<Self, DecodeError> {
        let mut methods = BTreeSet::new();
        for descriptors in [
            pb::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            for file in FileDescriptorSet::decode(descriptors)?.file {
                for service in &file.service {
                    let path = format!("/{}.{}", file.package(), service.name());
                    let of_service = service.method.iter();
                    methods.extend(of_service.map(|method| format!("{path}/{}", method.name())));
                }
            }
        }
        Ok(Self {
            methods: Arc::new(methods),
        })
    }
}

impl<B> MakeSpan<B> for Calls {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        let path = request.uri().path();
        let method = self.methods.get(path).map_or(UNKNOWN, String::as_str);
        let id = request.extensions().get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok());
        // Of the highest level, so that RUST_LOG=error too says which call it was.
        error_span!(
            "call",
            method,
            request_id = id,
            account = Empty,
            viewer = Empty
        )
    }
}

/// Tells who asks, once that is known.
/// Without an account where all are meant.
pub fn asked(account: Option<AccountId>, viewer: Viewer) {
    let viewer = match viewer {
        Viewer::User(_) => "user",
        Viewer::AgentBot(_) => "agent_bot",
        Viewer::Service => "service",
    };
    let span = Span::current();
    if let Some(account) = account {
        span.record("account", account.0);
    }
    span.record("viewer", viewer);
}

/// Tells of the calls that end without an answer: their callers gave them up.
#[derive(Clone, Copy)]
pub struct GivenUp;

/// A call that nobody has answered yet.
pub struct Unanswered {
    span: Span,
    began: Instant,
}

impl Around for GivenUp {
    type Head = Unanswered;

    fn read<B>(&self, _: &mut Request<B>) -> Unanswered {
        Unanswered {
            span: Span::current(),
            began: Instant::now(),
        }
    }

    async fn answer<E: Send + 'static>(
        mut call: Unanswered,
        answered: impl Future<Output = Result<Response<Body>, E>> + Send + 'static,
    ) -> Result<Response<Body>, E> {
        let answered = answered.await;
        // Its line is written by the layer above.
        call.span = Span::none();
        answered
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.span.is_none() {
            let took_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
            info!(parent: &self.span, code = name(Code::Cancelled), took_us, "given up");
        }
    }
}

/// Tells what came of a call.
pub fn answered<B>(response: &Response<B>, took: Duration, _: &Span) {
    // An error comes in the headers; a stream's end is not waited for.
    let code = response.headers().get(Status::GRPC_STATUS);
    let code = code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
    // As a number: JSON has none of 128 bits.
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    info!(code = %name(code), took_us, "answered");
}

/// Tells of an answer that had begun, and did not come to its end.
pub fn cut_off(call: &Span, error: &CallError) {
    info!(parent: call, code = name(error.code()), "the answer was cut off");
}

/// gRPC's own name, as other languages and dashboards have it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
