//! Caches: what they hold, and what they are good for.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use super::{
    gauges::Gauges,
    labels::{label_values, start_at_zero},
};
use crate::domain::freshness::Freshness;

/// The caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CacheName {
    Accounts,
    Excerpts,
    Flags,
}

/// How an entry was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Lookup {
    /// From memory.
    Hit,
    /// By a read that another call had begun.
    Joined,
    /// By a read of its own.
    Read,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refresh {
    Begun,
    NoPermit,
}

/// Whether an entry that was evicted could have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Evicted {
    Fresh,
    Stale,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    cache: CacheName,
    freshness: Freshness,
    result: Lookup,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefreshLabels {
    cache: CacheName,
    result: Refresh,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EvictedLabels {
    cache: CacheName,
    entry: Evicted,
}

label_values!(CacheName, Lookup, Refresh, Evicted);

/// Counts what caches do.
#[derive(Clone, Debug, Default)]
pub struct CacheMetrics {
    lookups: Family<LookupLabels, Counter>,
    refreshes: Family<RefreshLabels, Counter>,
    evictions: Family<EvictedLabels, Counter>,
    gauges: Gauges,
}

/// The size of a cache at a moment.
#[derive(Clone, Copy, Debug)]
pub struct CacheLoad {
    pub entries: usize,
    pub bytes: u64,
    pub max_bytes: u64,
}

impl CacheMetrics {
    pub(super) fn new(gauges: Gauges) -> Self {
        Self {
            gauges,
            ..Self::default()
        }
    }

    /// The metrics of one cache.
    pub fn of(&self, cache: CacheName) -> OneCacheMetrics {
        OneCacheMetrics {
            cache,
            all: self.clone(),
        }
    }
}

/// Counts what one cache does.
#[derive(Clone, Debug)]
pub struct OneCacheMetrics {
    cache: CacheName,
    all: CacheMetrics,
}

impl OneCacheMetrics {
    pub fn count_lookup(&self, freshness: Freshness, result: Lookup) {
        let labels = LookupLabels {
            cache: self.cache,
            freshness,
            result,
        };
        self.all.lookups.get_or_create(&labels).inc();
    }

    pub fn refresh(&self, result: Refresh) {
        let labels = RefreshLabels {
            cache: self.cache,
            result,
        };
        self.all.refreshes.get_or_create(&labels).inc();
    }

    pub fn evicted(&self, entry: Evicted) {
        let labels = EvictedLabels {
            cache: self.cache,
            entry,
        };
        self.all.evictions.get_or_create(&labels).inc();
    }

    /// Reads the load at each scrape, until there is none any more.
    pub fn read_load(&self, load: impl Fn() -> Option<CacheLoad> + Clone + Send + Sync + 'static) {
        let label = Some(("cache", self.cache.into()));
        let gauges = &self.all.gauges;
        let of = load.clone();
        gauges.add("cache_entries", "Entries of the cache", label, move || {
            i64::try_from(of()?.entries).ok()
        });
        let of = load.clone();
        gauges.add("cache_bytes", "Memory of the cache", label, move || {
            i64::try_from(of()?.bytes).ok()
        });
        let help = "The most memory of the cache";
        gauges.add("cache_max_bytes", help, label, move || {
            i64::try_from(load()?.max_bytes).ok()
        });
    }
}

impl CacheMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for cache in CacheName::iter() {
            let refreshes = Refresh::iter().map(|result| RefreshLabels { cache, result });
            start_at_zero(&self.refreshes, refreshes);
            let evictions = Evicted::iter().map(|entry| EvictedLabels { cache, entry });
            start_at_zero(&self.evictions, evictions);
        }
        registry.register(
            "cache_lookups",
            "Entries that calls asked for",
            self.lookups.clone(),
        );
        registry.register(
            "cache_refreshes",
            "Refreshes that were due",
            self.refreshes.clone(),
        );
        registry.register(
            "cache_evictions",
            "Entries that were evicted for want of memory",
            self.evictions.clone(),
        );
    }
}
