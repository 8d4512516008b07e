//! The database and Redis: connections, whether they answer, and values that cannot be read.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use super::{
    files::FileMetrics,
    gauges::Gauges,
    labels::{Kind, NoLabels, label_values, start_at_zero},
};
use crate::domain::{channel::ChannelKind, degradation::DegradationReason};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RedisResult {
    Ok,
    /// Redis answers some key with an error.
    Refused,
    /// Redis does not answer.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RedisLabels {
    result: RedisResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DegradationLabels {
    kind: Kind,
    reason: DegradationReason,
}

label_values!(RedisResult);

/// Counts what databases do.
#[derive(Clone, Debug, Default)]
pub struct StoreMetrics {
    degradations: Family<DegradationLabels, Counter>,
    redis_reads: Family<RedisLabels, Counter>,
    /// Empty without a Redis.
    redis_up: Family<NoLabels, Gauge>,
    up: Gauge,
    ready: Gauge,
    /// Of passwords.
    pub files: FileMetrics,
    gauges: Gauges,
}

/// The connections to a database at a moment.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLoad {
    pub in_use: usize,
    pub idle: usize,
    /// As many as can be had.
    pub available: usize,
}

impl StoreMetrics {
    pub(super) fn new(gauges: Gauges, files: FileMetrics) -> Self {
        Self {
            files,
            gauges,
            ..Self::default()
        }
    }

    /// A row that was read has a value that could not be.
    pub fn degraded(&self, kind: Option<ChannelKind>, reason: DegradationReason) {
        let kind = Kind(kind);
        self.degradations
            .get_or_create(&DegradationLabels { kind, reason })
            .inc();
    }

    pub fn redis_read(&self, result: RedisResult) {
        self.redis_reads
            .get_or_create(&RedisLabels { result })
            .inc();
    }

    pub fn set_redis_up(&self, is_up: bool) {
        self.redis_up
            .get_or_create(&NoLabels {})
            .set(i64::from(is_up));
    }

    /// `None` without a Redis.
    pub fn redis_is_up(&self) -> Option<bool> {
        Some(self.redis_up.get(&NoLabels {})?.get() != 0)
    }

    /// Whether the database has answered the last question of the readiness.
    pub fn set_up(&self, is_up: bool) {
        self.up.set(i64::from(is_up));
    }

    pub fn is_up(&self) -> bool {
        self.up.get() != 0
    }

    /// Whether the process is ready.
    pub fn set_ready(&self, is_ready: bool) {
        self.ready.set(i64::from(is_ready));
    }

    /// Reads the connections at each scrape.
    pub fn read_connections(
        &self,
        load: impl Fn() -> ConnectionLoad + Clone + Send + Sync + 'static,
    ) {
        let (name, help) = ("store_connections", "Connections to the database");
        let of = load.clone();
        let in_use = Some(("state", "in_use"));
        self.gauges
            .add(name, help, in_use, move || i64::try_from(of().in_use).ok());
        let of = load.clone();
        let idle = Some(("state", "idle"));
        self.gauges
            .add(name, help, idle, move || i64::try_from(of().idle).ok());
        let (name, help) = (
            "store_connections_available",
            "Connections that the database gives, as far as is known",
        );
        self.gauges.add(name, help, None, move || {
            i64::try_from(load().available).ok()
        });
    }
}

impl StoreMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let results = RedisResult::iter().map(|result| RedisLabels { result });
        start_at_zero(&self.redis_reads, results);
        registry.register(
            "degradations",
            "Values of rows that could not be read as stored",
            self.degradations.clone(),
        );
        registry.register(
            "redis_reads",
            "Reads of flags from Redis",
            self.redis_reads.clone(),
        );
        registry.register(
            "redis_up",
            "1 while Redis can be reached",
            self.redis_up.clone(),
        );
        registry.register(
            "store_up",
            "1 if the database has answered the last question of the readiness",
            self.up.clone(),
        );
        registry.register("ready", "1 while /readyz says so", self.ready.clone());
    }
}
