//! Keys of the cache: what a read depends on, beside the database.

use crate::{
    directory::reader::ReadRequest,
    domain::{
        address::digest::AddressDigest,
        id::{AccountId, InboxId},
        permit::AccountSet,
        viewer::Viewer,
    },
};

/// The key of an entry. An excerpt has its viewer in it: else the time of an answer would
/// tell whether another viewer has asked for a hidden inbox.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum CacheKey {
    Account(AccountId),
    Excerpt(AccountId, Viewer, Option<InboxId>),
    AddressInAccount(AccountId, Viewer, AddressDigest),
    AddressEverywhere(AddressDigest, AccountSet),
}

impl CacheKey {
    /// `None` where the outcome is not cached: several inboxes are mostly asked for once.
    pub fn of(request: &ReadRequest) -> Option<Self> {
        Some(match request {
            ReadRequest::Account(account) => Self::Account(*account),
            ReadRequest::Excerpt(account, viewer, inbox) => {
                Self::Excerpt(*account, *viewer, *inbox)
            }
            ReadRequest::Inboxes(..) => return None,
            ReadRequest::AddressInAccount(account, viewer, address) => {
                Self::AddressInAccount(*account, *viewer, AddressDigest::of(address))
            }
            ReadRequest::AddressEverywhere(address, accounts) => {
                Self::AddressEverywhere(AddressDigest::of(address), accounts.clone())
            }
        })
    }
}
