//! The directory over a store: every answer is read when it is asked for.
//!
//! A read runs in a task of its own. A caller that gives up drops its wait, not
//! the transaction, so that no connection goes back to its pool in the middle of
//! one.

use std::sync::Arc;

use tracing::{Instrument, error, warn};

use crate::{
    domain::{
        access::Viewer,
        account::Account,
        directory::{DirectoryError, InboxDirectory},
        id::{AccountId, InboxId},
    },
    store::{Store, StoreError},
};

pub struct StoreDirectory {
    store: Arc<Store>,
}

impl StoreDirectory {
    pub fn new(store: Store) -> Self {
        Self {
            store: Arc::new(store),
        }
    }
}

impl InboxDirectory for StoreDirectory {
    async fn account(
        &self,
        account: AccountId,
        viewer: Viewer,
    ) -> Result<Option<Arc<Account>>, DirectoryError> {
        let store = Arc::clone(&self.store);
        apart(async move { store.account(account, viewer).await }).await
    }

    async fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
    ) -> Result<Option<Arc<Account>>, DirectoryError> {
        let store = Arc::clone(&self.store);
        let inboxes = inboxes.to_vec();
        apart(async move { store.inboxes(account, viewer, &inboxes).await }).await
    }
}

async fn apart(
    read: impl Future<Output = Result<Option<Account>, StoreError>> + Send + 'static,
) -> Result<Option<Arc<Account>>, DirectoryError> {
    match tokio::spawn(read.in_current_span()).await {
        Ok(Ok(account)) => Ok(account.map(Arc::new)),
        Ok(Err(cause @ StoreError::Unavailable(_))) => {
            warn!(%cause, "read failed");
            Err(DirectoryError::Unavailable)
        }
        Ok(Err(cause @ StoreError::Fault(_))) => {
            error!(%cause, "read failed");
            Err(DirectoryError::Fault)
        }
        Err(_) => {
            error!("read stopped short");
            Err(DirectoryError::Fault)
        }
    }
}
