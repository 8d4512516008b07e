//! What Rails derives from rows, and how Rails writes into them.
//!
//! Each file states a fact about leadchat that is not in its schema. Nothing
//! here knows rows, the wire, or who asks.

pub mod avatar;
pub mod encryption;
pub mod links;
pub mod reauthorization;

use links::Links;

/// The settings of a leadchat installation that inboxes are derived with.
#[derive(Clone, Debug)]
pub struct Installation {
    pub links: Links,
    /// Whether MAILER_INBOUND_EMAIL_DOMAIN is set: the installation takes in
    /// mail that is forwarded to it.
    pub forwarding_enabled: bool,
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
