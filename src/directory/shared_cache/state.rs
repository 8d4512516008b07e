//! The decisions of a cache: what a call does next, and which outcome is cached.
//!
//! It has no clock, no task and no database, so that schedules of calls and reads can be
//! tried against a model.
//!
//! An entry answers a call that arrived at most the maximum staleness after the moment of
//! the entry. A read under way answers a call that it began late enough for: for the
//! latest, after the call arrived. For each key and freshness at most one read is under way.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use crate::{
    domain::freshness::{BootInstant, Freshness},
    metrics::cache::CacheLoad,
};

/// How old an entry may be, and when it is read anew beside the calls.
#[derive(Clone, Copy, Debug)]
pub struct StalenessBounds {
    pub max_staleness: Duration,
    /// Spread by a tenth, so that entries of one moment are not refreshed at one moment.
    pub refresh_after: Duration,
}

/// Of the time after which refreshes are due.
const LEAST_PERCENT: u32 = 90;
const MOST_PERCENT: u32 = 110;

impl StalenessBounds {
    /// The age at which refreshes are due for all keys.
    pub fn latest_refresh(self) -> Duration {
        self.refresh_after * MOST_PERCENT / 100
    }
}

/// The size of a cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheSize {
    pub bytes: usize,
    /// Of a typical entry.
    pub bytes_per_entry: usize,
    /// One shard: an entry may be as large as the cache. Otherwise, as a shard.
    pub has_large_entries: bool,
}

/// A value that takes memory.
pub trait Weigh {
    /// In bytes, without the value's own size.
    fn heap_bytes(&self) -> usize;
}

/// A value, and the moment that it is of.
pub struct CacheEntry<V> {
    pub value: V,
    /// All that was committed before it is in the value.
    pub as_of: BootInstant,
    bytes: u64,
    /// For a fault that tests plant.
    #[cfg(test)]
    published: BootInstant,
}

/// The demand of a call.
#[derive(Clone, Copy)]
pub struct Demand {
    pub freshness: Freshness,
    pub arrived: BootInstant,
}

/// A read under way, as it is kept: it may have been given up.
pub trait ReadHandle {
    type Read;

    /// Takes part in the read, unless it was given up.
    fn upgrade(&self) -> Option<Self::Read>;
}

/// Tells reads of one key apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadId(u64);

/// The next step of a call.
pub enum Step<V, R> {
    /// It is answered from memory.
    Answer {
        entry: Arc<CacheEntry<V>>,
        is_refresh_due: bool,
    },
    /// The outcome of this read is its answer.
    Join(R),
    /// This read began too early. The call waits until it has ended, and asks again.
    Wait(R),
}

pub struct CacheState<K, V, H> {
    entries: Cache<K, Arc<CacheEntry<V>>, ByBytes, DefaultHashBuilder, KeepEvicted>,
    reads: Mutex<Reads<K, H>>,
    bounds: StalenessBounds,
    #[cfg(test)]
    fault: Option<tests::Fault>,
}

struct Reads<K, H> {
    under_way: HashMap<(K, Freshness), ReadUnderWay<H>>,
    last_id: u64,
}

struct ReadUnderWay<H> {
    id: ReadId,
    started: BootInstant,
    handle: H,
}

#[derive(Clone)]
struct ByBytes;

/// Hands back the entries that an insertion evicts.
#[derive(Clone)]
struct KeepEvicted;

impl<K, V> Lifecycle<K, Arc<CacheEntry<V>>> for KeepEvicted {
    type RequestState = Vec<Arc<CacheEntry<V>>>;

    fn begin_request(&self) -> Self::RequestState {
        Vec::new()
    }

    fn on_evict(&self, evicted: &mut Self::RequestState, _: K, entry: Arc<CacheEntry<V>>) {
        evicted.push(entry);
    }
}

impl<K, V> Weighter<K, Arc<CacheEntry<V>>> for ByBytes {
    fn weight(&self, _: &K, entry: &Arc<CacheEntry<V>>) -> u64 {
        entry.bytes
    }
}

