//! The port through which inboxes are asked for.
//!
//! Absent is `Ok(None)`; that an absent account is answered like one the viewer
//! does not belong to is decided at the edge.

use std::{sync::Arc, time::Instant};

use super::{
    access::Viewer,
    account::Account,
    address::Address,
    id::{AccountId, InboxId},
};

/// Where inboxes come from. Nobody waits for an answer after its deadline, and
/// no work needs to go on then, or when an answer is dropped before it came.
pub trait InboxDirectory: Send + Sync + 'static {
    /// A whole account, from one snapshot. Where this viewer sees none of its
    /// inboxes, it may come without them.
    fn account(
        &self,
        account: AccountId,
        viewer: Viewer,
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<Arc<Account>>, DirectoryError>> + Send;

    /// These inboxes of an account and the rights of this viewer, from one
    /// snapshot. Costs no more for an account of ten thousand inboxes than for
    /// one of ten.
    fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<Arc<Account>>, DirectoryError>> + Send;

    /// The inboxes of an account that own an address and the rights of this
    /// viewer, from one snapshot.
    fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<Arc<Account>>, DirectoryError>> + Send;

    /// The inboxes that own an address in any account, from one snapshot, for
    /// the calling service: the accounts, ordered by id, each with those inboxes
    /// alone. Suspended ones may come without theirs.
    fn find_everywhere(
        &self,
        address: Address,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Arc<Account>>, DirectoryError>> + Send;
}

/// Why there is no answer. The cause is in the log; it never reaches a caller.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("the store does not answer")]
    Unavailable,
    /// Too many reads run or wait.
    #[error("the store is overloaded")]
    Overloaded,
    #[error("the store answered something unexpected")]
    Fault,
}
