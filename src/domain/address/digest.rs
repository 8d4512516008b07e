//! Stands for an address where addresses are compared and kept.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Address, Match};

/// The beginning of a SHA-256 of an address, which may be a secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AddressDigest([u8; DIGEST_BYTES]);

const DIGEST_BYTES: usize = 16;

impl AddressDigest {
    /// Of the kind and every spelling, with their numbers and lengths: no two addresses are
    /// the same bytes. The kind decides the form.
    pub fn of(address: &Address) -> Self {
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use strum::IntoEnumIterator;

    use super::*;
    use crate::domain::address::AddressKind;

    #[test]
    fn addresses_have_digests_of_their_own() {
        let texts = ["a", "b", "ab", "+55 11 91234 5678", "+55 11 91234 5679"];
        let addresses = AddressKind::iter()
            .flat_map(|kind| texts.map(|text| Address::new(kind, text.to_owned())));
        let digests: Vec<_> = addresses.map(|it| AddressDigest::of(&it)).collect();
        let distinct: HashSet<_> = digests.iter().collect();
        // The texts that are no numbers have no spelling as one.
        assert_eq!(distinct.len(), digests.len());
        let of = |text: &str| AddressDigest::of(&Address::new(AddressKind::Email, text.to_owned()));
        assert!(of("Ada@example.test") == of("ada@EXAMPLE.test"));
        assert!(of("ada@example.test") != of("ida@example.test"));
    }
}
