//! Answers from memory, each at most as old as the maximum staleness.
//!
//! An entry is the outcome of a read: rights and content of one snapshot. Old rights
//! therefore never meet new content. Accounts and excerpts have a cache each, so
//! that neither takes the memory of the other. Rights are decided in the domain alone.

mod key;

use std::sync::Arc;

use super::{
    reader::{ReadLimits, ReadRequest, ReadValue, Reader},
    shared_cache::{
        CacheEntry, CacheSize, SHARED_READ_TIMEOUT, SharedCache, StalenessBounds, ValueSource,
        Weigh,
    },
};
use crate::domain::{
    address::Address,
    directory::{Answer, CrossAccountAnswer, DirectoryError, InboxDirectory},
    freshness::{BootInstant, Clock, Freshness, ReadOptions},
    id::{AccountId, InboxId},
    viewer::Viewer,
};
use key::CacheKey;

/// The directory over a reader, with a memory or without.
pub struct CachedDirectory<R> {
    reader: Arc<R>,
    memory: Option<Memory>,
}

struct Memory {
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
        freshness: Freshness,
        refresh_permit: Option<R::RefreshPermit>,
        previous: Option<Arc<CacheEntry<ReadValue>>>,
    ) -> impl Future<Output = Result<(ReadValue, BootInstant), DirectoryError>> + Send + 'static
    {
        let limits = ReadLimits {
            freshness,
            deadline: (tokio::time::Instant::now() + SHARED_READ_TIMEOUT).into_std(),
            refresh_permit,
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

impl Memory {
    fn new(bytes: usize, bounds: StalenessBounds, clock: Clock) -> Self {
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
            accounts: SharedCache::new(accounts, bounds, clock),
            excerpts: SharedCache::new(excerpts, bounds, clock),
        }
    }

    fn cache(&self, key: &CacheKey) -> &SharedCache<CacheKey, ReadValue> {
        match key {
            CacheKey::Account(_) => &self.accounts,
            CacheKey::Excerpt(..)
            | CacheKey::AddressInAccount(..)
            | CacheKey::AddressEverywhere(_) => &self.excerpts,
        }
    }

    /// A whole account that answers for a viewer that belongs to it. Any other viewer is
    /// answered as if there were no such account: by a read, in the same time.
    fn account_of(&self, id: AccountId, viewer: Viewer, options: ReadOptions) -> Option<Answer> {
        let entry = self.accounts.peek(&CacheKey::Account(id), options)?;
        let ReadValue::Account(Some(account)) = &entry.value else {
            return None;
        };
        let is_member = account.has_member(viewer);
        is_member.then(|| entry.value.clone().into_answer(entry.as_of))
    }
}

impl<R: Reader> CachedDirectory<R> {
    /// `bytes` of memory, none if nothing may be remembered.
    pub fn new(reader: R, bytes: usize, bounds: StalenessBounds, clock: Clock) -> Self {
        let remembers = !bounds.max_staleness.is_zero();
        Self {
            reader: Arc::new(reader),
            memory: remembers.then(|| Memory::new(bytes, bounds, clock)),
        }
    }

    async fn read(
        &self,
        request: ReadRequest,
        options: ReadOptions,
    ) -> Result<(ReadValue, BootInstant), DirectoryError> {
        let key = CacheKey::of(&request);
        let (Some(memory), Some(key)) = (&self.memory, key) else {
            let limits = ReadLimits {
                freshness: options.freshness,
                deadline: options.deadline,
                refresh_permit: None,
            };
            return Arc::clone(&self.reader).read(request, None, limits).await;
        };
        let source = Source {
            reader: &self.reader,
            request: &request,
        };
        let entry = memory.cache(&key).get(&key, options, &source).await?;
        Ok((entry.value.clone(), entry.as_of))
    }

    async fn answer(
        &self,
        request: ReadRequest,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let (value, as_of) = self.read(request, options).await?;
        Ok(value.into_answer(as_of))
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
        let memory = self.memory.as_ref();
        if let Some(answer) = memory.and_then(|it| it.account_of(account, viewer, options)) {
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
        options: ReadOptions,
    ) -> Result<CrossAccountAnswer, DirectoryError> {
        let request = ReadRequest::AddressEverywhere(address);
        let (value, as_of) = self.read(request, options).await?;
        Ok(value.into_cross_account_answer(as_of))
    }
}
