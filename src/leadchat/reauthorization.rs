//! The reauthorization flags of Rails: a key in Redis for each channel that must be
//! authorized again.

use super::is_blank;
use crate::domain::{channel::ChannelKind, reauthorization::FlagKey};

/// The key of a channel's flag, within the namespace of Rails; `None` for kinds without
/// flags. The id is the channel's, not the inbox's.
pub fn key(channel: FlagKey) -> Option<String> {
    // Rails takes the table's name and, if it has one, cuts the plural's `s`.
    let table = match channel.kind() {
        ChannelKind::Email => "channel_email",
        ChannelKind::FacebookPage => "channel_facebook_page",
        ChannelKind::Instagram => "channel_instagram",
        ChannelKind::Tiktok => "channel_tiktok",
        ChannelKind::Whatsapp => "channel_whatsapp",
        ChannelKind::WebWidget
        | ChannelKind::Api
        | ChannelKind::TwilioSms
        | ChannelKind::TwitterProfile
        | ChannelKind::Telegram
        | ChannelKind::Line
        | ChannelKind::Sms
        | ChannelKind::Voice => return None,
    };
    Some(format!(
        "alfred:REAUTHORIZATION_REQUIRED:{table}:{}",
        channel.channel()
    ))
}

/// Whether the value of a flag is set. Rails writes `true`, and takes any value that is
/// not blank for set, `false` and binary data included.
pub fn is_required(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| !is_blank(&String::from_utf8_lossy(value)))
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;
    use crate::domain::id::ChannelId;

    #[test]
    fn keys_are_those_of_rails() {
        let keys: Vec<_> = ChannelKind::iter()
            .filter_map(|kind| {
                let channel = ChannelId(7);
                key(FlagKey::new(kind, channel))
            })
            .collect();
        assert_eq!(
            keys,
            [
                "alfred:REAUTHORIZATION_REQUIRED:channel_email:7",
                "alfred:REAUTHORIZATION_REQUIRED:channel_facebook_page:7",
                "alfred:REAUTHORIZATION_REQUIRED:channel_instagram:7",
                "alfred:REAUTHORIZATION_REQUIRED:channel_tiktok:7",
                "alfred:REAUTHORIZATION_REQUIRED:channel_whatsapp:7",
            ]
        );
    }

    #[test]
    fn whatever_is_not_blank_is_true() {
        for value in ["true", "false", "0", " x ", "\u{200b}", "\0"] {
            assert!(is_required(Some(value.as_bytes())), "{value:?}");
        }
        assert!(is_required(Some(b"\xff")));
        for value in ["", " ", "\t\r\n", "\u{a0}\u{2003}\u{3000}"] {
            assert!(!is_required(Some(value.as_bytes())), "{value:?}");
        }
        assert!(!is_required(None));
    }
}
