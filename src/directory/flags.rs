//! Adds leadchat's flags to answers: which channels must be connected again.
//!
//! They are read when the answer is there, so that no transaction waits for Redis. They
//! change without a row changing, so they have a cache of their own. A Redis that is away
//! therefore costs the database nothing.

use std::{sync::Arc, time::Duration};

use super::shared_cache::{
    CacheSize, RequiredRead, SharedCache, StalenessBounds, ValueSource, Weigh,
};
use crate::{
    domain::{
        address::Address,
        directory::{Answer, CrossAccountAnswer, DirectoryError, InboxDirectory},
        freshness::{BootInstant, Clock, Freshness, ReadOptions},
        id::{AccountId, InboxId},
        permit::AccountSet,
        reauthorization::{FlagKey, FlagKeys, ReauthorizationFlags},
        viewer::Viewer,
    },
    metrics::cache::OneCacheMetrics,
    store::RedisFlags,
};

pub struct FlagsDirectory<D> {
    inner: D,
    flags: Arc<RedisFlags>,
    /// By the channels that are asked for together.
    cache: Option<SharedCache<FlagKeys, Arc<ReauthorizationFlags>>>,
    clock: Clock,
    latest_refresh: Duration,
}

struct Source<'a> {
    flags: &'a Arc<RedisFlags>,
    keys: &'a FlagKeys,
    clock: Clock,
    latest_refresh: Duration,
}

impl ValueSource<Arc<ReauthorizationFlags>> for Source<'_> {
    type RefreshPermit = ();

    fn try_refresh_permit(&self) -> Option<()> {
        Some(())
    }

    /// Where Redis is away, a refresh fails: flags that are cached are used until they
    /// are too old. Flags that a call waits for are unknown then, and are due for a refresh
    /// at once.
    fn read(
        &self,
        read: RequiredRead<Arc<ReauthorizationFlags>>,
        refresh_permit: Option<()>,
    ) -> impl Future<Output = Result<(Arc<ReauthorizationFlags>, BootInstant), DirectoryError>>
    + Send
    + 'static {
        let (flags, keys) = (Arc::clone(self.flags), self.keys.clone());
        let (clock, latest_refresh) = (self.clock, self.latest_refresh);
        read.begun.set();
        async move {
            let began = clock.now();
            let read = flags.read(&keys).await;
            let as_of = match (read.is_empty(), refresh_permit) {
                (false, _) => began,
                (true, Some(())) => return Err(DirectoryError::Unavailable),
                (true, None) => BootInstant(began.0.saturating_sub(latest_refresh)),
            };
            Ok((Arc::new(read), as_of))
        }
    }
}

impl Weigh for Arc<ReauthorizationFlags> {
    fn heap_bytes(&self) -> usize {
        // The key of the entry has as many keys as there are flags.
        self.size() + self.len() * size_of::<FlagKey>()
    }
}

impl<D: InboxDirectory> FlagsDirectory<D> {
    /// A cache of `bytes`, or none if its entries would be too old at once.
    pub fn new(
        inner: D,
        flags: RedisFlags,
        bytes: usize,
        bounds: StalenessBounds,
        clock: Clock,
        metrics: OneCacheMetrics,
    ) -> Self {
        let size = CacheSize {
            bytes,
            bytes_per_entry: 512,
            has_large_entries: true,
        };
        let is_cached = !bounds.max_staleness.is_zero() && flags.is_configured();
        Self {
            inner,
            flags: Arc::new(flags),
            cache: is_cached.then(|| SharedCache::new(size, bounds, clock, metrics)),
            clock,
            latest_refresh: bounds.latest_refresh(),
        }
    }

    /// In one round trip for all of them, or in none.
    async fn read(&self, keys: &FlagKeys, options: ReadOptions) -> Arc<ReauthorizationFlags> {
        if keys.is_empty() || !self.flags.is_configured() {
            return Arc::default();
        }
        let Some(cache) = &self.cache else {
            return Arc::new(self.flags.read(keys).await);
        };
        let source = Source {
            flags: &self.flags,
            keys,
            clock: self.clock,
            latest_refresh: self.latest_refresh,
        };
        // Flags are of a time of their own, for the latest of the database too.
        let options = ReadOptions {
            freshness: Freshness::Bounded,
            ..options
        };
        match cache.get(keys, options, &source).await {
            Ok(entry) => Arc::clone(&entry.value),
            Err(_) => Arc::default(),
        }
    }

    /// Whether there are any flags to read.
    pub fn has_flags(&self) -> bool {
        self.flags.is_configured()
    }

    /// An answer with the flags of its account.
    pub async fn with_flags(&self, mut answer: Answer, options: ReadOptions) -> Answer {
        if let Some(account) = &answer.account {
            answer.flags = self.read(account.flag_keys(), options).await;
        }
        answer
    }
}

impl<D: InboxDirectory> InboxDirectory for FlagsDirectory<D> {
    async fn account(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let answer = self.inner.account(account, options).await?;
        Ok(self.with_flags(answer, options).await)
    }

    async fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let answer = self.inner.inboxes(account, viewer, inboxes, options);
        Ok(self.with_flags(answer.await?, options).await)
    }

    async fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let answer = self.inner.find(account, viewer, address, options);
        Ok(self.with_flags(answer.await?, options).await)
    }

    async fn find_everywhere(
        &self,
        address: Address,
        accounts: AccountSet,
        options: ReadOptions,
    ) -> Result<CrossAccountAnswer, DirectoryError> {
        let answer = self.inner.find_everywhere(address, accounts, options);
        let mut answer = answer.await?;
        let accounts = answer.accounts.iter();
        let keys: FlagKeys = accounts
            .flat_map(|account| account.flag_keys().iter().copied())
            .collect();
        answer.flags = self.read(&keys, options).await;
        Ok(answer)
    }
}
