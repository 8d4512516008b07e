//! Page tokens: the end of one page is the start of the next.
//!
//! A token holds the name and id to continue after. So inboxes that are added or deleted
//! between pages cause no gap and no repetition. It needs no key and works on any
//! replica. A digest binds it to its request. It carries no authority: visibility is
//! decided anew for every page.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::status::CallError;
use crate::domain::id::InboxId;

/// The bytes of a long name that a token holds.
const MAX_NAME_BYTES: usize = 512;

const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 16;
const ID_BYTES: usize = size_of::<i64>();

/// The most characters of a token.
pub const MAX_TOKEN_BYTES: usize = (1 + DIGEST_BYTES + ID_BYTES + MAX_NAME_BYTES).div_ceil(3) * 4;

/// The position behind an inbox in the order of names.
#[derive(Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The folded name, cut to what a token holds.
    name: Vec<u8>,
    id: InboxId,
}

impl Cursor {
    pub fn new(folded_name: &str, id: InboxId) -> Self {
        Self {
            name: prefix(folded_name).to_vec(),
            id,
        }
    }

    /// The opaque form, for the request that `binding` stands for.
    pub fn token(&self, binding: &[u8]) -> String {
        let id = self.id.0.to_be_bytes();
        let token = [
            &[VERSION],
            digest(binding, &self.name, id).as_slice(),
            &id,
            &self.name,
        ]
        .concat();
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads a token. A changed token, or one of another request, is an error.
    pub fn parse(token: &str, binding: &[u8]) -> Result<Self, CallError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
        let parts = || {
            let (version, rest) = bytes.as_deref()?.split_first()?;
            let (claimed, rest) = rest.split_first_chunk::<DIGEST_BYTES>()?;
            let (id, name) = rest.split_first_chunk::<ID_BYTES>()?;
            (*version == VERSION && *claimed == digest(binding, name, *id)).then(|| Self {
                name: name.to_vec(),
                id: InboxId(i64::from_be_bytes(*id)),
            })
        };
        parts().ok_or(CallError::InvalidPageToken)
    }

    /// How many of the inboxes, in their order, lie before this position.
    ///
    /// Names longer than a token holds are distinguished by the inbox itself. If it was
    /// deleted, inboxes with the same prefix are shown again rather than skipped.
    pub fn offset_in<'a>(&self, inboxes: &[impl Fn() -> (&'a str, InboxId)]) -> usize {
        let cut = self.name.len() == MAX_NAME_BYTES;
        if !cut {
            return inboxes.partition_point(|inbox| {
                let (name, id) = inbox();
                (name.as_bytes(), id) <= (&self.name, self.id)
            });
        }
        let begin = inboxes.partition_point(|inbox| prefix(inbox().0) < self.name.as_slice());
        let alike = inboxes
            .iter()
            .skip(begin)
            .take_while(|inbox| prefix(inbox().0) == self.name);
        let found = alike.map(|inbox| inbox().1).position(|id| id == self.id);
        begin + found.map_or(0, |index| index + 1)
    }
}

fn prefix(name: &str) -> &[u8] {
    let name = name.as_bytes();
    name.get(..MAX_NAME_BYTES).unwrap_or(name)
}

/// The digest covers the position, too, so that a damaged token is detected.
fn digest(binding: &[u8], name: &[u8], id: [u8; ID_BYTES]) -> [u8; DIGEST_BYTES] {
    let hash = Sha256::new()
        .chain_update(Sha256::digest(binding))
        .chain_update(id)
        .chain_update(name)
        .finalize();
    let mut digest = [0; DIGEST_BYTES];
    digest
        .iter_mut()
        .zip(hash)
        .for_each(|(into, from)| *into = from);
    digest
}

#[cfg(test)]
mod tests;
