//! Issuers of tokens of the tests' own: their keys, and whatever they sign.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A key of an issuer.
pub struct Key {
    pub id: &'static str,
    signer: Signer,
}

enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    pub fn es256(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let signer = Signer::Es256(pair);
        Self { id, signer }
    }

    pub fn eddsa(id: &'static str) -> Self {
        let signer = Signer::EdDsa(Ed25519KeyPair::generate().unwrap());
        Self { id, signer }
    }

    pub fn rs256(id: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let signer = Signer::Rs256(Box::new(pair));
        Self { id, signer }
    }

    pub const fn algorithm(&self) -> &'static str {
        match self.signer {
            Signer::Es256(_) => "ES256",
            Signer::EdDsa(_) => "EdDSA",
            Signer::Rs256(_) => "RS256",
        }
    }

    /// Its public part, as a JSON Web Key.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.signer {
            Signer::Es256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
            Signer::EdDsa(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key()) })
            }
            Signer::Rs256(pair) => {
                let key = pair.public_key();
                let modulus = key.modulus().big_endian_without_leading_zero().to_vec();
                let exponent = key.exponent().big_endian_without_leading_zero().to_vec();
                json!({ "kty": "RSA", "n": encode(modulus), "e": encode(exponent) })
            }
        };
        jwk["kid"] = self.id.into();
        jwk
    }

    /// A token of these texts, whatever they are.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let bytes = message.as_bytes();
        let random = SystemRandom::new();
        let signature = match &self.signer {
            Signer::Es256(pair) => pair.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Signer::EdDsa(pair) => pair.sign(bytes).as_ref().to_vec(),
            Signer::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature)
                    .unwrap();
                signature
            }
        };
        format!("{message}.{}", encode(signature))
    }

    /// The header of its tokens.
    pub fn header(&self) -> String {
        json!({ "alg": self.algorithm(), "kid": self.id, "typ": "JWT" }).to_string()
    }

    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), &claims.to_string())
    }
}

/// A set of keys, as a file has it.
pub fn jwks(keys: &[&Key]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// A token with HMAC, whose secret may be a public key.
pub fn symmetric(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", encode(signature))
}
