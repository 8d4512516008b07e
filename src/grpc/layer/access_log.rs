//! One span and one log line a call: method, caller, viewer, code and duration.
//!
//! No text of a client is logged. The request id has passed `request_id`, and the method
//! is a known one. Of a request, only the account and the kind of viewer are logged. Of
//! credentials, a proved identity and the id of a token's key are, both cut.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::{Request, Response, response::Parts};
use tokio::time::Instant;
use tonic::{Code, Status};
use tower_http::{
    on_early_drop::{OnBodyDrop, OnBodyDropFn, OnEarlyDropLayer, OnFutureDrop},
    request_id::RequestId,
    trace::{MakeSpan, OnResponse},
};
use tracing::{
    Span, error_span,
    field::{Empty, display},
    info,
};

use crate::{
    domain::{id::AccountId, viewer::Viewer},
    grpc::{
        descriptors,
        refusal_log::{RefusalLog, UnidentifiedCall},
        status::CallError,
    },
    identity::{Caller, Peer},
};

/// The method of a call to an unknown path, which may be any text of any length.
const UNKNOWN_METHOD: &str = "unknown";

/// Makes the spans of calls.
#[derive(Clone)]
pub struct CallSpan {
    /// The paths of all methods.
    methods: Arc<BTreeSet<String>>,
}

impl CallSpan {
    /// For the methods of all services, from their descriptors.
    pub fn new() -> Result<Self, prost::DecodeError> {
        Ok(Self {
            methods: Arc::new(descriptors::method_paths()?),
        })
    }
}

impl<B> MakeSpan<B> for CallSpan {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        let path = request.uri().path();
        let method = self
            .methods
            .get(path)
            .map_or(UNKNOWN_METHOD, String::as_str);
        let id = request.extensions().get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok());
        // The highest level, so that the span is there with RUST_LOG=error, too.
        error_span!(
            "call",
            method,
            request_id = id,
            caller = Empty,
            credential = Empty,
            account = Empty,
            viewer = Empty,
            reason = Empty,
            peer = Empty,
            identity = Empty,
            problem = Empty,
            issuer = Empty,
            kid = Empty,
            needs = Empty,
            limit = Empty
        )
    }
}

/// Records the viewer of a call, and the account unless the call concerns all.
pub fn record_viewer(account: Option<AccountId>, viewer: Viewer) {
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

/// Records the caller of a call.
pub fn record_caller(caller: &Caller) {
    let span = Span::current();
    span.record("caller", caller.name());
    span.record("credential", caller.credential());
}

/// Records the other end of a connection, where a call is refused.
pub fn record_peer(peer: &Peer) {
    Span::current().record("peer", display(peer));
}

/// Records why a call was refused before anything was read, as its caller is told it.
pub fn record_refusal(error: &CallError) {
    let span = Span::current();
    span.record("reason", error.reason());
    match error {
        CallError::CallerUnknown { identity } => span.record("identity", identity),
        CallError::CredentialsRefused(error) => span
            .record("problem", error.problem.name())
            .record("issuer", error.issuer.as_deref())
            .record("kid", error.key_id.as_deref()),
        CallError::CallerNotPermitted { needs, .. } => span.record("needs", needs.name()),
        CallError::CallerLimitExceeded { limit, .. } => span.record("limit", limit.name()),
        _ => &span,
    };
}

/// Logs calls that the client cancels before the whole response was sent.
pub fn log_cancelled<B>()
-> OnEarlyDropLayer<impl OnFutureDrop<B> + Clone, impl OnBodyDrop<B> + Clone> {
    let before_answer = |_: &Request<B>| {
        let (call, began) = (Span::current(), Instant::now());
        move || {
            let took_us = microseconds(began.elapsed());
            info!(parent: &call, code = code_name(Code::Cancelled), took_us, "cancelled");
        }
    };
    let within_answer = OnBodyDropFn::new(|_: &Request<B>| {
        let call = Span::current();
        move |_: &Parts| move || info!(parent: &call, "the response was not sent completely")
    });
    OnEarlyDropLayer::builder()
        .on_future_drop(before_answer)
        .on_body_drop(within_answer)
}

/// Logs how a call ended. Calls that are refused for want of a known caller share lines.
pub fn log_answered<B>(refusals: RefusalLog) -> impl OnResponse<B> + Clone {
    move |response: &Response<B>, took: Duration, call: &Span| {
        let unidentified = response.extensions().get::<UnidentifiedCall>();
        if unidentified.is_some_and(|it| !refusals.admit_call(it, call)) {
            return;
        }
        // An error comes in the headers; a stream's end is not waited for.
        let code = response.headers().get(Status::GRPC_STATUS);
        let code = code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        info!(code = %code_name(code), took_us = microseconds(took), "answered");
    }
}

/// As a number that JSON has: it has none of 128 bits.
fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// gRPC's own name, as other languages and dashboards have it.
const fn code_name(code: Code) -> &'static str {
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
