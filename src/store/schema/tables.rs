//! The tables: what is read of each, what statements compare beside it, and which columns
//! hold an address.

use super::{
    columns::{Column, Columns},
    rows::{
        AccountRow, AccountUserRow, AgentBotInboxRow, AgentBotRow, ApiRow, AvatarRow, EmailRow,
        FacebookPageRow, InboxMemberRow, InboxRow, InstagramRow, LineRow, ReauthorizationRow,
        SmsRow, TelegramRow, TiktokRow, TwilioSmsRow, TwitterProfileRow, VoiceRow, WebWidgetRow,
        WhatsappRow, WorkingHoursRow,
    },
};
use crate::{
    domain::{address::AddressKind, channel::ChannelKind},
    leadchat::encryption::DETERMINISTIC,
};

/// The required columns of tables other than channel tables.
pub(in crate::store) const TABLES_READ: [(&str, &[Column]); 9] = [
    ("accounts", AccountRow::COLUMNS),
    ("account_users", AccountUserRow::COLUMNS),
    ("inbox_members", InboxMemberRow::COLUMNS),
    ("agent_bots", AgentBotRow::COLUMNS),
    ("agent_bot_inboxes", AgentBotInboxRow::COLUMNS),
    ("inboxes", InboxRow::COLUMNS),
    ("working_hours", WorkingHoursRow::COLUMNS),
    ("active_storage_attachments", AvatarRow::COLUMNS),
    ("channel_reauthorizations", ReauthorizationRow::COLUMNS),
];

/// The columns that statements compare, join and order by.
pub(in crate::store) const PREDICATE_COLUMNS: [(&str, &str); 16] = [
    ("account_users", "account_id"),
    ("users", "id"),
    ("agent_bots", "account_id"),
    ("agent_bot_inboxes", "status"),
    ("inboxes", "channel_id"),
    ("inboxes", "channel_type"),
    ("inboxes", "portal_id"),
    ("portals", "id"),
    ("working_hours", "id"),
    ("active_storage_attachments", "id"),
    ("active_storage_attachments", "record_type"),
    ("active_storage_attachments", "name"),
    ("active_storage_attachments", "blob_id"),
    ("active_storage_blobs", "id"),
    ("channel_reauthorizations", "channel_type"),
    ("channel_reauthorizations", "channel_id"),
];

/// The table of a kind of channel, and what is read of it.
pub(in crate::store) const fn channel_table(
    kind: ChannelKind,
) -> (&'static str, &'static [Column]) {
    match kind {
        ChannelKind::WebWidget => ("channel_web_widgets", WebWidgetRow::COLUMNS),
        ChannelKind::Api => ("channel_api", ApiRow::COLUMNS),
        ChannelKind::Email => ("channel_email", EmailRow::COLUMNS),
        ChannelKind::FacebookPage => ("channel_facebook_pages", FacebookPageRow::COLUMNS),
        ChannelKind::Instagram => ("channel_instagram", InstagramRow::COLUMNS),
        ChannelKind::Tiktok => ("channel_tiktok", TiktokRow::COLUMNS),
        ChannelKind::TwilioSms => ("channel_twilio_sms", TwilioSmsRow::COLUMNS),
        ChannelKind::TwitterProfile => ("channel_twitter_profiles", TwitterProfileRow::COLUMNS),
        ChannelKind::Telegram => ("channel_telegram", TelegramRow::COLUMNS),
        ChannelKind::Line => ("channel_line", LineRow::COLUMNS),
        ChannelKind::Sms => ("channel_sms", SmsRow::COLUMNS),
        ChannelKind::Whatsapp => ("channel_whatsapp", WhatsappRow::COLUMNS),
        ChannelKind::Voice => ("channel_voice", VoiceRow::COLUMNS),
    }
}

/// Newer leadchats have no table of voice channels.
pub(in crate::store) fn is_optional_table(table: &str) -> bool {
    table == channel_table(ChannelKind::Voice).0
}

