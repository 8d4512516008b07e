//! Secrets of columns that leadchat may encrypt, and how many of them cannot be
//! decrypted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use secrecy::SecretString;
use tracing::warn;

use crate::{
    domain::degradation::{Degradation, DegradationReason},
    leadchat::encryption::{Encrypted, Encryption, Undecryptable},
    store::schema::columns::Stored,
};

pub(in crate::store) struct Decryption {
    pub encryption: Encryption,
    decryption_failures: DecryptionFailures,
}

/// How often a value of each field could not be decrypted, since the start.
#[derive(Clone, Debug, Default)]
pub struct DecryptionFailures(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Decryption {
    pub fn new(encryption: Encryption) -> Self {
        Self {
            encryption,
            decryption_failures: DecryptionFailures::default(),
        }
    }

    pub fn decryption_failures(&self) -> DecryptionFailures {
        self.decryption_failures.clone()
    }

    /// The secret that a column holds. An envelope that cannot be decrypted is never
    /// shown; the first one of each field is logged.
    pub fn decrypted(
        &self,
        stored: &Stored<Encrypted>,
        field: &'static str,
        sealed: &mut Vec<Degradation>,
    ) -> Option<SecretString> {
        let decrypt = |stored: Option<&Encrypted>| {
            stored
                .map(|stored| self.encryption.decrypt(stored))
                .transpose()
        };
        match stored.derive(field, sealed, decrypt)? {
            Ok(secret) => secret,
            Err(Undecryptable) => {
                sealed.push(Degradation::new(field, DegradationReason::Undecryptable));
                if self.decryption_failures.add(field) {
                    let keys = if self.encryption.has_keys() {
                        "set"
                    } else {
                        "not set"
                    };
                    warn!(
                        field,
                        keys,
                        "a value that leadchat encrypted cannot be decrypted; \
                         more of this field are counted, and logged at shutdown; \
                         `leadchat-inbox check` tries the keys"
                    );
                }
                None
            }
        }
    }
}

impl DecryptionFailures {
    /// One more of a field; whether it is the first.
    fn add(&self, field: &'static str) -> bool {
        // A panic leaves the count valid.
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(field).or_default();
        *count += 1;
        *count == 1
    }

    /// Each field that had any, with how many there were. The same value counts again when
    /// it is decrypted again. A whole account that is read again decrypts only the inboxes
    /// whose rows have changed.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|(field, count)| (*field, *count))
            .collect()
    }
}
