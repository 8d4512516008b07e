//! Signatures of Active Storage URLs, which leadchat verifies.

use std::{borrow::Cow, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Format, marshal};

const SALT: &[u8] = b"ActiveStorage";
const KEY_ITERATIONS: u32 = 1000;

/// The formats of nearly all pictures.
const COMMON_FORMATS: [Format<'static>; 5] = [
    Format::Extension("png"),
    Format::Extension("jpg"),
    Format::Extension("jpeg"),
    Format::Extension("gif"),
    Format::Png,
];

/// The key that leadchat signs attachments with.
#[derive(Clone)]
pub struct Signer {
    key: Hmac<Sha1>,
    /// The signed variations of common formats, in their order.
    common: Vec<String>,
}

impl Signer {
    /// Takes about a millisecond.
    pub fn derive(secret_key_base: &SecretString) -> Self {
        // As long as a block of HMAC-SHA1, so that it is used as it is.
        let mut key = Zeroizing::new([0; 64]);
        let secret = secret_key_base.expose_secret().as_bytes();
        pbkdf2_hmac::<Sha256>(secret, SALT, KEY_ITERATIONS, &mut *key);
        let mut signer = Self {
            key: Hmac::new((&*key).into()),
            common: Vec::new(),
        };
        signer.common = COMMON_FORMATS
            .map(|format| signer.sign_variation(format))
            .into();
        signer
    }

    pub fn blob(&self, id: i64) -> String {
        self.sign("blob_id", &marshal::integer(id))
    }

    pub(super) fn variation(&self, format: Format<'_>) -> Cow<'_, str> {
        let mut common = COMMON_FORMATS.iter().zip(&self.common);
        match common.find(|(common, _)| **common == format) {
            Some((_, signed)) => signed.into(),
            None => self.sign_variation(format).into(),
        }
    }

    fn sign_variation(&self, format: Format<'_>) -> String {
        self.sign("variation", &marshal::transformations(format))
    }

    fn sign(&self, purpose: &str, content: &[u8]) -> String {
        let content = BASE64_STANDARD.encode(content);
        let message = BASE64_STANDARD.encode(format!(
            r#"{{"_rails":{{"message":"{content}","exp":null,"pur":"{purpose}"}}}}"#
        ));
        let signature = self.key.clone().chain_update(&message).finalize();
        format!("{message}--{}", hex::encode(signature.into_bytes()))
    }
}

/// Never the key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}
