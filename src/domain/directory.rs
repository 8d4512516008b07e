//! The port through which inboxes are asked for.
//!
//! Absent is `Ok(None)`; that an absent account is answered like one the viewer
//! does not belong to is decided at the edge.

use std::sync::Arc;

use super::{
    access::Viewer,
    account::Account,
    id::{AccountId, InboxId},
};

/// Where inboxes come from.
pub trait InboxDirectory: Send + Sync + 'static {
    /// A whole account, from one snapshot. Where this viewer sees none of its
    /// inboxes, it may come without them.
    fn account(
        &self,
        account: AccountId,
        viewer: Viewer,
    ) -> impl Future<Output = Result<Option<Arc<Account>>, DirectoryError>> + Send;

    /// These inboxes of an account and the rights of this viewer, from one
    /// snapshot. Costs no more for an account of ten thousand inboxes than for
    /// one of ten.
    fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
    ) -> impl Future<Output = Result<Option<Arc<Account>>, DirectoryError>> + Send;
}

/// Why there is no answer. The cause is in the log; it never reaches a caller.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("the store does not answer")]
    Unavailable,
    #[error("the store answered something unexpected")]
    Fault,
}
