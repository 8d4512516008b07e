//! Active Record Encryption: which columns leadchat encrypts, how an encrypted
//! value is told from a plain one, and how it is read.
//!
//! Rails encrypts where it has keys, and leaves what was stored before as it is.
//! So a column may hold both: an envelope of JSON (`envelope`), and plain text.
//! Its keys (`key`) are derived from three texts of the environment, which takes
//! so long that it is done once, at the start.
//!
//! Knows no rows, and not who may see a secret.

mod envelope;
mod key;

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

use envelope::Envelope;
use key::Key;

/// The columns with envelopes that differ each time: table and column. What is
/// read of one is an [`Encrypted`].
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

/// The columns in which equal texts have equal envelopes, so that they can be
/// looked for.
pub const DETERMINISTIC: [(&str, &str); 1] = [("channel_telegram", "bot_token")];

/// What keys are derived from: three variables of leadchat's, and its setting of
/// a digest.
#[derive(Clone, Debug)]
pub struct KeyTexts {
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

/// What a column holds that leadchat may encrypt. There is no way to the text
/// but [`Encryption::decrypt`].
pub struct Encrypted(SecretString);

/// An envelope that cannot be opened: its key is not among ours, or it is
/// damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecryptable;

/// Reads encrypted columns. Without keys it reads what is plain.
#[derive(Clone, Default)]
pub struct Encryption {
    keys: Option<Arc<Keys>>,
}

struct Keys {
    primary: Key,
    deterministic: Key,
}

impl Encryption {
    /// Derives the keys, which takes a good part of a second where nothing is
    /// optimised: not for a thread that serves.
    pub fn derived(texts: &KeyTexts) -> Self {
        let key = |text| Key::derived(text, &texts.key_derivation_salt, texts.digest);
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

    /// The text in a column of [`NON_DETERMINISTIC`]. An envelope is never taken
    /// for the text, as Rails takes one that it cannot decrypt.
    pub fn decrypt(&self, stored: &Encrypted) -> Result<SecretString, Undecryptable> {
        let key = self.keys.as_ref().map(|keys| &keys.primary);
        decrypt(key, stored.0.expose_secret())
    }

    /// Whether an envelope in a column of [`DETERMINISTIC`] or of the others opens;
    /// `None` of what is plain.
    pub fn opens(&self, stored: &Encrypted, is_deterministic: bool) -> Option<bool> {
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

    /// How Rails stores a text in a column of [`DETERMINISTIC`], if it encrypts.
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
