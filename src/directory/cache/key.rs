//! Keys of the cache: what a read depends on, beside the database.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::{
    directory::reader::ReadRequest,
    domain::{
        address::{Address, Match},
        id::{AccountId, InboxId},
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
    AddressEverywhere(AddressDigest),
}

/// The beginning of a SHA-256 of an address, which may be a secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AddressDigest([u8; 16]);

impl CacheKey {
    /// `None` where the outcome is not remembered: several inboxes are mostly asked for once.
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
            ReadRequest::AddressEverywhere(address) => {
                Self::AddressEverywhere(AddressDigest::of(address))
            }
        })
    }
}

impl AddressDigest {
    /// Of the kind and every spelling. The length of each text comes before it.
    fn of(address: &Address) -> Self {
        let Address { kind, form } = address;
        let mut digest = Sha256::new();
        let mut add = |text: &str| {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        };
        add(&format!("{kind:?}"));
        match form {
            Match::AnyOf(texts) => {
                add("any of");
                texts.iter().for_each(|text| add(text.expose_secret()));
            }
            Match::PhoneNumber { exact, whatsapp } => {
                add("exact");
                exact.iter().for_each(|text| add(text.expose_secret()));
                add("whatsapp");
                whatsapp.iter().for_each(|text| add(text.expose_secret()));
            }
            Match::IgnoreCase(text) => {
                add("ignore case");
                // Two texts with the same forms are one address.
                for forms in &text.0 {
                    add("letter");
                    forms.iter().for_each(|form| add(form));
                }
            }
        }
        let bytes: [u8; 32] = digest.finalize().into();
        let mut short = [0; 16];
        short.copy_from_slice(&bytes[..16]);
        Self(short)
    }
}
