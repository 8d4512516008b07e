//! Active Record Encryption: the encrypted columns, how encrypted and plain values
//! differ, and decryption.
//!
//! Rails encrypts new values if it has keys, and leaves older values as they are. So a
//! column holds envelopes of JSON (`envelope`) and plain texts. The keys (`key`) are
//! derived from three variables, once at start, because deriving is slow.
//!
//! This module knows no rows and no viewers.

mod envelope;
mod key;

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

use envelope::Envelope;
use key::Key;

/// The columns with random initialization vectors: table and column. Those that
/// a row struct has are read as [`Encrypted`].
pub const NON_DETERMINISTIC: [(&str, &str); 14] = [
    ("channel_api", "secret"),
    ("channel_email", "imap_password"),
    ("channel_email", "smtp_password"),
    ("channel_facebook_pages", "page_access_token"),
    ("channel_facebook_pages", "user_access_token"),
    ("channel_instagram", "access_token"),
    ("channel_line", "line_channel_secret"),
    ("channel_line", "line_channel_token"),
    ("channel_tiktok", "access_token"),
    ("channel_tiktok", "refresh_token"),
    ("channel_twilio_sms", "api_key_secret"),
    ("channel_twilio_sms", "auth_token"),
    ("channel_twitter_profiles", "twitter_access_token"),
    ("channel_twitter_profiles", "twitter_access_token_secret"),
];

/// The columns in which equal texts have equal envelopes, so that they can be searched.
pub const DETERMINISTIC: [(&str, &str); 1] = [("channel_telegram", "bot_token")];

/// The inputs of key derivation: three variables of leadchat, and its digest.
#[derive(Clone, Debug)]
pub struct KeyMaterial {
    pub primary_key: SecretString,
    pub deterministic_key: SecretString,
    pub key_derivation_salt: SecretString,
    pub digest: Digest,
}

/// Rails' `hash_digest_class`, which keys are derived with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Digest {
    /// As leadchat has it.
    #[default]
    Sha1,
    /// By default from Rails 7.1 on.
    Sha256,
}

/// The value of a column that leadchat may encrypt. [`Encryption::decrypt`] is the only
/// access to its text.
pub struct Encrypted(SecretString);

/// An envelope that cannot be decrypted: its key is unknown, or it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecryptable;

/// Decrypts values of columns. Without keys, only plain texts are read.
#[derive(Clone, Default)]
pub struct Encryption {
    keys: Option<Arc<Keys>>,
}

struct Keys {
    primary: Key,
    deterministic: Key,
}

impl Encryption {
    /// Derives the keys. Blocks for up to a second in unoptimised builds: call it on a
    /// blocking thread.
    pub fn derive(texts: &KeyMaterial) -> Self {
        let key = |text| Key::derive(text, &texts.key_derivation_salt, texts.digest);
        let keys = Keys {
            primary: key(&texts.primary_key),
            deterministic: key(&texts.deterministic_key),
        };
        Self {
            keys: Some(Arc::new(keys)),
        }
    }

    pub const fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// The text of a value in a [`NON_DETERMINISTIC`] column. Unlike in Rails, an
    /// envelope that cannot be decrypted is an error and never the text.
    pub fn decrypt(&self, stored: &Encrypted) -> Result<SecretString, Undecryptable> {
        let key = self.keys.as_ref().map(|keys| &keys.primary);
        decrypt(key, stored.0.expose_secret())
    }

    /// Whether an envelope can be decrypted; `None` for plain text.
    pub fn can_decrypt(&self, stored: &Encrypted, is_deterministic: bool) -> Option<bool> {
        let envelope = Envelope::find(stored.0.expose_secret())?;
        let key = self.keys.as_ref().map(|keys| {
            if is_deterministic {
                &keys.deterministic
            } else {
                &keys.primary
            }
        });
        Some(key.is_some_and(|key| key.decrypt(&envelope).is_some()))
    }

    /// The envelope that Rails stores for a text in a [`DETERMINISTIC`] column; `None`
    /// without keys.
    pub fn deterministic(&self, text: &SecretString) -> Option<SecretString> {
        let keys = self.keys.as_ref()?;
        keys.deterministic.encrypt(text.expose_secret())
    }
}

fn decrypt(key: Option<&Key>, stored: &str) -> Result<SecretString, Undecryptable> {
    match Envelope::find(stored) {
        None => Ok(stored.into()),
        Some(envelope) => key
            .and_then(|key| key.decrypt(&envelope))
            .ok_or(Undecryptable),
    }
}

impl From<String> for Encrypted {
    fn from(stored: String) -> Self {
        Self(stored.into())
    }
}

/// Never a key.
impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encryption(..)")
    }
}

#[cfg(test)]
mod tests;
