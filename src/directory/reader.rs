//! Reads of the store as values, so that one can be a key, wait, and be shared by calls.

use std::{sync::Arc, time::Instant};

use crate::domain::{
    account::Account,
    address::Address,
    directory::{Answer, CrossAccountAnswer, DirectoryError},
    freshness::{BootInstant, Freshness},
    id::{AccountId, InboxId},
    viewer::Viewer,
};

/// The content of one snapshot.
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
    AddressEverywhere(Address),
}

/// The limits of a read.
pub struct ReadLimits<P> {
    pub freshness: Freshness,
    pub deadline: Instant,
    /// Of a read that no call waits for; any other waits for its permit.
    pub refresh_permit: Option<P>,
}

/// The outcome of a read.
#[derive(Clone)]
pub enum ReadValue {
    /// `None` where there is no such account.
    Account(Option<Arc<Account>>),
    /// Ordered by id.
    Accounts(Vec<Arc<Account>>),
}

/// Reads a store.
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
    pub fn into_answer(self, as_of: BootInstant) -> Answer {
        Answer {
            account: match self {
                Self::Account(account) => account,
                Self::Accounts(_) => None,
            },
            flags: Arc::default(),
            as_of,
        }
    }

    /// An answer without flags, of several accounts.
    pub fn into_cross_account_answer(self, as_of: BootInstant) -> CrossAccountAnswer {
        CrossAccountAnswer {
            accounts: match self {
                Self::Account(account) => account.into_iter().collect(),
                Self::Accounts(accounts) => accounts,
            },
            flags: Arc::default(),
            as_of,
        }
    }
}
