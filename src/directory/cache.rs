//! Answers from memory, each at most as old as the maximum staleness.
//!
//! An entry is the outcome of a read: rights and content of one snapshot. Old rights
//! therefore never meet new content. Accounts and excerpts have a cache each, so
//! that neither takes the memory of the other. Rights are decided in the domain alone.

mod key;

use std::sync::Arc;

use super::{
    reader::{ReadLimits, ReadRequest, ReadValue, Reader, Sharing},
    shared_cache::{
        CacheSize, RequiredRead, SHARED_READ_TIMEOUT, SharedCache, StalenessBounds, ValueSource,
        Weigh,
    },
};
use crate::{
    domain::{
        address::Address,
        directory::{Answer, CrossAccountAnswer, DirectoryError, InboxDirectory},
        freshness::{BootInstant, Clock, ReadOptions},
        id::{AccountId, InboxId},
        permit::AccountSet,
        viewer::Viewer,
    },
    metrics::cache::{CacheMetrics, CacheName},
};
use key::CacheKey;

/// The directory over a reader, with caches or without.
pub struct CachedDirectory<R> {
    reader: Arc<R>,
    caches: Option<Caches>,
}

struct Caches {
    accounts: SharedCache<CacheKey, ReadValue>,
    excerpts: SharedCache<CacheKey, ReadValue>,
}

struct Source<'a, R> {
    reader: &'a Arc<R>,
    request: &'a ReadRequest,
}

impl<R: Reader> ValueSource<ReadValue> for Source<'_, R> {
    type RefreshPermit = R::RefreshPermit;

    fn try_refresh_permit(&self) -> Option<R::RefreshPermit> {
        self.reader.try_refresh_permit()
    }

    fn read(
        &self,
        read: RequiredRead<ReadValue>,
        refresh_permit: Option<R::RefreshPermit>,
    ) -> impl Future<Output = Result<(ReadValue, BootInstant), DirectoryError>> + Send + 'static
    {
        let RequiredRead {
            freshness,
            begun,
            previous,
        } = read;
        let limits = ReadLimits {
            freshness,
            deadline: (tokio::time::Instant::now() + SHARED_READ_TIMEOUT).into_std(),
            sharing: match refresh_permit {
                None => Sharing::Calls(begun),
                Some(permit) => {
                    begun.set();
                    Sharing::Refresh(permit)
                }
            },
        };
        let previous = previous.map(|entry| entry.value.clone());
        Arc::clone(self.reader).read(self.request.clone(), previous, limits)
    }
}

impl Weigh for ReadValue {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Account(account) => account.iter().map(|it| it.size()).sum(),
            Self::Accounts(accounts) => accounts
                .iter()
                .map(|it| it.size() + size_of::<Arc<()>>())
                .sum(),
        }
    }
}

impl Caches {
    fn new(bytes: usize, bounds: StalenessBounds, clock: Clock, metrics: &CacheMetrics) -> Self {
        let of = |name| metrics.of(name);
        let accounts = CacheSize {
            bytes: bytes / 2,
            bytes_per_entry: 64 << 10,
            has_large_entries: true,
        };
        let excerpts = CacheSize {
            bytes: bytes / 2,
            bytes_per_entry: 4 << 10,
            has_large_entries: false,
        };
        Self {
            accounts: SharedCache::new(accounts, bounds, clock, of(CacheName::Accounts)),
            excerpts: SharedCache::new(excerpts, bounds, clock, of(CacheName::Excerpts)),
        }
    }

    fn of(&self, key: &CacheKey) -> &SharedCache<CacheKey, ReadValue> {
        match key {
            CacheKey::Account(_) => &self.accounts,
            CacheKey::Excerpt(..)
            | CacheKey::AddressInAccount(..)
            | CacheKey::AddressEverywhere(..) => &self.excerpts,
        }
    }

    /// A whole account that answers for a viewer that belongs to it. Any other viewer is
    /// answered as if there were no such account: by a read, in the same time.
    fn account_of(&self, id: AccountId, viewer: Viewer, options: ReadOptions) -> Option<Answer> {
        let entry = self.accounts.peek(&CacheKey::Account(id), options)?;
        let ReadValue::Account(Some(account)) = &entry.value else {
            return None;
        };
        if !account.has_member(viewer) {
            return None;
        }
        entry.value.clone().into_answer(entry.as_of).ok()
    }
}

impl<R: Reader> CachedDirectory<R> {
    /// Caches of `bytes`, or none if entries would be too old at once.
    pub fn new(
        reader: Arc<R>,
        bytes: usize,
        bounds: StalenessBounds,
        clock: Clock,
        metrics: &CacheMetrics,
    ) -> Self {
        let is_cached = !bounds.max_staleness.is_zero();
        Self {
            reader,
            caches: is_cached.then(|| Caches::new(bytes, bounds, clock, metrics)),
        }
    }

    async fn read(
        &self,
        request: ReadRequest,
        options: ReadOptions,
    ) -> Result<(ReadValue, BootInstant), DirectoryError> {
        let key = CacheKey::of(&request);
        let (Some(caches), Some(key)) = (&self.caches, key) else {
            let limits = ReadLimits {
                freshness: options.freshness,
                deadline: options.deadline,
                sharing: Sharing::OneCall,
            };
            return Arc::clone(&self.reader).read(request, None, limits).await;
        };
        let source = Source {
            reader: &self.reader,
            request: &request,
        };
        let entry = caches.of(&key).get(&key, options, &source).await?;
        Ok((entry.value.clone(), entry.as_of))
    }

    async fn answer(
        &self,
        request: ReadRequest,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let (value, as_of) = self.read(request, options).await?;
        value.into_answer(as_of)
    }
}

impl<R: Reader> InboxDirectory for CachedDirectory<R> {
    async fn account(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        self.answer(ReadRequest::Account(account), options).await
    }

    async fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let caches = self.caches.as_ref();
        if let Some(answer) = caches.and_then(|it| it.account_of(account, viewer, options)) {
            return Ok(answer);
        }
        let request = match inboxes {
            [] => ReadRequest::Excerpt(account, viewer, None),
            [inbox] => ReadRequest::Excerpt(account, viewer, Some(*inbox)),
            _ => ReadRequest::Inboxes(account, viewer, inboxes.to_vec()),
        };
        self.answer(request, options).await
    }

    async fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let request = ReadRequest::AddressInAccount(account, viewer, address);
        self.answer(request, options).await
    }

    async fn find_everywhere(
        &self,
        address: Address,
        accounts: AccountSet,
        options: ReadOptions,
    ) -> Result<CrossAccountAnswer, DirectoryError> {
        let request = ReadRequest::AddressEverywhere(address, accounts);
        let (value, as_of) = self.read(request, options).await?;
        value.into_cross_account_answer(as_of)
    }
}

#[cfg(test)]
mod tests;
