//! Page tokens: the end of one page is the start of the next.
//!
//! A token is a [`Cursor`] in an opaque form. It needs no key and works on any replica.
//! A digest binds it to its request. It carries no authority: visibility is decided anew
//! for every page.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::status::CallError;
use crate::domain::{
    cursor::{Cursor, MAX_NAME_BYTES},
    id::InboxId,
};

const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 16;
const ID_BYTES: usize = size_of::<i64>();

/// The most characters of a token.
pub const MAX_TOKEN_BYTES: usize = (1 + DIGEST_BYTES + ID_BYTES + MAX_NAME_BYTES).div_ceil(3) * 4;

impl Cursor {
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
