//! Remembers values for a bounded time, and reads each once for all calls that wait.
//!
//! [`state`] decides what a call does next; this module runs the reads. A read runs for as
//! long as a call waits for it. A refresh begins before a value is too old, and no call
//! has to wait for it. It is not known here what the values are.

mod state;

use std::{
    cell::Cell,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use crate::{
    domain::{
        directory::DirectoryError,
        freshness::{BootInstant, Clock, Freshness, ReadOptions},
    },
    metrics::cache::{Evicted, Lookup, OneCacheMetrics, Refresh},
};
pub use state::{CacheEntry, CacheSize, StalenessBounds, Weigh};
use state::{CacheState, Demand, ReadHandle, ReadId, Step};

/// The longest time of a shared read. Its calls have deadlines of their own.
pub const SHARED_READ_TIMEOUT: Duration = Duration::from_secs(10);

type Outcome<V> = Result<Arc<CacheEntry<V>>, DirectoryError>;
type ReadFuture<V> = BoxFuture<'static, Outcome<V>>;
type State<K, V> = CacheState<K, V, UnderWay<V>>;

/// A read under way, as its calls have it.
struct SharedRead<V> {
    outcome: Shared<ReadFuture<V>>,
    begun: Begun,
}

/// The same, as it is kept.
struct UnderWay<V> {
    /// `None` once no call waits for it.
    outcome: Option<WeakShared<ReadFuture<V>>>,
    begun: Begun,
}

/// Whether a read has begun, or waits for a permit.
#[derive(Clone, Default)]
pub struct Begun(Arc<AtomicBool>);

impl Begun {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A cache whose reads are shared.
pub struct SharedCache<K, V> {
    state: Arc<State<K, V>>,
    clock: Clock,
    metrics: OneCacheMetrics,
}

/// How the value of a key is read.
pub trait ValueSource<V> {
    type RefreshPermit: Send + 'static;

    /// A permit for a read that no call waits for, if one is free.
    fn try_refresh_permit(&self) -> Option<Self::RefreshPermit>;

    /// Reads, and tells of which moment the value is. A refresh owns a permit.
    fn read(
        &self,
        read: RequiredRead<V>,
        refresh_permit: Option<Self::RefreshPermit>,
    ) -> impl Future<Output = Result<(V, BootInstant), DirectoryError>> + Send + 'static;
}

/// A read that is to be made.
pub struct RequiredRead<V> {
    pub freshness: Freshness,
    /// To be set when it has its permit.
    pub begun: Begun,
    /// An earlier value of the same key.
    pub previous: Option<Arc<CacheEntry<V>>>,
}

impl<V> ReadHandle for UnderWay<V> {
    type Read = SharedRead<V>;

    fn upgrade(&self) -> Option<SharedRead<V>> {
        Some(SharedRead {
            outcome: self.outcome.as_ref()?.upgrade()?,
            begun: self.begun.clone(),
        })
    }
}

impl<V> SharedRead<V> {
    /// Waits for its outcome. A call leaves after half of the time until its deadline if the
    /// read has not begun by then: too little is left.
    async fn outcome(self, deadline: Instant) -> Outcome<V> {
        let now = Instant::now();
        let queue_deadline = now + deadline.saturating_duration_since(now) / 2;
        match timeout_at(queue_deadline, self.outcome.clone()).await {
            Ok(outcome) => outcome,
            Err(_) if self.begun.is_set() => self.outcome.await,
            Err(_) => Err(DirectoryError::Overloaded),
        }
    }
}

impl<K, V> SharedCache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Weigh + Send + Sync + 'static,
{
    pub fn new(
        size: CacheSize,
        bounds: StalenessBounds,
        clock: Clock,
        metrics: OneCacheMetrics,
    ) -> Self {
        let state = Arc::new(CacheState::new(size, bounds));
        let counted = Arc::downgrade(&state);
        metrics.read_load(move || Some(counted.upgrade()?.load()));
        Self {
            state,
            clock,
            metrics,
        }
    }

    /// An entry that is fresh enough, if there is one. Begins no read.
    pub fn peek(&self, key: &K, options: ReadOptions) -> Option<Arc<CacheEntry<V>>> {
        let demand = Demand::new(options.freshness, options.arrived);
        let entry = self.state.fresh_entry(key, demand)?;
        self.metrics.count_lookup(demand.freshness, Lookup::Hit);
        Some(entry)
    }

    /// An entry that is fresh enough: from memory, or from a read.
    pub async fn get(
        &self,
        key: &K,
        options: ReadOptions,
        source: &(impl ValueSource<V> + Sync),
    ) -> Outcome<V> {
        let demand = Demand::new(options.freshness, options.arrived);
        let deadline = Instant::from_std(options.deadline);
        let now = || self.clock.now();
        loop {
            let is_first = Cell::new(false);
            let begin = |id| {
                is_first.set(true);
                self.begin(key, demand.freshness, id, source, None)
            };
            match self.state.step(key, demand, now, begin) {
                Step::Answer {
                    entry,
                    is_refresh_due,
                } => {
                    self.metrics.count_lookup(demand.freshness, Lookup::Hit);
                    if is_refresh_due {
                        self.refresh(key, demand, source);
                    }
                    return Ok(entry);
                }
                Step::Join(read) => {
                    let lookup = if is_first.get() {
                        Lookup::Read
                    } else {
                        Lookup::Joined
                    };
                    self.metrics.count_lookup(demand.freshness, lookup);
                    let outcome = read.outcome(deadline).await;
                    // The cause is in the log of the call that began the read.
                    if let Err(error) = &outcome
                        && !is_first.get()
                    {
                        warn!(%error, "a shared read failed");
                    }
                    // Another read may have ended well meanwhile.
                    return outcome
                        .or_else(|error| self.state.fresh_entry(key, demand).ok_or(error));
                }
                Step::Wait(read) => {
                    let has_begun = read.begun.clone();
                    if read.outcome(deadline).await.is_err() && !has_begun.is_set() {
                        return Err(DirectoryError::Overloaded);
                    }
                }
            }
        }
    }

    /// Begins a refresh, unless all permits are in use.
    fn refresh(&self, key: &K, demand: Demand, source: &impl ValueSource<V>) {
        let Some(permit) = source.try_refresh_permit() else {
            self.metrics.refresh(Refresh::NoPermit);
            return;
        };
        let begin = |id| self.begin(key, Freshness::Bounded, id, source, Some(permit));
        let now = || self.clock.now();
        if let Some(read) = self.state.begin_refresh(key, demand, now, begin) {
            self.metrics.refresh(Refresh::Begun);
            tokio::spawn(read.outcome);
        }
    }

    /// A read that runs when it is polled, and ends when its last future is dropped.
    fn begin<S: ValueSource<V>>(
        &self,
        key: &K,
        freshness: Freshness,
        id: ReadId,
        source: &S,
        refresh_permit: Option<S::RefreshPermit>,
    ) -> (UnderWay<V>, SharedRead<V>) {
        let begun = Begun::default();
        let required = RequiredRead {
            freshness,
            begun: begun.clone(),
            previous: self.state.entry(key),
        };
        let read = source.read(required, refresh_permit);
        let mut ending = Ending {
            state: Arc::clone(&self.state),
            key: key.clone(),
            freshness,
            id,
            entry: None,
            clock: self.clock,
            metrics: self.metrics.clone(),
        };
        let outcome = async move {
            let Ok(outcome) = timeout(SHARED_READ_TIMEOUT, read).await else {
                warn!("a shared read takes too long");
                return Err(DirectoryError::Unavailable);
            };
            let (value, as_of) = outcome?;
            let entry = Arc::new(CacheEntry::new(value, as_of));
            ending.entry = Some(Arc::clone(&entry));
            drop(ending);
            Ok(entry)
        };
        let outcome = outcome.boxed().shared();
        let under_way = UnderWay {
            outcome: outcome.downgrade(),
            begun: begun.clone(),
        };
        (under_way, SharedRead { outcome, begun })
    }
}

/// Says that a read has ended, in whichever way.
struct Ending<K, V>
where
    K: Clone + Eq + Hash,
{
    state: Arc<State<K, V>>,
    key: K,
    freshness: Freshness,
    id: ReadId,
    entry: Option<Arc<CacheEntry<V>>>,
    clock: Clock,
    metrics: OneCacheMetrics,
}

impl<K, V> Drop for Ending<K, V>
where
    K: Clone + Eq + Hash,
{
    fn drop(&mut self) {
        let entry = self.entry.take();
        let evicted = self.state.end(&self.key, self.freshness, self.id, entry);
        for entry in &evicted {
            let is_fresh = self.state.is_fresh(entry, self.clock.now());
            self.metrics.evicted(if is_fresh {
                Evicted::Fresh
            } else {
                Evicted::Stale
            });
        }
    }
}

#[cfg(test)]
mod tests;
