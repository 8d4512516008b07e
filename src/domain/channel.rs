//! The thirteen kinds of channel.
//!
//! A file a kind; each says what of the kind is sealed. A field is `None` where
//! its column is NULL, where it does not apply to the row, and where it could
//! not be read. A kind whose row is missing has what can still be derived.

pub mod api;
pub mod email;
pub mod facebook_page;
pub mod instagram;
mod kind;
pub mod line;
pub mod sms;
pub mod telegram;
pub mod tiktok;
pub mod twilio_sms;
pub mod twitter_profile;
pub mod voice;
pub mod web_widget;
pub mod whatsapp;

use secrecy::SecretString;

use super::secret::AdminOnly;
pub use kind::ChannelKind;

/// A text for administrators, wiped from memory when dropped.
pub type SecretText<G> = AdminOnly<Option<SecretString>, G>;

/// The channel of an inbox. Large ones are boxed, so that small ones stay small.
#[derive(Debug)]
pub enum Channel {
    WebWidget(Box<web_widget::WebWidget>),
    Api(api::Api),
    Email(Box<email::Email>),
    FacebookPage(facebook_page::FacebookPage),
    Instagram(instagram::Instagram),
    Tiktok(tiktok::Tiktok),
    TwilioSms(Box<twilio_sms::TwilioSms>),
    TwitterProfile(twitter_profile::TwitterProfile),
    Telegram(telegram::Telegram),
    Line(line::Line),
    Sms(sms::Sms),
    Whatsapp(whatsapp::Whatsapp),
    Voice(voice::Voice),
}

impl Channel {
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::WebWidget(_) => ChannelKind::WebWidget,
            Self::Api(_) => ChannelKind::Api,
            Self::Email(_) => ChannelKind::Email,
            Self::FacebookPage(_) => ChannelKind::FacebookPage,
            Self::Instagram(_) => ChannelKind::Instagram,
            Self::Tiktok(_) => ChannelKind::Tiktok,
            Self::TwilioSms(_) => ChannelKind::TwilioSms,
            Self::TwitterProfile(_) => ChannelKind::TwitterProfile,
            Self::Telegram(_) => ChannelKind::Telegram,
            Self::Line(_) => ChannelKind::Line,
            Self::Sms(_) => ChannelKind::Sms,
            Self::Whatsapp(_) => ChannelKind::Whatsapp,
            Self::Voice(_) => ChannelKind::Voice,
        }
    }
}
