//! Remembers values for a bounded time, and reads each once for all calls that wait.
//!
//! [`state`] decides what a call does next; this module runs the reads. A read runs for as
//! long as a call waits for it. A refresh begins before a value is too old, and no call
//! waits for it. It is not known here what the values are.

mod state;

use std::{hash::Hash, sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::timeout;

use crate::domain::{
    directory::DirectoryError,
    freshness::{BootInstant, Clock, Freshness, ReadOptions},
};
pub use state::{CacheEntry, CacheSize, StalenessBounds, Weigh};
use state::{CacheState, Demand, ReadHandle, ReadId, Step};

/// The longest time of a shared read. Its calls have deadlines of their own.
pub const SHARED_READ_TIMEOUT: Duration = Duration::from_secs(10);

type Outcome<V> = Result<Arc<CacheEntry<V>>, DirectoryError>;
type ReadFuture<V> = BoxFuture<'static, Outcome<V>>;
type State<K, V> = CacheState<K, V, Option<WeakShared<ReadFuture<V>>>>;

/// A cache whose reads are shared.
pub struct SharedCache<K, V> {
    state: Arc<State<K, V>>,
    clock: Clock,
}

/// How the value of a key is read.
pub trait ValueSource<V> {
    type RefreshPermit: Send + 'static;

    /// A permit for a read that no call waits for, if one is free.
    fn try_refresh_permit(&self) -> Option<Self::RefreshPermit>;

    /// Reads, and tells of which moment the value is. A refresh owns a permit. `previous` is
    /// an earlier value of the same key.
    fn read(
        &self,
        freshness: Freshness,
        refresh_permit: Option<Self::RefreshPermit>,
        previous: Option<Arc<CacheEntry<V>>>,
    ) -> impl Future<Output = Result<(V, BootInstant), DirectoryError>> + Send + 'static;
}

impl<V> ReadHandle for Option<WeakShared<ReadFuture<V>>> {
    type Read = Shared<ReadFuture<V>>;

    /// `None` once no call waits for it.
    fn upgrade(&self) -> Option<Self::Read> {
        self.as_ref()?.upgrade()
    }
}

impl<K, V> SharedCache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Weigh + Send + Sync + 'static,
{
    pub fn new(size: CacheSize, bounds: StalenessBounds, clock: Clock) -> Self {
        Self {
            state: Arc::new(CacheState::new(size, bounds)),
            clock,
        }
    }

    /// An entry that is fresh enough, if there is one. Begins no read.
    pub fn peek(&self, key: &K, options: ReadOptions) -> Option<Arc<CacheEntry<V>>> {
        let demand = Demand::new(options.freshness, options.arrived);
        self.state.fresh_entry(key, demand)
    }

    /// An entry that is fresh enough: from memory, or from a read.
    pub async fn get(
        &self,
        key: &K,
        options: ReadOptions,
        source: &(impl ValueSource<V> + Sync),
    ) -> Outcome<V> {
        let demand = Demand::new(options.freshness, options.arrived);
        let now = || self.clock.now();
        loop {
            let begin = |id| self.begin(key, demand.freshness, id, source, None);
            match self.state.step(key, demand, now, begin) {
                Step::Answer {
                    entry,
                    is_refresh_due,
                } => {
                    if is_refresh_due {
                        self.refresh(key, demand, source);
                    }
                    return Ok(entry);
                }
                Step::Join(read) => {
                    let outcome = read.await;
                    // Another read may have ended well meanwhile.
                    return outcome
                        .or_else(|error| self.state.fresh_entry(key, demand).ok_or(error));
                }
                Step::Wait(read) => _ = read.await,
            }
        }
    }

    /// Begins a refresh, unless all permits are in use.
    fn refresh(&self, key: &K, demand: Demand, source: &impl ValueSource<V>) {
        let Some(permit) = source.try_refresh_permit() else {
            return;
        };
        let begin = |id| self.begin(key, Freshness::Bounded, id, source, Some(permit));
        let now = || self.clock.now();
        if let Some(read) = self.state.begin_refresh(key, demand, now, begin) {
            tokio::spawn(read);
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
    ) -> (Option<WeakShared<ReadFuture<V>>>, Shared<ReadFuture<V>>) {
        let read = source.read(freshness, refresh_permit, self.state.entry(key));
        let mut ending = Ending {
            state: Arc::clone(&self.state),
            key: key.clone(),
            freshness,
            id,
            entry: None,
        };
        let read = async move {
            let outcome = timeout(SHARED_READ_TIMEOUT, read).await;
            let (value, as_of) = outcome.unwrap_or(Err(DirectoryError::Unavailable))?;
            let entry = Arc::new(CacheEntry::new(value, as_of));
            ending.entry = Some(Arc::clone(&entry));
            drop(ending);
            Ok(entry)
        };
        let read = read.boxed().shared();
        (read.downgrade(), read)
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
}

impl<K, V> Drop for Ending<K, V>
where
    K: Clone + Eq + Hash,
{
    fn drop(&mut self) {
        let entry = self.entry.take();
        self.state.end(&self.key, self.freshness, self.id, entry);
    }
}

#[cfg(test)]
mod tests;
