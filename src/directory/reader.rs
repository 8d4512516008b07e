//! Requests for reads, and their outcomes. Ages, caches and visibility are not known here.

use std::{sync::Arc, time::Instant};

use super::shared_cache::Begun;
use crate::domain::{
    account::Account,
    address::Address,
    directory::{Answer, CrossAccountAnswer, DirectoryError},
    freshness::{BootInstant, Freshness},
    id::{AccountId, InboxId},
    permit::AccountSet,
    viewer::Viewer,
};

/// The scope of a read, which is one snapshot.
#[derive(Clone)]
pub enum ReadRequest {
    /// A whole account.
    Account(AccountId),
    /// The rights of a viewer, and one inbox or none.
    Excerpt(AccountId, Viewer, Option<InboxId>),
    /// The rights of a viewer, and some inboxes.
    Inboxes(AccountId, Viewer, Vec<InboxId>),
    /// The rights of a viewer, and the inboxes of the account that own an address.
    AddressInAccount(AccountId, Viewer, Address),
    /// The inboxes that own an address, of any account.
    AddressEverywhere(Address, AccountSet),
}

/// The limits of a read.
pub struct ReadLimits<P> {
    pub freshness: Freshness,
    pub deadline: Instant,
    pub sharing: Sharing<P>,
}

/// The calls that wait for a read.
pub enum Sharing<P> {
    /// One call, whose deadline is the read's.
    OneCall,
    /// Calls with deadlines of their own. It is to be told when the read has its permit.
    Calls(Begun),
    /// None: it is a refresh, with its permit.
    Refresh(P),
}

/// The outcome of a read.
#[derive(Clone)]
pub enum ReadValue {
    /// `None` where there is no such account.
    Account(Option<Arc<Account>>),
    /// Ordered by id.
    Accounts(Vec<Arc<Account>>),
}

/// Reads a store. The tests of the cache have one of their own.
pub trait Reader: Send + Sync + 'static {
    type RefreshPermit: Send + 'static;

    /// A permit for a read that no call waits for, if one is free.
    fn try_refresh_permit(&self) -> Option<Self::RefreshPermit>;

    /// Reads, and tells of which moment the outcome is. Dropping the future ends the read.
    /// `previous` is an earlier outcome of the same request; parts of it may be used again.
    fn read(
        self: Arc<Self>,
        request: ReadRequest,
        previous: Option<ReadValue>,
        limits: ReadLimits<Self::RefreshPermit>,
    ) -> impl Future<Output = Result<(ReadValue, BootInstant), DirectoryError>> + Send;
}

impl ReadValue {
    /// An answer without flags, of an account.
    pub fn into_answer(self, as_of: BootInstant) -> Result<Answer, DirectoryError> {
        let Self::Account(account) = self else {
            return Err(DirectoryError::Unexpected);
        };
        Ok(Answer {
            account,
            flags: Arc::default(),
            as_of,
        })
    }

    /// An answer without flags, of several accounts.
    pub fn into_cross_account_answer(
        self,
        as_of: BootInstant,
    ) -> Result<CrossAccountAnswer, DirectoryError> {
        let Self::Accounts(accounts) = self else {
            return Err(DirectoryError::Unexpected);
        };
        Ok(CrossAccountAnswer {
            accounts,
            flags: Arc::default(),
            as_of,
        })
    }
}
