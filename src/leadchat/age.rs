//! How new leadchat is, where no column of a row tells.
//!
//! Some of what newer leadchats do came without a column of its own. Rails'
//! tables then tell by a column that came at about the same time. (The versions
//! in `schema_migrations` say no more: a column is there when its migration was
//! run. And the newest of them may be one of a platform's own, on top of an older
//! leadchat.)
//!
//! Dates are those on which leadchat's upstream took a change in:
//!
//! | what | since | told by | which came |
//! |---|---|---|---|
//! | the widget's feature `allow_mobile_webview` | 2026-03-17 | `channel_api.secret` | 2026-04-06 |
//! | calls over WhatsApp | 2026-05-12 | `channel_email.imap_authentication` | 2026-05-08 |
//! | WhatsApp's incoming calls can be switched off | 2026-06-11 | `channel_twilio_sms.provider_config` | with it |
//! | WhatsApp is authorized again only where it was signed up in leadchat | 2026-06-09 | the same | 2026-06-11 |
//!
//! In the days between the two dates of a line, a leadchat that was built from
//! upstream's main branch does otherwise than its tables tell: the first, third
//! and fourth come to be said too late, and of a number that cannot be called yet
//! it is said that it is not. From 2026-05-12 to 2026-05-27 leadchat took calls
//! only where a number was signed up within leadchat; others could not be
//! switched on then, so that this is passed over. A platform that takes upstream's
//! changes one by one may differ for longer.

/// Columns that tell, as `table.column`.
pub const OF_MOBILE_WEBVIEWS: &str = "channel_api.secret";
pub const OF_WHATSAPP_CALLS: &str = "channel_email.imap_authentication";
pub const OF_INBOUND_CALLS: &str = "channel_twilio_sms.provider_config";

/// What leadchat is new enough for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    /// A widget has the feature `allow_mobile_webview`.
    pub mobile_webviews: bool,
    /// A WhatsApp number may be called.
    pub whatsapp_calls: bool,
    /// Its incoming calls can be switched off. And a WhatsApp channel that was
    /// set up by hand need never be authorized again.
    pub inbound_calls: bool,
}

impl Age {
    /// The month from which on leadchat is as new, of the newest column that tells;
    /// `None` where none is there.
    pub const fn as_new_as(self) -> Option<&'static str> {
        match self {
            Self {
                inbound_calls: true,
                ..
            } => Some("June 2026"),
            Self {
                whatsapp_calls: true,
                ..
            } => Some("May 2026"),
            Self {
                mobile_webviews: true,
                ..
            } => Some("April 2026"),
            _ => None,
        }
    }

    /// `is_there` tells of a column.
    pub fn told_by(is_there: impl Fn(&str) -> bool) -> Self {
        Self {
            mobile_webviews: is_there(OF_MOBILE_WEBVIEWS),
            whatsapp_calls: is_there(OF_WHATSAPP_CALLS),
            inbound_calls: is_there(OF_INBOUND_CALLS),
        }
    }
}
