//! The port through which inboxes are asked for.
//!
//! Absent is `Ok(None)`; that an absent account is answered like one the viewer
//! does not belong to is decided at the edge.

use std::{sync::Arc, time::Instant};

use super::{
    access::Access,
    account::Account,
    address::Address,
    id::{AccountId, InboxId},
    members::AccessDenied,
    reauthorization::ReauthorizationFlags,
    viewer::{Rights, Viewer},
};

/// Where inboxes come from. No answer comes after its deadline, and work for an answer
/// may end there, or when the answer's future is dropped.
pub trait InboxDirectory: Send + Sync + 'static {
    /// A whole account, from one snapshot. It does not depend on a viewer, so that it can
    /// be cached. It costs what its inboxes cost: membership is asked first, by
    /// [`inboxes`](Self::inboxes) with no id.
    fn account(
        &self,
        account: AccountId,
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<Answer>, DirectoryError>> + Send;

    /// These inboxes of an account and the rights of this viewer, from one snapshot. An
    /// account of ten thousand inboxes costs no more than one of ten. An inbox that the
    /// viewer does not see costs no more than a missing one.
    fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<Answer>, DirectoryError>> + Send;

    /// The inboxes of an account that own an address and the rights of this
    /// viewer, from one snapshot.
    fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<Answer>, DirectoryError>> + Send;

    /// The inboxes that own an address in any account, from one snapshot, for a service
    /// viewer. Returns the accounts ordered by id, each with those inboxes alone.
    /// Suspended ones may come without theirs.
    fn find_everywhere(
        &self,
        address: Address,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Answer>, DirectoryError>> + Send;
}

/// An account, or an excerpt of one, and the flags that its inboxes' states depend on.
#[derive(Clone)]
pub struct Answer {
    pub account: Arc<Account>,
    /// Read beside the account; empty where none is needed or can be read.
    pub flags: Arc<ReauthorizationFlags>,
}

impl Answer {
    /// Without flags.
    pub fn new(account: Account) -> Self {
        Self {
            account: Arc::new(account),
            flags: Arc::default(),
        }
    }

    /// Decides what `viewer` may see, for a caller with `rights`.
    pub fn access(&self, viewer: Viewer, rights: Rights) -> Result<Access<'_>, AccessDenied> {
        self.account.access(&self.flags, viewer, rights)
    }
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
    Unexpected,
}
