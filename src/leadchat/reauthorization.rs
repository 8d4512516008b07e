//! Which channels must be connected to their platform again, as Rails keeps it:
//! in Redis alone, a key for each channel that must.

use super::is_blank;
use crate::domain::{channel::ChannelKind, reauthorization::FlagKey};

/// Where Rails keeps the flag of a channel, in the namespace of all its keys;
/// `None` for kinds that have none. The id is the channel's, not the inbox's.
pub fn key(channel: FlagKey) -> Option<String> {
    // Rails takes the table's name and, if it has one, cuts the plural's `s`.
    let table = match channel.kind {
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
        channel.channel
    ))
}

/// What the value of such a key says. Rails writes `true`, and reads whatever is
/// not blank as that: `false` and bytes that are no text too.
pub fn is_required(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| !is_blank(&String::from_utf8_lossy(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ChannelId;

    #[test]
    fn keys_are_those_of_rails() {
        let keys: Vec<_> = ChannelKind::ALL
            .into_iter()
            .filter_map(|kind| {
                let channel = ChannelId(7);
                key(FlagKey { kind, channel })
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
