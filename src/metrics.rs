//! The numbers that the program counts, with their names and labels (docs/operations.md).
//!
//! The one place that knows the library of Prometheus. Each part of the program has a value of
//! its own to count with, and clones of it count together. Readiness reads some of them.
//!
//! Labels are enums, names of the contract, or names of the callers file, so that the number of
//! series is bounded. No value of a request or of a row is a label. A counter whose labels are
//! enums alone is 0 from the start, so that its first increase is seen.

pub mod cache;
pub mod callers;
pub mod calls;
pub mod connections;
pub mod files;
mod gauges;
mod labels;
mod process;
pub mod reads;
pub mod store;
pub mod watches;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use prometheus_client::{encoding::prometheus_text, registry::Registry};

use cache::CacheMetrics;
use callers::CallerMetrics;
use calls::CallMetrics;
use connections::ConnectionMetrics;
use files::FileMetrics;
use gauges::Gauges;
use process::Process;
use reads::ReadMetrics;
use store::StoreMetrics;
use watches::WatchMetrics;

/// The content type of a scrape.
pub use prometheus_text::CONTENT_TYPE;

/// All numbers of a process.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub calls: CallMetrics,
    pub callers: CallerMetrics,
    pub connections: ConnectionMetrics,
    pub files: FileMetrics,
    pub reads: ReadMetrics,
    pub caches: CacheMetrics,
    pub store: StoreMetrics,
    pub watches: WatchMetrics,
    registry: Arc<Mutex<Registry>>,
}

/// The sources of the numbers of the process itself.
#[derive(Clone, Copy, Debug)]
pub struct ProcessFacts {
    pub version: &'static str,
    pub clock: fn() -> SystemTime,
    /// Whether there is an admin server.
    pub is_scraped: bool,
    /// The time of all processors that the process has used.
    pub processor_time: fn() -> Duration,
}

impl Metrics {
    /// `max_staleness` is the age of an answer at most.
    pub fn new(max_staleness: Duration, process: ProcessFacts) -> Self {
        let mut registry = Registry::default();
        let gauges = Gauges::default();
        let callers = if process.is_scraped {
            CallerMetrics::with_accounts()
        } else {
            CallerMetrics::default()
        };
        let files = FileMetrics::new(process.clock);
        let metrics = Self {
            calls: CallMetrics::new(callers.names()),
            callers,
            connections: ConnectionMetrics::default(),
            files: files.clone(),
            reads: ReadMetrics::new(max_staleness),
            caches: CacheMetrics::new(gauges.clone()),
            store: StoreMetrics::new(gauges.clone(), files),
            watches: WatchMetrics::new(gauges.clone()),
            registry: Arc::default(),
        };
        metrics.calls.register(&mut registry);
        let own = registry.sub_registry_with_prefix("leadchat_inbox");
        metrics.callers.register(own);
        metrics.connections.register(own);
        metrics.files.register(own);
        metrics.reads.register(own);
        metrics.caches.register(own);
        metrics.store.register(own);
        metrics.watches.register(own);
        own.register_collector(Box::new(gauges));
        registry.register_collector(Box::new(Process::new(process)));
        *metrics.lock() = registry;
        metrics
    }

    /// The text of a scrape, in the format 0.0.4 of Prometheus.
    pub fn scrape(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.lock())?;
        Ok(text)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