/// The columns that hold an address of a kind.
pub(in crate::store) const fn address_columns(
    kind: AddressKind,
) -> &'static [(ChannelKind, &'static str)] {
    use ChannelKind as Channel;

    match kind {
        AddressKind::WebsiteToken => &[(Channel::WebWidget, "website_token")],
        AddressKind::InboxIdentifier => &[(Channel::Api, "identifier")],
        AddressKind::Email => &[(Channel::Email, "email")],
        AddressKind::ForwardToEmail => &[(Channel::Email, "forward_to_email")],
        AddressKind::PhoneNumber => &[
            (Channel::TwilioSms, "phone_number"),
            (Channel::Sms, "phone_number"),
            (Channel::Whatsapp, "phone_number"),
            (Channel::Voice, "phone_number"),
        ],
        AddressKind::MessagingServiceSid => &[(Channel::TwilioSms, "messaging_service_sid")],
        AddressKind::FacebookPageId => &[(Channel::FacebookPage, "page_id")],
        AddressKind::InstagramId => &[
            (Channel::Instagram, "instagram_id"),
            (Channel::FacebookPage, "instagram_id"),
        ],
        AddressKind::TiktokBusinessId => &[(Channel::Tiktok, "business_id")],
        AddressKind::TwitterProfileId => &[(Channel::TwitterProfile, "profile_id")],
        AddressKind::LineChannelId => &[(Channel::Line, "line_channel_id")],
        AddressKind::TelegramBotToken => &[(Channel::Telegram, "bot_token")],
    }
}

/// Whether leadchat may encrypt an address of a kind, so that it is stored plain
/// or in one envelope.
pub(in crate::store) fn may_be_encrypted(kind: AddressKind) -> bool {
    address_columns(kind).iter().any(|(channel, column)| {
        let (table, _) = channel_table(*channel);
        DETERMINISTIC.contains(&(table, column))
    })
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;
    use crate::{
        leadchat::encryption::NON_DETERMINISTIC,
        store::schema::columns::{Source, Type},
    };

    /// One that is read as it is stored would be shown encrypted.
    #[test]
    fn encrypted_columns_are_read_as_encrypted() {
        let mut read = 0;
        for kind in ChannelKind::iter() {
            let (table, columns) = channel_table(kind);
            for column in columns {
                let name = (table, column.name);
                let is_same = matches!(column.source, Source::Same);
                let expected = is_same && NON_DETERMINISTIC.contains(&name);
                let is_encrypted = matches!(column.r#type, Type::Encrypted);
                assert_eq!(is_encrypted, expected, "{name:?}");
                assert!(!DETERMINISTIC.contains(&name), "{name:?}");
                read += usize::from(expected);
            }
        }
        assert!(read >= 3, "{read}");
    }

    /// For an undisclosed column, SQL may return whether it is set, and no more.
    #[test]
    fn values_computed_from_encrypted_columns_are_booleans() {
        for kind in ChannelKind::iter() {
            let (table, columns) = channel_table(kind);
            let encrypted = NON_DETERMINISTIC.iter().chain(&DETERMINISTIC);
            let encrypted = encrypted.filter(|(of, _)| *of == table);
            let encrypted: Vec<_> = encrypted.map(|(_, column)| format!("t.{column}")).collect();
            for column in columns {
                let sql = match &column.source {
                    Source::Same => continue,
                    Source::Expression(sql) => [*sql, ""],
                    Source::Computed {
                        postgres, sqlite, ..
                    } => [*postgres, *sqlite],
                };
                let names = |column: &String| sql.iter().any(|sql| sql.contains(column));
                let is_made_of_one = encrypted.iter().any(names);
                let is_boolean = matches!(column.r#type, Type::Boolean);
                assert!(!is_made_of_one || is_boolean, "{table}.{}", column.name);
            }
        }
    }

    #[test]
    fn only_deterministic_columns_are_searched() {
        let encrypted = AddressKind::iter().filter(|kind| may_be_encrypted(*kind));
        assert_eq!(
            encrypted.collect::<Vec<_>>(),
            [AddressKind::TelegramBotToken]
        );
        for kind in AddressKind::iter() {
            for (channel, column) in address_columns(kind) {
                let (table, _) = channel_table(*channel);
                assert!(
                    !NON_DETERMINISTIC.contains(&(table, column)),
                    "{table}.{column}"
                );
            }
        }
    }
}
