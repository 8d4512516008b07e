//! The directory that is served: the implementation of the port, and its decorators.
//!
//! [`DirectReader`] reads the store, and a read waits for a permit ([`LoadLimit`]).
//! [`CachedDirectory`] answers from memory while an answer is fresh enough.
//! [`FlagsDirectory`] adds the flags that Rails keeps in Redis. [`AccountPollers`] watch
//! whole accounts. This module knows no visibility rules.

mod cache;
mod changes;
mod direct;
mod flags;
mod load_limit;
mod poll_source;
mod reader;
mod shared_cache;
mod watch;

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{
        directory::{AccountWatches, Directories, InboxDirectory},
        freshness::Clock,
    },
    metrics::{Metrics, cache::CacheName},
    store::{RedisFlags, Store},
};
use cache::CachedDirectory;
use direct::DirectReader;
use flags::FlagsDirectory;
pub use load_limit::LoadLimit;
use poll_source::StorePollSource;
use shared_cache::StalenessBounds;
use watch::{AccountPollers, WatchBounds};

/// The memory for answers.
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// The age of an answer at most; zero caches none.
    pub max_staleness: Duration,
    pub bytes: usize,
}

/// The directory that is served, and watches over its accounts.
pub fn directory(
    store: Arc<Store>,
    load_limit: LoadLimit,
    flags: RedisFlags,
    cache: CacheSettings,
    clock: Clock,
    metrics: &Metrics,
) -> Directories<impl InboxDirectory, impl AccountWatches> {
    /// Of the memory, as a divisor: flags are a few bytes each.
    const FLAGS_SHARE: usize = 16;

    let max_staleness = cache.max_staleness;
    let bounds = |refresh_after| StalenessBounds {
        max_staleness,
        refresh_after,
    };
    let flags_bytes = cache.bytes / FLAGS_SHARE;
    let reader = DirectReader::new(Arc::clone(&store), load_limit, clock, metrics.reads.clone());
    let reader = Arc::new(reader);
    let account_bounds = bounds(max_staleness * 3 / 4);
    let bytes = cache.bytes - flags_bytes;
    let caches = &metrics.caches;
    let accounts = CachedDirectory::new(Arc::clone(&reader), bytes, account_bounds, clock, caches);
    let flag_bounds = bounds(max_staleness / 2);
    let counted = caches.of(CacheName::Flags);
    let directory = FlagsDirectory::new(accounts, flags, flags_bytes, flag_bounds, clock, counted);
    let directory = Arc::new(directory);
    let source = StorePollSource {
        store,
        reader,
        directory: Arc::clone(&directory),
        clock,
    };
    let watch_bounds = WatchBounds {
        max_staleness,
        // States of watched accounts are kept beside the cache of accounts.
        bytes: cache.bytes * 3 / 8,
    };
    Directories {
        inboxes: directory,
        watches: AccountPollers::new(source, watch_bounds, clock, metrics.watches.clone()),
    }
}
