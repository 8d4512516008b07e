//! The port through which inboxes are asked for.

use std::sync::Arc;

use super::{
    access::Access,
    account::Account,
    address::Address,
    freshness::{BootInstant, ReadOptions},
    id::{AccountId, InboxId},
    members::AccessDenied,
    permit::{AccountSet, Permit, SearchPermit},
    reauthorization::ReauthorizationFlags,
    viewer::Viewer,
};

/// Where inboxes come from. An answer is as fresh as its options ask, or an error. Work for
/// an answer may end at its deadline, which the caller enforces, or when the answer's future
/// is dropped.
pub trait InboxDirectory: Send + Sync + 'static {
    /// A whole account, from one snapshot. It does not depend on a viewer, so that it can
    /// be cached. It costs what its inboxes cost: membership is asked first, by
    /// [`inboxes`](Self::inboxes) with no id.
    fn account(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> impl Future<Output = Result<Answer, DirectoryError>> + Send;

    /// These inboxes of an account and the rights of this viewer, from one snapshot. An
    /// account of ten thousand inboxes costs no more than one of ten. An inbox that the
    /// viewer does not see costs no more than a missing one.
    fn inboxes(
        &self,
        account: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        options: ReadOptions,
    ) -> impl Future<Output = Result<Answer, DirectoryError>> + Send;

    /// The inboxes of an account that own an address and the rights of this
    /// viewer, from one snapshot.
    fn find(
        &self,
        account: AccountId,
        viewer: Viewer,
        address: Address,
        options: ReadOptions,
    ) -> impl Future<Output = Result<Answer, DirectoryError>> + Send;

    /// The inboxes that own an address in any of these accounts, from one snapshot, for a
    /// service viewer. Owners in other accounts are not read.
    fn find_everywhere(
        &self,
        address: Address,
        accounts: AccountSet,
        options: ReadOptions,
    ) -> impl Future<Output = Result<CrossAccountAnswer, DirectoryError>> + Send;
}

/// Where inboxes are asked for, and watched.
pub struct Directories<D, W> {
    pub inboxes: Arc<D>,
    pub watches: W,
}

/// Watches over whole accounts: each change of an account gives a newer state.
pub trait AccountWatches: Send + Sync + 'static {
    type Watch: AccountWatch;

    /// Begins a watch, with a state as fresh as the options ask. It reads the whole account, so
    /// a caller asks for the membership first.
    fn watch(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> impl Future<Output = Result<Self::Watch, DirectoryError>> + Send;
}

/// One watch. Only the newest state is kept: who is slow misses states, and never the last.
pub trait AccountWatch: Send + 'static {
    /// The newest state, or why there will be no newer one.
    fn newest(&mut self) -> Result<Answer, DirectoryError>;

    /// Waits for a state that differs from the one that was taken last. Dropping the
    /// future loses nothing.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// An account, or an excerpt of one, and the flags that its inboxes' states depend on.
#[derive(Clone)]
pub struct Answer {
    /// `None` where there is no such account.
    pub account: Option<Arc<Account>>,
    /// Read beside the account; empty where none is needed or can be read.
    pub flags: Arc<ReauthorizationFlags>,
    /// All that was committed before it is in the account.
    pub as_of: BootInstant,
}

impl Answer {
    /// Decides what the viewer of `permit` may see. An account that does not exist is one
    /// that the viewer does not belong to.
    pub fn access(&self, permit: &Permit) -> Result<Access<'_>, AccessDenied> {
        let account = self.account.as_ref().ok_or(AccessDenied::NotAMember)?;
        account.access(&self.flags, permit)
    }

    /// Takes from an earlier answer what is the same in it, so that it is the same in memory.
    pub fn share(&mut self, earlier: &Self) {
        if let (Some(account), Some(before)) = (&mut self.account, &earlier.account) {
            if let Some(sharing) = account.sharing(before) {
                *account = Arc::new(sharing);
            }
            if account.is_same(before) {
                *account = Arc::clone(before);
            }
        }
        if self.flags == earlier.flags {
            self.flags = Arc::clone(&earlier.flags);
        }
    }

    /// Whether another answer is the same in memory, of whichever moment.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_same_account = match (&self.account, &other.account) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (None, None) => true,
            _ => false,
        };
        is_same_account && Arc::ptr_eq(&self.flags, &other.flags)
    }
}

/// Excerpts of several accounts, from one snapshot.
#[derive(Clone)]
pub struct CrossAccountAnswer {
    /// Ordered by id. Suspended ones may come without their inboxes.
    pub accounts: Vec<Arc<Account>>,
    /// As in [`Answer`].
    pub flags: Arc<ReauthorizationFlags>,
    pub as_of: BootInstant,
}

impl CrossAccountAnswer {
    /// The access of a service in each account of the permit. Accounts that refuse, which
    /// are suspended, are left out.
    pub fn accesses(&self, permit: &SearchPermit) -> impl Iterator<Item = Access<'_>> {
        let accounts = self.accounts.iter();
        accounts.filter_map(move |account| {
            let permit = permit.permit(account.id())?;
            account.access(&self.flags, &permit).ok()
        })
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
    /// The latest was asked of a hot standby, which may lag behind.
    #[error("the store is a hot standby")]
    Standby,
    /// The account cannot be watched beside the others: it would delay them, or its state takes
    /// too much memory.
    #[error("there are too many watches")]
    TooManyWatches,
}