impl<V: Weigh> CacheEntry<V> {
    pub fn new(value: V, as_of: BootInstant) -> Self {
        /// Of the entry itself: its key, its place in the cache and its counts.
        const PLACE_BYTES: usize = 160;

        let bytes = size_of::<Self>() + PLACE_BYTES + value.heap_bytes();
        Self {
            bytes: bytes as u64,
            value,
            as_of,
            #[cfg(test)]
            published: as_of,
        }
    }
}

impl Demand {
    pub const fn new(freshness: Freshness, arrived: BootInstant) -> Self {
        Self { freshness, arrived }
    }
}

impl<K, V, H> CacheState<K, V, H>
where
    K: Clone + Eq + Hash,
    H: ReadHandle,
{
    pub fn new(size: CacheSize, bounds: StalenessBounds) -> Self {
        let capacity = size.bytes as u64;
        let entries = size.bytes / size.bytes_per_entry.max(1);
        let mut options = OptionsBuilder::new();
        options
            .estimated_items_capacity(entries)
            .weight_capacity(capacity);
        if size.has_large_entries {
            options.shards(1);
        }
        let hash = DefaultHashBuilder::default();
        let entries = match options.build() {
            Ok(options) => Cache::with_options(options, ByBytes, hash, KeepEvicted),
            // Both numbers are set.
            Err(_) => Cache::with(entries, capacity, ByBytes, hash, KeepEvicted),
        };
        Self {
            entries,
            reads: Mutex::new(Reads {
                under_way: HashMap::new(),
                last_id: 0,
            }),
            bounds,
            #[cfg(test)]
            fault: None,
        }
    }

    /// The entry of a key, of any age.
    pub fn entry(&self, key: &K) -> Option<Arc<CacheEntry<V>>> {
        self.entries.peek(key)
    }

    /// The entry of a key, if it answers such a call.
    pub fn fresh_entry(&self, key: &K, demand: Demand) -> Option<Arc<CacheEntry<V>>> {
        // It is not known of an entry whether a primary was asked.
        if demand.freshness == Freshness::Latest {
            return None;
        }
        let entry = self.entries.get(key)?;
        let as_of = entry.as_of;
        #[cfg(test)]
        let as_of = match self.fault {
            Some(tests::Fault::AgeFromPublication) => entry.published,
            Some(tests::Fault::AgeIgnored) => demand.arrived,
            _ => as_of,
        };
        (as_of >= self.not_before(demand)).then_some(entry)
    }

    /// Decides the next step of a call. `begin` makes a read, and tells how it is kept.
    pub fn step(
        &self,
        key: &K,
        demand: Demand,
        now: impl FnOnce() -> BootInstant,
        begin: impl FnOnce(ReadId) -> (H, H::Read),
    ) -> Step<V, H::Read> {
        if let Some(answer) = self.answer(key, demand) {
            return answer;
        }
        let mut reads = self.lock();
        // A read may have ended since.
        if let Some(answer) = self.answer(key, demand) {
            return answer;
        }
        let under_way = reads.under_way.get(&(key.clone(), demand.freshness));
        let joined = under_way.and_then(|it| Some((it.started, it.handle.upgrade()?)));
        match joined {
            Some((started, read)) if self.answers(started, demand) => Step::Join(read),
            Some((_, read)) => Step::Wait(read),
            None => Step::Join(reads.begin(key, demand.freshness, now(), begin)),
        }
    }

    /// Begins a read that no call waits for, unless one is under way or none is due.
    pub fn begin_refresh(
        &self,
        key: &K,
        demand: Demand,
        now: impl FnOnce() -> BootInstant,
        begin: impl FnOnce(ReadId) -> (H, H::Read),
    ) -> Option<H::Read> {
        let mut reads = self.lock();
        let is_due = match self.answer(key, demand) {
            Some(Step::Answer { is_refresh_due, .. }) => is_refresh_due,
            _ => false,
        };
        let of_key = (key.clone(), Freshness::Bounded);
        let is_under_way = reads.under_way.contains_key(&of_key);
        (is_due && !is_under_way).then(|| reads.begin(key, Freshness::Bounded, now(), begin))
    }

    /// Ends a read. Its outcome is cached, unless a later one is. Returns what is evicted for
    /// it: freeing an account of ten thousand inboxes takes a while.
    pub fn end(
        &self,
        key: &K,
        freshness: Freshness,
        id: ReadId,
        entry: Option<Arc<CacheEntry<V>>>,
    ) -> Vec<Arc<CacheEntry<V>>> {
        let mut reads = self.lock();
        let evicted = entry
            .filter(|entry| self.is_newer(key, entry))
            .map(|entry| self.entries.insert_with_lifecycle(key.clone(), entry));
        let of_key = (key.clone(), freshness);
        if reads.under_way.get(&of_key).is_some_and(|it| it.id == id) {
            reads.under_way.remove(&of_key);
        }
        evicted.unwrap_or_default()
    }

    /// Whether an entry would answer a call that arrives now.
    pub fn is_fresh(&self, entry: &CacheEntry<V>, now: BootInstant) -> bool {
        entry.as_of >= self.not_before(Demand::new(Freshness::Bounded, now))
    }

    pub fn load(&self) -> CacheLoad {
        CacheLoad {
            entries: self.entries.len(),
            bytes: self.entries.weight(),
            max_bytes: self.entries.capacity(),
        }
    }

    fn answer(&self, key: &K, demand: Demand) -> Option<Step<V, H::Read>> {
        let entry = self.fresh_entry(key, demand)?;
        let age = demand.arrived.0.saturating_sub(entry.as_of.0);
        Some(Step::Answer {
            is_refresh_due: self.is_refresh_due(key, age),
            entry,
        })
    }

    /// Whether a read that was started then is late enough for a call.
    fn answers(&self, started: BootInstant, demand: Demand) -> bool {
        #[cfg(test)]
        if self.fault == Some(tests::Fault::LatestJoinsEarlierRead) {
            return true;
        }
        started >= self.not_before(demand)
    }

    /// The earliest moment of an answer to a call.
    fn not_before(&self, demand: Demand) -> BootInstant {
        let arrived = demand.arrived.0;
        match demand.freshness {
            Freshness::Bounded => BootInstant(arrived.saturating_sub(self.bounds.max_staleness)),
            Freshness::Latest | Freshness::Current => demand.arrived,
        }
    }

    fn is_newer(&self, key: &K, entry: &CacheEntry<V>) -> bool {
        #[cfg(test)]
        if self.fault == Some(tests::Fault::OlderReplacesNewer) {
            return true;
        }
        let present = self.entries.peek(key);
        present.is_none_or(|present| present.as_of < entry.as_of)
    }

    /// Whether the entry of a key is due for a refresh at this age.
    fn is_refresh_due(&self, key: &K, age: Duration) -> bool {
        let refresh_after = |percent| self.bounds.refresh_after * percent / 100;
        if age < refresh_after(LEAST_PERCENT) {
            return false;
        }
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let percents = u64::from(MOST_PERCENT - LEAST_PERCENT + 1);
        let spread = u32::try_from(hash % percents).unwrap_or(0);
        age >= refresh_after(LEAST_PERCENT + spread)
    }

    fn lock(&self) -> MutexGuard<'_, Reads<K, H>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, H: ReadHandle> Reads<K, H> {
    fn begin(
        &mut self,
        key: &K,
        freshness: Freshness,
        now: BootInstant,
        begin: impl FnOnce(ReadId) -> (H, H::Read),
    ) -> H::Read {
        self.last_id += 1;
        let id = ReadId(self.last_id);
        let (handle, read) = begin(id);
        let under_way = ReadUnderWay {
            id,
            started: now,
            handle,
        };
        self.under_way.insert((key.clone(), freshness), under_way);
        read
    }
}

#[cfg(test)]
mod tests;
