//! Watches: how many are open, what they send, how they end, and the reads that they cause.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use super::{
    gauges::Gauges,
    labels::{label_values, start_at_zero},
    reads::Counted,
};

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum WatchEventName {
    Upserted,
    Removed,
    Synced,
    Heartbeat,
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum WatchEnded {
    /// The client has left, or its connection has ended.
    Client,
    /// At its deadline.
    Deadline,
    /// At its age.
    Age,
    /// The server stops.
    Stopped,
    /// The viewer does not belong to the account any more, or it is suspended.
    Viewer,
    /// The credentials of the caller do not hold any more, or it is no caller any more.
    Credentials,
    /// The rules of the caller do not allow the watch any more.
    Rules,
    /// The store has been away for too long.
    Store,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event: WatchEventName,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedLabels {
    why: WatchEnded,
}

label_values!(WatchEventName, WatchEnded);

/// Counts watches.
#[derive(Clone, Debug, Default)]
pub struct WatchMetrics {
    open: Gauge,
    events: Family<EventLabels, Counter>,
    ended: Family<EndedLabels, Counter>,
    accounts: Gauge,
    bytes: Gauge,
    round_seconds: Gauge<f64, AtomicU64>,
    failed_polls: Counter,
    gauges: Gauges,
}

impl WatchMetrics {
    pub(super) fn new(gauges: Gauges) -> Self {
        Self {
            gauges,
            ..Self::default()
        }
    }

    /// A watch is open until what is returned is dropped.
    pub fn opened(&self) -> Counted {
        Counted::one(&self.open)
    }

    pub fn sent(&self, event: WatchEventName) {
        self.events.get_or_create(&EventLabels { event }).inc();
    }

    pub fn ended(&self, why: WatchEnded) {
        self.ended.get_or_create(&EndedLabels { why }).inc();
    }

    /// The watched accounts, the memory of their states, and how long it takes to read each once.
    pub fn watched(&self, accounts: usize, bytes: usize, round: Duration) {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.accounts.set(number(accounts));
        self.bytes.set(number(bytes));
        self.round_seconds.set(round.as_secs_f64());
    }

    pub fn poll_failed(&self) {
        self.failed_polls.inc();
    }

    /// How the age of the oldest state is read.
    pub fn read_oldest_age(&self, read: impl Fn() -> Option<Duration> + Send + Sync + 'static) {
        self.gauges.add_time(
            "watch_oldest_state_seconds",
            "The age of the oldest state that a watch is served by",
            read,
        );
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let events = WatchEventName::iter().map(|event| EventLabels { event });
        start_at_zero(&self.events, events);
        start_at_zero(
            &self.ended,
            WatchEnded::iter().map(|why| EndedLabels { why }),
        );
        registry.register("watches", "Open watches", self.open.clone());
        registry.register(
            "watch_events",
            "Events that watches sent",
            self.events.clone(),
        );
        registry.register("watches_ended", "Watches that ended", self.ended.clone());
        registry.register(
            "watched_accounts",
            "Accounts that are watched",
            self.accounts.clone(),
        );
        registry.register(
            "watched_bytes",
            "The memory of the newest states of watched accounts",
            self.bytes.clone(),
        );
        registry.register(
            "watch_round_seconds",
            "The time in which each watched account is read once",
            self.round_seconds.clone(),
        );
        registry.register(
            "watch_polls_failed",
            "Reads for watches that failed",
            self.failed_polls.clone(),
        );
    }
}
