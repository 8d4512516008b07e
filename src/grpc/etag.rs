//! A tag that changes when, and only when, an inbox as disclosed changes.

use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::pb;
use crate::domain::viewer::Role;

/// Bytes of the hash in a tag: enough to make collisions negligible.
const TAG_BYTES: usize = 16;

/// The key of administrators' tags. The tags cover secrets, and an unkeyed hash would
/// confirm guesses of them.
pub struct EtagKey(Zeroizing<Vec<u8>>);

impl EtagKey {
    /// Derived from SECRET_KEY_BASE: the same on every replica.
    pub fn derive(secret_key_base: &SecretString) -> Self {
        Self(Zeroizing::new(hmac_sha256(
            secret_key_base.expose_secret().as_bytes(),
            b"leadchat-inbox administrator etag",
        )))
    }

    /// Random: tags hold for this process alone.
    pub fn random(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The tag of an inbox as disclosed to a role. The message must be complete
    /// but for its tag: prost writes the same bytes for the same content.
    pub(super) fn tag(&self, inbox: &pb::Inbox, role: Role) -> String {
        // Not wiped: the response holds the same bytes, and to wipe a list of a hundred inboxes
        // takes an eighth of its time.
        let content = inbox.encode_to_vec();
        let mut hash = match role {
            Role::Agent => Sha256::digest(&content).to_vec(),
            Role::Administrator => hmac_sha256(&self.0, &content),
        };
        hash.truncate(TAG_BYTES);
        hex::encode(hash)
    }
}

/// HMAC-SHA256. It takes keys of any length, so there is always a hash.
fn hmac_sha256(key: &[u8], content: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(content).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}
