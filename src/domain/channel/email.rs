//! An email address: `channel_email`.

use secrecy::SecretString;
use zeroize::Zeroize;

use crate::domain::{reauthorization::FlagSource, secret::AdminOnly, secret_group::group};

#[derive(Debug, Default)]
pub struct Email {
    pub email: Option<String>,
    /// Whether the installation takes in forwarded mail.
    pub forwarding_enabled: bool,
    /// `None` unless it does.
    pub forward_to_email: Option<String>,
    pub imap: AdminOnly<Option<Imap>, group::Imap>,
    pub smtp: AdminOnly<Option<Smtp>, group::Smtp>,
    /// `None` unless the mailbox is Microsoft's or Google's.
    pub reauthorization: AdminOnly<FlagSource, group::Imap>,
    pub provider: Option<String>,
}

/// How mail is fetched.
pub struct Imap {
    pub login: Option<String>,
    pub password: Option<SecretString>,
    pub address: Option<String>,
    pub port: Option<i32>,
    pub enabled: Option<bool>,
    pub enable_ssl: Option<bool>,
    pub authentication: Option<String>,
}

/// How mail is sent.
pub struct Smtp {
    pub login: Option<String>,
    pub password: Option<SecretString>,
    pub address: Option<String>,
    pub port: Option<i32>,
    pub enabled: Option<bool>,
    pub domain: Option<String>,
    pub enable_ssl_tls: Option<bool>,
    pub enable_starttls_auto: Option<bool>,
    pub openssl_verify_mode: Option<String>,
    pub authentication: Option<String>,
}

impl Drop for Imap {
    /// Wipes all texts; a password wipes itself.
    fn drop(&mut self) {
        let Self {
            login,
            password: _,
            address,
            port: _,
            enabled: _,
            enable_ssl: _,
            authentication,
        } = self;
        for text in [login, address, authentication] {
            text.zeroize();
        }
    }
}

impl Drop for Smtp {
    /// Wipes all texts; a password wipes itself.
    fn drop(&mut self) {
        let Self {
            login,
            password: _,
            address,
            port: _,
            enabled: _,
            domain,
            enable_ssl_tls: _,
            enable_starttls_auto: _,
            openssl_verify_mode,
            authentication,
        } = self;
        for text in [login, address, domain, openssl_verify_mode, authentication] {
            text.zeroize();
        }
    }
}
