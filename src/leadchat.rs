//! Facts about leadchat's Rails code: the values it derives from rows, and how it stores
//! them.
//!
//! Each file states a fact that is not in the schema. This module knows no rows, no
//! messages and no viewers.

pub mod avatar;
pub mod encryption;
pub mod features;
pub mod links;
pub mod provider_config;
pub mod reauthorization;

use secrecy::SecretString;

use avatar::Signer;
use encryption::{Encryption, KeyMaterial};
use links::Links;

/// The settings of a leadchat installation that inboxes are derived with.
#[derive(Clone, Debug)]
pub struct Installation {
    pub links: Links,
    /// Whether MAILER_INBOUND_EMAIL_DOMAIN is set: the installation receives forwarded
    /// mail.
    pub forwarding_enabled: bool,
}

/// The secrets of an installation, as its environment has them.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub secret_key_base: Option<SecretString>,
    pub encryption: Option<KeyMaterial>,
}

/// The keys that are derived from an installation's secrets, once.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// `None` without SECRET_KEY_BASE.
    pub signer: Option<Signer>,
    pub encryption: Encryption,
}

impl Keys {
    /// Blocks for up to a second in unoptimised builds: call it on a blocking thread.
    pub fn derive(secrets: &Secrets) -> Self {
        let encryption = secrets.encryption.as_ref();
        Self {
            signer: secrets.secret_key_base.as_ref().map(Signer::derive),
            encryption: encryption.map(Encryption::derive).unwrap_or_default(),
        }
    }
}

/// Rails' `blank?` for texts: empty, or white space alone.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// How Active Model casts a text to a boolean: a closed list is false, and so is
/// an empty text; anything else is true.
pub fn is_true(text: &str) -> bool {
    !matches!(
        text,
        "" | "0" | "f" | "F" | "false" | "FALSE" | "off" | "OFF"
    )
}
