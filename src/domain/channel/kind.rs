//! The kinds of channels, and their names in Rails and in the contract.

use enum_map::Enum;
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

/// A kind of channel.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, EnumIter, IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum ChannelKind {
    WebWidget,
    Api,
    Email,
    FacebookPage,
    Instagram,
    Tiktok,
    TwilioSms,
    TwitterProfile,
    Telegram,
    Line,
    Sms,
    Whatsapp,
    Voice,
}

impl ChannelKind {
    /// Rails' class name, as `inboxes.channel_type` has it.
    pub const fn class_name(self) -> &'static str {
        match self {
            Self::WebWidget => "Channel::WebWidget",
            Self::Api => "Channel::Api",
            Self::Email => "Channel::Email",
            Self::FacebookPage => "Channel::FacebookPage",
            Self::Instagram => "Channel::Instagram",
            Self::Tiktok => "Channel::Tiktok",
            Self::TwilioSms => "Channel::TwilioSms",
            Self::TwitterProfile => "Channel::TwitterProfile",
            Self::Telegram => "Channel::Telegram",
            Self::Line => "Channel::Line",
            Self::Sms => "Channel::Sms",
            Self::Whatsapp => "Channel::Whatsapp",
            Self::Voice => "Channel::Voice",
        }
    }

    pub fn from_class_name(class_name: &str) -> Option<Self> {
        Self::iter().find(|kind| kind.class_name() == class_name)
    }

    /// The field of the contract that holds the kind, where degradations say
    /// what they are about.
    pub fn field(self) -> &'static str {
        self.into()
    }
}
