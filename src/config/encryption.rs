//! The settings that keys of encrypted columns are derived from.

use clap::{ValueEnum, builder::PossibleValue};

use super::{ConfigError, Environment, secret};
use crate::leadchat::encryption::{Digest, KeyMaterial};

/// leadchat's variables. leadchat encrypts only if all of them are set.
const KEY_VARIABLES: [&str; 3] = [
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
];

const DIGEST_VARIABLE: &str = "ACTIVE_RECORD_ENCRYPTION_HASH_DIGEST_CLASS";

/// `None` if none of the keys is set.
pub fn read(
    digest: Option<Digest>,
    environment: Environment<'_>,
) -> Result<Option<KeyMaterial>, ConfigError> {
    let digest = match digest {
        Some(digest) => digest,
        None => digest_from_environment(environment)?,
    };
    let mut texts = Vec::new();
    let mut missing = Vec::new();
    for name in KEY_VARIABLES {
        match secret(name, environment)? {
            Some(text) => texts.push(text),
            None => missing.push(name),
        }
    }
    match <[_; 3]>::try_from(texts) {
        Ok([primary_key, deterministic_key, key_derivation_salt]) => Ok(Some(KeyMaterial {
            primary_key,
            deterministic_key,
            key_derivation_salt,
            digest,
        })),
        Err(texts) => match missing.split_first() {
            Some((first, other)) if !texts.is_empty() => {
                // At most one more.
                let other = other.first().map(|name| format!(", nor is {name}"));
                let other = other.unwrap_or_default();
                let reason = format!(
                    "is not set{other}; leadchat encrypts, and what it encrypted is read, \
                     only with all three"
                );
                Err(ConfigError::setting(first, reason))
            }
            _ => Ok(None),
        },
    }
}

fn digest_from_environment(environment: Environment<'_>) -> Result<Digest, ConfigError> {
    let Some(name) = environment(DIGEST_VARIABLE) else {
        return Ok(Digest::default());
    };
    // Rails' own name of it is in upper case, a flag's in lower.
    Digest::from_str(&name, true)
        .map_err(|_| ConfigError::setting(DIGEST_VARIABLE, "must be SHA1 or SHA256"))
}

impl ValueEnum for Digest {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Sha1, Self::Sha256]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Sha1 => PossibleValue::new("sha1").help("As leadchat has it"),
            Self::Sha256 => PossibleValue::new("sha256").help("Rails' own default from 7.1 on"),
        })
    }
}
