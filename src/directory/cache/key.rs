//! Keys of the cache: what a read depends on, beside the database.

use secrecy::{ExposeSecret, SecretString};
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
pub struct AddressDigest([u8; DIGEST_BYTES]);

const DIGEST_BYTES: usize = 16;

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
    /// Of the kind and every spelling, with their numbers and lengths: no two addresses are
    /// the same bytes. The kind decides the form.
    fn of(address: &Address) -> Self {
        let Address { kind, form } = address;
        let mut digest = Sha256::new();
        let mut add = |texts: &[&str]| {
            digest.update(texts.len().to_be_bytes());
            for text in texts {
                digest.update(text.len().to_be_bytes());
                digest.update(text);
            }
        };
        add(&[&format!("{kind:?}")]);
        match form {
            Match::AnyOf(texts) => add(&exposed(texts)),
            Match::PhoneNumber { exact, whatsapp } => {
                add(&exposed(exact));
                add(&exposed(whatsapp));
            }
            Match::IgnoreCase(text) => {
                for forms in &text.0 {
                    add(&forms.iter().map(String::as_str).collect::<Vec<_>>());
                }
            }
        }
        let digest: [u8; 32] = digest.finalize().into();
        Self(*digest.first_chunk().unwrap_or(&[0; DIGEST_BYTES]))
    }
}

fn exposed(texts: &[SecretString]) -> Vec<&str> {
    texts.iter().map(ExposeSecret::expose_secret).collect()
}
