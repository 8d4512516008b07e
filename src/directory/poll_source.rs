//! How watched accounts are read: first for a call, and again for their watches.

use std::{sync::Arc, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    cache::CachedDirectory,
    direct::DirectReader,
    flags::FlagsDirectory,
    reader::{ReadLimits, ReadRequest, ReadValue, Reader, Sharing},
};
use crate::{
    domain::{
        directory::{Answer, DirectoryError, InboxDirectory},
        freshness::{Clock, Freshness, ReadOptions},
        id::AccountId,
    },
    store::{DataVersion, Store},
};

/// The longest time of a read for watches.
const POLL_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads watched accounts. The tests of the pollers have one of their own.
pub trait PollSource: Send + Sync + 'static {
    /// Tells whether anything has changed.
    type Version: VersionReader;

    /// A state for a call, read like that of any other.
    fn first(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> impl Future<Output = Result<Answer, DirectoryError>> + Send;

    /// A state that is read now, beside the calls. Parts of the earlier one may be used again. The
    /// read owns the permit, also where the future is dropped.
    fn again(
        &self,
        account: AccountId,
        earlier: &Answer,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> impl Future<Output = Result<Answer, DirectoryError>> + Send;

    /// Whether states depend on flags, which change without a change of the store.
    fn has_flags(&self) -> bool;

    /// Whether changes of the store can be told without a read.
    fn has_version(&self) -> bool;

    /// Opens a connection that reads the number. `None` if it cannot be opened.
    fn open_version(&self) -> impl Future<Output = Option<Self::Version>> + Send;
}

/// Reads a number that differs after each commit of another connection.
pub trait VersionReader: Send + 'static {
    /// `None` if it cannot be read.
    fn read(&mut self) -> impl Future<Output = Option<i64>> + Send;
}

/// Reads the store.
pub struct StorePollSource {
    pub store: Arc<Store>,
    pub reader: Arc<DirectReader>,
    pub directory: Arc<FlagsDirectory<CachedDirectory<DirectReader>>>,
    pub clock: Clock,
}

impl PollSource for StorePollSource {
    type Version = DataVersion;

    async fn first(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        self.directory.account(account, options).await
    }

    async fn again(
        &self,
        account: AccountId,
        earlier: &Answer,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Result<Answer, DirectoryError> {
        let deadline = (Instant::now() + POLL_TIMEOUT).into_std();
        let limits = ReadLimits {
            freshness: Freshness::Current,
            deadline,
            sharing: Sharing::Refresh(self.reader.poll_permit(permit)),
        };
        // Of the flags, which are of a time of their own.
        let options = ReadOptions {
            freshness: Freshness::Bounded,
            arrived: self.clock.now(),
            deadline,
        };
        let earlier = ReadValue::Account(earlier.account.clone());
        let request = ReadRequest::Account(account);
        let read = Arc::clone(&self.reader).read(request, Some(earlier), limits);
        let (value, as_of) = read.await?;
        let answer = value.into_answer(as_of)?;
        Ok(self.directory.with_flags(answer, options).await)
    }

    fn has_flags(&self) -> bool {
        self.directory.has_flags()
    }

    fn has_version(&self) -> bool {
        self.store.has_data_version()
    }

    async fn open_version(&self) -> Option<DataVersion> {
        self.store.data_version().await.ok()
    }
}

impl VersionReader for DataVersion {
    async fn read(&mut self) -> Option<i64> {
        Self::read(self).await.ok()
    }
}
