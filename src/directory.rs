//! The directory over a store: every answer is read when it is asked for.
//!
//! A read waits for a permit ([`LoadLimit`]) and then runs in a task of its own, which
//! owns the permit. A caller that gives up drops its wait, not the transaction, so that
//! no connection goes back to its pool in the middle of a statement; the read is told,
//! and begins no other.

mod load_limit;

use std::{sync::Arc, time::Instant};

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, warn};

use crate::{
    domain::{
        access::Viewer,
        account::Account,
        address::Address,
        directory::{DirectoryError, InboxDirectory},
        id::{AccountId, InboxId},
    },
    store::{Patience, Store, StoreError},
};
pub use load_limit::LoadLimit;

pub struct StoreDirectory {
    store: Arc<Store>,
    load_limit: LoadLimit,
}

impl StoreDirectory {
    pub fn new(store: Store, load_limit: LoadLimit) -> Self {
        Self {
            store: Arc::new(store),
            load_limit,
        }
    }
}

impl InboxDirectory for StoreDirectory {
    async fn account(
        &self,
        account: AccountId,
        viewer: Viewer,
        deadline: Instant,
    ) -> Result<Option<Arc<Account>>, DirectoryError> {
        let read = self.read(deadline, async move |store, patience| {
            store.account(account, viewer, &patience).await
        });
        Ok(read.await?.map(Arc::new))
    }

    async fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        deadline: Instant,
    ) -> Result<Option<Arc<Account>>, DirectoryError> {
        let inboxes = inboxes.to_vec();
        let read = self.read(deadline, async move |store, patience| {
            store.inboxes(account, viewer, &inboxes, &patience).await
        });
        Ok(read.await?.map(Arc::new))
    }

    async fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        deadline: Instant,
    ) -> Result<Option<Arc<Account>>, DirectoryError> {
        let read = self.read(deadline, async move |store, patience| {
            store.find(account, viewer, &address, &patience).await
        });
        Ok(read.await?.map(Arc::new))
    }

    async fn find_everywhere(
        &self,
        address: Address,
        deadline: Instant,
    ) -> Result<Vec<Arc<Account>>, DirectoryError> {
        let read = self.read(deadline, async move |store, patience| {
            store.find_everywhere(&address, &patience).await
        });
        Ok(read.await?.into_iter().map(Arc::new).collect())
    }
}

impl StoreDirectory {
    async fn read<T: Send + 'static, R>(
        &self,
        deadline: Instant,
        read: impl FnOnce(Arc<Store>, Patience) -> R,
    ) -> Result<T, DirectoryError>
    where
        R: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let permit = self.load_limit.acquire(deadline).await?;
        let gone = CancellationToken::new();
        let patience = Patience::new(deadline, gone.clone());
        let read = read(Arc::clone(&self.store), patience);
        let _told_when_dropped = gone.drop_guard();
        // Told from within, as nobody may be waiting for it any more.
        let told = async {
            let answer = read.await;
            drop(permit);
            match &answer {
                Err(cause @ (StoreError::Unavailable(_) | StoreError::CutOff { .. })) => {
                    warn!(%cause, "read failed");
                }
                Err(cause @ (StoreError::Fault(_) | StoreError::Outdated(_))) => {
                    error!(%cause, "read failed");
                }
                Ok(_) | Err(StoreError::Abandoned) => {}
            }
            answer
        };
        match tokio::spawn(told.in_current_span()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(
                StoreError::Unavailable(_) | StoreError::CutOff { .. } | StoreError::Abandoned,
            )) => Err(DirectoryError::Unavailable),
            Ok(Err(StoreError::Fault(_) | StoreError::Outdated(_))) => Err(DirectoryError::Fault),
            Err(_) => {
                error!("read stopped short");
                Err(DirectoryError::Fault)
            }
        }
    }
}
