//! Reads of the store: their limit, their results, and how old what they answer is.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use super::{
    calls::DURATION_BUCKETS_SECONDS,
    labels::{label_values, start_at_zero},
};
use crate::domain::freshness::{BootInstant, Freshness};

/// Upper ends of the buckets of ages, in seconds.
const AGE_BUCKETS_SECONDS: [f64; 12] = [
    0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0,
];

/// The kinds of reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Shape {
    /// A whole account.
    Account,
    /// Some inboxes of one, or a membership alone.
    Inboxes,
    /// The inboxes of an account that own an address.
    Address,
    /// The same in any account.
    Search,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ReadResult {
    Ok,
    /// The database did not answer, or interrupted the read.
    Unavailable,
    Unexpected,
    /// No call waited for it any more.
    Cancelled,
    /// The latest was asked of a standby.
    Standby,
}

/// Why no permit was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NoPermit {
    QueueFull,
    QueueTimeout,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadLabels {
    shape: Shape,
    result: ReadResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShapeLabels {
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NoPermitLabels {
    reason: NoPermit,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FreshnessLabels {
    freshness: Freshness,
}

label_values!(Shape, ReadResult, NoPermit);

/// Counts the statements of reads.
#[derive(Clone, Debug, Default)]
pub struct StatementCounter(Counter);

impl StatementCounter {
    pub fn sent(&self) {
        self.0.inc();
    }
}

/// Counts reads.
#[derive(Clone, Debug)]
pub struct ReadMetrics {
    pub running: Gauge,
    pub waiting: Gauge,
    pub max: Gauge,
    pub statements: StatementCounter,
    no_permit: Family<NoPermitLabels, Counter>,
    results: Family<ReadLabels, Counter>,
    seconds: Family<ShapeLabels, Histogram>,
    ages: Family<FreshnessLabels, Histogram>,
    beyond_bound: Counter,
    max_staleness: Duration,
}

impl Default for ReadMetrics {
    fn default() -> Self {
        Self::new(Duration::ZERO)
    }
}

impl ReadMetrics {
    pub(super) fn new(max_staleness: Duration) -> Self {
        let no_permit = Family::<NoPermitLabels, Counter>::default();
        start_at_zero(
            &no_permit,
            NoPermit::iter().map(|reason| NoPermitLabels { reason }),
        );
        Self {
            running: Gauge::default(),
            waiting: Gauge::default(),
            max: Gauge::default(),
            statements: StatementCounter::default(),
            no_permit,
            results: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS_SECONDS)),
            ages: Family::new_with_constructor(|| Histogram::new(AGE_BUCKETS_SECONDS)),
            beyond_bound: Counter::default(),
            max_staleness,
        }
    }

    pub fn no_permit(&self, reason: NoPermit) {
        let labels = NoPermitLabels { reason };
        self.no_permit.get_or_create(&labels).inc();
    }

    /// A read has ended, with or without an answer.
    pub fn ended(&self, shape: Shape, result: ReadResult, took: Duration) {
        let labels = ReadLabels { shape, result };
        self.results.get_or_create(&labels).inc();
        let seconds = self.seconds.get_or_create(&ShapeLabels { shape });
        seconds.observe(took.as_secs_f64());
    }

    /// Reads that were answered, since the start.
    pub fn answered_reads(&self) -> u64 {
        let result = ReadResult::Ok;
        let of = |shape| {
            self.results
                .get_or_create_owned(&ReadLabels { shape, result })
        };
        Shape::iter().map(|shape| of(shape).get()).sum()
    }

    /// A call is answered with what was so at a moment. An age beyond the bound must not
    /// happen; it is judged here once more, beside the cache.
    pub fn answered(&self, freshness: Freshness, arrived: BootInstant, as_of: BootInstant) {
        let age = arrived.0.saturating_sub(as_of.0);
        let ages = self.ages.get_or_create(&FreshnessLabels { freshness });
        ages.observe(age.as_secs_f64());
        let bound = match freshness {
            Freshness::Bounded => self.max_staleness,
            Freshness::Latest | Freshness::Current => Duration::ZERO,
        };
        if age > bound {
            self.beyond_bound.inc();
        }
    }
}

/// A gauge that counts what exists.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    pub fn one(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl ReadMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for shape in Shape::iter() {
            let results = ReadResult::iter().map(|result| ReadLabels { shape, result });
            start_at_zero(&self.results, results);
        }
        registry.register("reads_running", "Reads that run", self.running.clone());
        registry.register(
            "reads_waiting",
            "Reads that wait for a permit",
            self.waiting.clone(),
        );
        registry.register("max_reads", "Reads at a time at most", self.max.clone());
        registry.register(
            "reads_refused",
            "Reads that got no permit",
            self.no_permit.clone(),
        );
        registry.register(
            "store_reads",
            "Reads of the store that ended",
            self.results.clone(),
        );
        registry.register(
            "store_statements",
            "Statements that reads of the store sent for rows",
            self.statements.0.clone(),
        );
        registry.register(
            "store_read_seconds",
            "How long reads of the store took, without the wait for a permit",
            self.seconds.clone(),
        );
        registry.register(
            "answer_age_seconds",
            "How old an answer was when its call arrived",
            self.ages.clone(),
        );
        registry.register(
            "answers_beyond_bound",
            "Answers that were older than the maximum staleness",
            self.beyond_bound.clone(),
        );
        let max_staleness = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        max_staleness.set(self.max_staleness.as_secs_f64());
        registry.register(
            "max_staleness_seconds",
            "The age of an answer at most",
            max_staleness,
        );
    }
}
