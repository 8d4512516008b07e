//! Calls: how many begin, how they end, and how long they take.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};
use tokio::time::Instant;

use super::{
    callers::{CallerName, CallerNames},
    labels::{label_values, start_at_zero},
};

/// Upper ends of the buckets, in seconds.
pub(super) const DURATION_BUCKETS_SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// The codes of gRPC, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum GrpcCode {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl GrpcCode {
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// gRPC's own name, as other languages and dashboards have it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl From<i32> for GrpcCode {
    fn from(number: i32) -> Self {
        let mut codes = Self::iter();
        let code = usize::try_from(number).ok().and_then(|it| codes.nth(it));
        code.unwrap_or(Self::Unknown)
    }
}

/// The form of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CallType {
    Unary,
    ClientStream,
    ServerStream,
    BidiStream,
    Unknown,
}

/// A method of the contract, or none of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MethodLabels {
    pub grpc_type: CallType,
    pub grpc_service: Arc<str>,
    pub grpc_method: Arc<str>,
}

impl MethodLabels {
    /// For a path that is no method, which may be any text.
    pub fn other() -> Self {
        Self {
            grpc_type: CallType::Unknown,
            grpc_service: "other".into(),
            grpc_method: "other".into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandledLabels {
    #[prometheus(flatten)]
    method: MethodLabels,
    grpc_code: GrpcCode,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallerLabels {
    caller: CallerName,
    method: Arc<str>,
    code: GrpcCode,
}

/// Why a call was refused that could have been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refused {
    Overloaded,
    CallerRate,
    CallerConcurrency,
    CallerWatches,
    TooManyWatches,
    TooLarge,
    ShuttingDown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    reason: Refused,
}

label_values!(GrpcCode, CallType, Refused);

/// Counts calls.
#[derive(Clone, Debug)]
pub struct CallMetrics(Arc<State>);

#[derive(Debug)]
struct State {
    started: Family<MethodLabels, Counter>,
    handled: Family<HandledLabels, Counter>,
    seconds: Family<MethodLabels, Histogram>,
    by_caller: Family<CallerLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    in_flight: Gauge,
    names: CallerNames,
}

impl Default for CallMetrics {
    fn default() -> Self {
        Self::new(CallerNames::default())
    }
}

impl CallMetrics {
    pub(super) fn new(names: CallerNames) -> Self {
        let refused = Family::<RefusedLabels, Counter>::default();
        start_at_zero(
            &refused,
            Refused::iter().map(|reason| RefusedLabels { reason }),
        );
        Self(Arc::new(State {
            started: Family::default(),
            handled: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS_SECONDS)),
            by_caller: Family::default(),
            refused,
            in_flight: Gauge::default(),
            names,
        }))
    }

    /// A call begins; it ends when what is returned is dropped.
    pub fn begin(&self, method: MethodLabels) -> CountedCall {
        self.0.started.get_or_create(&method).inc();
        self.0.in_flight.inc();
        CountedCall {
            metrics: self.clone(),
            method,
            began: Instant::now(),
            caller: CallerSlot::default(),
            code: GrpcCode::Cancelled,
        }
    }

    pub fn refused(&self, reason: Refused) {
        let labels = RefusedLabels { reason };
        self.0.refused.get_or_create(&labels).inc();
    }
}

/// Where the caller of a call is put once it is known.
#[derive(Clone, Debug, Default)]
pub struct CallerSlot(Arc<OnceLock<String>>);

impl CallerSlot {
    pub fn set(&self, name: &str) {
        // A call has one caller.
        let _ = self.0.set(name.to_owned());
    }
}

/// A call under way. Without a code it was cancelled.
#[derive(Debug)]
pub struct CountedCall {
    metrics: CallMetrics,
    method: MethodLabels,
    began: Instant,
    caller: CallerSlot,
    code: GrpcCode,
}

impl CountedCall {
    pub fn caller_slot(&self) -> CallerSlot {
        self.caller.clone()
    }

    pub const fn ended(&mut self, code: GrpcCode) {
        self.code = code;
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        let (metrics, method) = (&*self.metrics.0, &self.method);
        let took: Duration = self.began.elapsed();
        metrics.in_flight.dec();
        let handled = HandledLabels {
            method: method.clone(),
            grpc_code: self.code,
        };
        metrics.handled.get_or_create(&handled).inc();
        let seconds = metrics.seconds.get_or_create(method);
        seconds.observe(took.as_secs_f64());
        let by_caller = CallerLabels {
            caller: metrics.names.label(self.caller.0.get().map(String::as_str)),
            method: Arc::clone(&method.grpc_method),
            code: self.code,
        };
        metrics.by_caller.get_or_create(&by_caller).inc();
    }
}

impl CallMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "grpc_server_started",
            "Calls that began",
            self.0.started.clone(),
        );
        registry.register(
            "grpc_server_handled",
            "Calls that ended, by their codes",
            self.0.handled.clone(),
        );
        registry.register(
            "grpc_server_handling_seconds",
            "How long calls took, until their answers were sent",
            self.0.seconds.clone(),
        );
        let own = registry.sub_registry_with_prefix("leadchat_inbox");
        own.register(
            "calls",
            "Calls that ended, by their callers",
            self.0.by_caller.clone(),
        );
        own.register(
            "refused",
            "Calls that were refused to protect the service",
            self.0.refused.clone(),
        );
        own.register(
            "calls_in_flight",
            "Calls that are under way",
            self.0.in_flight.clone(),
        );
    }
}
