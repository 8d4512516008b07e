//! The directory over a store: every answer is read when it is asked for.
//!
//! A read waits for a permit and then runs in a task of its own, which owns the permit. A
//! caller that gives up drops its wait, not the transaction: so no connection goes back to
//! its pool in the middle of a statement. The read is cancelled, and begins no further
//! statement.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, warn};

use super::LoadLimit;
use crate::{
    domain::{
        account::Account,
        address::Address,
        directory::{Answer, CrossAccountAnswer, DirectoryError, InboxDirectory},
        freshness::{BootInstant, Clock, Freshness, ReadOptions},
        id::{AccountId, InboxId},
        viewer::Viewer,
    },
    store::{ReadContext, Store, StoreError},
};

pub struct DirectDirectory {
    store: Arc<Store>,
    load_limit: LoadLimit,
    clock: Clock,
}

impl DirectDirectory {
    pub fn new(store: Store, load_limit: LoadLimit, clock: Clock) -> Self {
        Self {
            store: Arc::new(store),
            load_limit,
            clock,
        }
    }

    /// Reads, and tells of which moment the answer is: all that was committed before the
    /// read began is in its snapshot, on a primary.
    async fn read<T: Send + 'static, R>(
        &self,
        options: ReadOptions,
        read: impl FnOnce(Arc<Store>, ReadContext) -> R,
    ) -> Result<(T, BootInstant), DirectoryError>
    where
        R: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let permit = self.load_limit.acquire(options.deadline).await?;
        let began = self.clock.now();
        let cancelled = CancellationToken::new();
        let is_latest = options.freshness == Freshness::Latest;
        let context = ReadContext::new(options.deadline, cancelled.clone(), is_latest, permit);
        let read = read(Arc::clone(&self.store), context);
        let _cancel_on_drop = cancelled.drop_guard();
        // Logged within the task, since the caller may have left.
        let logged = async { read.await.map_err(|cause| log_failure(&cause)) };
        let Ok(answer) = tokio::spawn(logged.in_current_span()).await else {
            error!("read task panicked");
            return Err(DirectoryError::Unexpected);
        };
        Ok((answer?, began))
    }

    async fn read_account<R>(
        &self,
        options: ReadOptions,
        read: impl FnOnce(Arc<Store>, ReadContext) -> R,
    ) -> Result<Answer, DirectoryError>
    where
        R: Future<Output = Result<Option<Account>, StoreError>> + Send + 'static,
    {
        let (account, as_of) = self.read(options, read).await?;
        Ok(Answer {
            account: account.map(Arc::new),
            flags: Arc::default(),
            as_of,
        })
    }
}

/// Logs why a read failed, and returns what the call is answered with.
fn log_failure(cause: &StoreError) -> DirectoryError {
    match cause {
        StoreError::Unavailable(_) | StoreError::Interrupted { .. } => {
            warn!(%cause, "read failed");
            DirectoryError::Unavailable
        }
        StoreError::Unexpected(_) | StoreError::StalePlan(_) => {
            error!(%cause, "read failed");
            DirectoryError::Unexpected
        }
        StoreError::Cancelled => DirectoryError::Unavailable,
        StoreError::Standby => DirectoryError::Standby,
    }
}

impl InboxDirectory for DirectDirectory {
    async fn account(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let read = async move |store: Arc<Store>, context| store.account(account, context).await;
        self.read_account(options, read).await
    }

    async fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let inboxes = inboxes.to_vec();
        let read = async move |store: Arc<Store>, context| {
            store.inboxes(account, viewer, &inboxes, context).await
        };
        self.read_account(options, read).await
    }

    async fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        options: ReadOptions,
    ) -> Result<Answer, DirectoryError> {
        let read = async move |store: Arc<Store>, context| {
            store.find(account, viewer, &address, context).await
        };
        self.read_account(options, read).await
    }

    async fn find_everywhere(
        &self,
        address: Address,
        options: ReadOptions,
    ) -> Result<CrossAccountAnswer, DirectoryError> {
        let read = self.read(options, async move |store, context| {
            store.find_everywhere(&address, context).await
        });
        let (accounts, as_of) = read.await?;
        Ok(CrossAccountAnswer {
            accounts: accounts.into_iter().map(Arc::new).collect(),
            flags: Arc::default(),
            as_of,
        })
    }
}
