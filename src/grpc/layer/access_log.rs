//! One span and one log line a call: method, caller, viewer, code and duration.
//!
//! No text of a client is logged. The request id has passed `request_id`, and the method
//! is a known one. Of a request, only the account and the kind of viewer are logged. Of
//! credentials, a proved identity and the id of a token's key are, both cut.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, response::Parts};
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

use super::{method::method, trace_context::record_code};
use crate::{
    domain::{id::AccountId, viewer::Viewer},
    grpc::{
        refusal_log::{RefusalLog, UnidentifiedCall},
        status::CallError,
    },
    identity::{Caller, Method, Peer},
    metrics::calls::{GrpcCode, MethodLabels},
};

/// The method of a call to an unknown path, which may be any text of any length.
const UNKNOWN_METHOD: &str = "unknown";

/// The calls that have lines. Calls of callers that are not known have lines in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    #[default]
    All,
    /// Those that fail.
    Errors,
    Off,
}

/// Makes the spans of calls.
#[derive(Clone)]
pub struct CallSpan {
    methods: Arc<BTreeMap<String, MethodLabels>>,
}

impl CallSpan {
    /// For these methods of all services, by their paths.
    pub const fn new(methods: Arc<BTreeMap<String, MethodLabels>>) -> Self {
        Self { methods }
    }
}

impl<B> MakeSpan<B> for CallSpan {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        let path = request.uri().path();
        let method = self
            .methods
            .get_key_value(path)
            .map_or(UNKNOWN_METHOD, |(path, _)| path);
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
pub fn log_cancelled<B>(
    access_log: AccessLog,
) -> OnEarlyDropLayer<impl OnFutureDrop<B> + Clone, impl OnBodyDrop<B> + Clone> {
    let is_on = access_log != AccessLog::Off;
    let before_answer = move |_: &Request<B>| {
        let (call, began) = (Span::current(), Instant::now());
        move || {
            record_code(&call, GrpcCode::Cancelled);
            if !is_on {
                return;
            }
            let took_us = microseconds(began.elapsed());
            info!(parent: &call, code = GrpcCode::Cancelled.name(), took_us, "cancelled");
        }
    };
    let within_answer = OnBodyDropFn::new(move |request: &Request<B>| {
        let call = Span::current();
        // A watch has a line of its own.
        let has_line = is_on && method(request.uri().path()) != Some(Method::WatchInboxes);
        move |_: &Parts| {
            move || {
                if has_line {
                    info!(parent: &call, "the response was not sent completely");
                }
            }
        }
    });
    OnEarlyDropLayer::builder()
        .on_future_drop(before_answer)
        .on_body_drop(within_answer)
}

/// Logs how a call ended. Calls that are refused for want of a known caller share lines.
pub fn log_answered<B>(access_log: AccessLog, refusals: RefusalLog) -> impl OnResponse<B> + Clone {
    move |response: &Response<B>, took: Duration, call: &Span| {
        // An error comes in the headers; a stream's end is not waited for.
        let code = response.headers().get(Status::GRPC_STATUS);
        let code = code.map_or(GrpcCode::Ok, grpc_code);
        record_code(call, code);
        let unidentified = response.extensions().get::<UnidentifiedCall>();
        if unidentified.is_some_and(|it| !refusals.admit_call(it, call)) {
            return;
        }
        let has_line = match access_log {
            AccessLog::All => true,
            AccessLog::Errors => code != GrpcCode::Ok,
            AccessLog::Off => unidentified.is_some(),
        };
        if !has_line {
            return;
        }
        info!(code = %code.name(), took_us = microseconds(took), "answered");
    }
}

/// The code of a header or a trailer.
pub fn grpc_code(value: &HeaderValue) -> GrpcCode {
    i32::from(Code::from_bytes(value.as_bytes())).into()
}

/// As a number that JSON has: it has none of 128 bits.
fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
