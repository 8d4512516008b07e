//! The keys of an issuer of tokens: a JSON Web Key Set, as RFC 7517 has it.
//!
//! Each key has one algorithm: ES256, EdDSA or RS256. Symmetric keys are refused: each holder
//! of one could make tokens.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::CryptoProvider,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

const MAX_KEYS: usize = 64;

/// Of a coordinate of P-256, and of a key of Ed25519.
const CURVE_BYTES: usize = 32;

/// Of the modulus of RSA: 2048 bits.
const MIN_RSA_BYTES: usize = 256;

/// A use of keys that SPIFFE's bundles have.
const JWT_SVID: &str = "jwt-svid";

/// The keys that verify tokens.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    /// Keys for tokens that are of unknown kinds.
    pub unknown: usize,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    verifying: DecodingKey,
}

/// The reasons why no key verifies a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The token names a key that there is not.
    Unknown,
    /// The token names no key, and several could be meant.
    NotNamed,
    /// The algorithm is not that of the key.
    Algorithm,
}

#[derive(Deserialize)]
struct RawKeySet {
    /// Read one by one, so that an unknown kind costs itself alone.
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set. Keys for other uses, and of unknown kinds, are left out.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        // Without a backend, the library would panic at the first token.
        if CryptoProvider::try_get_default().is_none() {
            return Err("cannot be used: there is no cryptography for tokens".to_owned());
        }
        let set: RawKeySet =
            serde_json::from_slice(json).map_err(|_| "is no JSON Web Key Set".to_owned())?;
        if set.keys.len() > MAX_KEYS {
            return Err("has more than 64 keys".to_owned());
        }
        let mut keys = Vec::new();
        let mut unknown = 0;
        let mut ids = HashSet::new();
        for (index, value) in set.keys.into_iter().enumerate() {
            let key = read_key(value).map_err(|reason| format!("key {}: {reason}", index + 1))?;
            if let Some(key) = match key {
                ReadKey::Usable(key) => Some(key),
                ReadKey::ForAnotherUse => None,
                ReadKey::Unknown => {
                    unknown += 1;
                    None
                }
            } {
                if !ids.insert(key.id.clone()) && key.id.is_some() {
                    return Err(format!("key {}: another one has its kid", index + 1));
                }
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err("has no key that can be used".to_owned());
        }
        Ok(Self { keys, unknown })
    }

    /// The key for a token with this header.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&DecodingKey, KeyError> {
        let key = match id {
            Some(id) => self.keys.iter().find(|key| key.id.as_deref() == Some(id)),
            None => {
                let mut keys = self.keys.iter().filter(|key| key.algorithm == algorithm);
                let first = keys.next();
                if keys.next().is_some() {
                    return Err(KeyError::NotNamed);
                }
                first
            }
        };
        let key = key.ok_or(KeyError::Unknown)?;
        if key.algorithm != algorithm {
            return Err(KeyError::Algorithm);
        }
        Ok(&key.verifying)
    }
}

/// A key of a set.
enum ReadKey {
    Usable(Key),
    ForAnotherUse,
    Unknown,
}

fn read_key(value: Value) -> Result<ReadKey, &'static str> {
    let jwk: Jwk = serde_json::from_value(value).map_err(|_| "is no JSON Web Key")?;
    let is_for_tokens = match &jwk.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        Some(PublicKeyUse::Other(other)) => other == JWT_SVID,
        Some(PublicKeyUse::Encryption) => false,
    };
    let operations = jwk.common.key_operations.as_ref();
    let may_verify = operations.is_none_or(|it| it.contains(&KeyOperations::Verify));
    if !is_for_tokens || !may_verify {
        return Ok(ReadKey::ForAnotherUse);
    }
    let has_length =
        |text: &str, is_right: fn(usize) -> bool| match URL_SAFE_NO_PAD.decode(text.as_bytes()) {
            Ok(bytes) => is_right(bytes.len()),
            Err(_) => false,
        };
    let (algorithm, stated) = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            if ![&key.x, &key.y]
                .iter()
                .all(|it| has_length(it, |it| it == CURVE_BYTES))
            {
                return Err("a coordinate has not 32 bytes");
            }
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            if !has_length(&key.x, |it| it == CURVE_BYTES) {
                return Err("x has not 32 bytes");
            }
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::RSA(key) => {
            if !has_length(&key.n, |it| it >= MIN_RSA_BYTES) {
                return Err("is an RSA key of less than 2048 bits");
            }
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::OctetKey(_) => {
            return Err("is symmetric: each of its holders could make tokens");
        }
        _ => return Ok(ReadKey::Unknown),
    };
    if jwk.common.key_algorithm.is_some_and(|it| it != stated) {
        return Err("its alg is none of ES256, EdDSA and RS256, or that of another kind of key");
    }
    let verifying = DecodingKey::from_jwk(&jwk).map_err(|_| "cannot be used")?;
    Ok(ReadKey::Usable(Key {
        id: jwk.common.key_id,
        algorithm,
        verifying,
    }))
}

#[cfg(test)]
mod tests;
