//! The directory over a store: every answer is read when it is asked for.
//!
//! A read waits for a permit and then runs in a task of its own, which owns the permit. A
//! caller that gives up drops its wait, not the transaction: so no connection goes back to
//! its pool in the middle of a statement. The read is cancelled, and begins no further
//! statement.

use std::{sync::Arc, time::Instant};

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, warn};

use super::LoadLimit;
use crate::{
    domain::{
        address::Address,
        directory::{Answer, DirectoryError, InboxDirectory},
        id::{AccountId, InboxId},
        viewer::Viewer,
    },
    store::{ReadContext, Store, StoreError},
};

pub struct DirectDirectory {
    store: Arc<Store>,
    load_limit: LoadLimit,
}

impl DirectDirectory {
    pub fn new(store: Store, load_limit: LoadLimit) -> Self {
        Self {
            store: Arc::new(store),
            load_limit,
        }
    }

    async fn read<T: Send + 'static, R>(
        &self,
        deadline: Instant,
        read: impl FnOnce(Arc<Store>, ReadContext) -> R,
    ) -> Result<T, DirectoryError>
    where
        R: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let permit = self.load_limit.acquire(deadline).await?;
        let cancelled = CancellationToken::new();
        let context = ReadContext::new(deadline, cancelled.clone(), permit);
        let read = read(Arc::clone(&self.store), context);
        let _cancel_on_drop = cancelled.drop_guard();
        // Logged within the task, since the caller may have left.
        let logged = async { read.await.map_err(|cause| log_failure(&cause)) };
        match tokio::spawn(logged.in_current_span()).await {
            Ok(answer) => answer,
            Err(_) => {
                error!("read task panicked");
                Err(DirectoryError::Unexpected)
            }
        }
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
    }
}

impl InboxDirectory for DirectDirectory {
    async fn account(
        &self,
        account: AccountId,
        deadline: Instant,
    ) -> Result<Option<Answer>, DirectoryError> {
        let read = self.read(deadline, async move |store, context| {
            store.account(account, context).await
        });
        Ok(read.await?.map(Answer::new))
    }

    async fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        deadline: Instant,
    ) -> Result<Option<Answer>, DirectoryError> {
        let inboxes = inboxes.to_vec();
        let read = self.read(deadline, async move |store, context| {
            store.inboxes(account, viewer, &inboxes, context).await
        });
        Ok(read.await?.map(Answer::new))
    }

    async fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        deadline: Instant,
    ) -> Result<Option<Answer>, DirectoryError> {
        let read = self.read(deadline, async move |store, context| {
            store.find(account, viewer, &address, context).await
        });
        Ok(read.await?.map(Answer::new))
    }

    async fn find_everywhere(
        &self,
        address: Address,
        deadline: Instant,
    ) -> Result<Vec<Answer>, DirectoryError> {
        let read = self.read(deadline, async move |store, context| {
            store.find_everywhere(&address, context).await
        });
        Ok(read.await?.into_iter().map(Answer::new).collect())
    }
}
