//! The features of the leadchat version, detected from columns.
//!
//! Some features of newer leadchat versions have no column of their own. They are
//! detected from a column that was added at about the same time. (`schema_migrations`
//! says no more: its newest version may belong to a fork of an older leadchat.)
//!
//! The dates are those of upstream's merges:
//!
//! | what | since | told by | which came |
//! |---|---|---|---|
//! | the widget's feature `allow_mobile_webview` | 2026-03-17 | `channel_api.secret` | 2026-04-06 |
//! | calls over WhatsApp | 2026-05-12 | `channel_email.imap_authentication` | 2026-05-08 |
//! | WhatsApp's incoming calls can be switched off | 2026-06-11 | `channel_twilio_sms.provider_config` | with it |
//! | WhatsApp is authorized again only where it was signed up in leadchat | 2026-06-09 | the same | 2026-06-11 |
//!
//! A build of upstream's main branch from between the two dates of a row behaves
//! differently from the detection. Rows 1, 3 and 4 are detected too late; row 2 reports
//! "disabled" for a number that cannot be called yet. From 2026-05-12 to 2026-05-27
//! leadchat took calls only for numbers of embedded signup. Calls of other numbers could
//! not be enabled then, so this is ignored. A fork that merges upstream's changes one by
//! one may differ for longer.

/// The columns that features are detected from, as `table.column`.
pub const COLUMN_OF_MOBILE_WEBVIEWS: &str = "channel_api.secret";
pub const COLUMN_OF_WHATSAPP_CALLS: &str = "channel_email.imap_authentication";
pub const COLUMN_OF_INBOUND_CALLS: &str = "channel_twilio_sms.provider_config";

/// The features of a leadchat version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// A widget has the feature `allow_mobile_webview`.
    pub mobile_webviews: bool,
    /// A WhatsApp number may be called.
    pub whatsapp_calls: bool,
    /// Incoming calls can be disabled. A WhatsApp channel that was set up by hand needs
    /// no reauthorization.
    pub inbound_calls: bool,
}

impl Features {
    /// The month of the newest feature; `None` without any.
    pub const fn released(self) -> Option<&'static str> {
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

    /// Detects the features; `has_column` says whether a column exists.
    pub fn detect(has_column: impl Fn(&str) -> bool) -> Self {
        Self {
            mobile_webviews: has_column(COLUMN_OF_MOBILE_WEBVIEWS),
            whatsapp_calls: has_column(COLUMN_OF_WHATSAPP_CALLS),
            inbound_calls: has_column(COLUMN_OF_INBOUND_CALLS),
        }
    }
}
