//! The rows of the channel tables that a read has met.

use std::collections::HashMap;

use super::{
    error::StoreError,
    rows::{
        ApiRow, EmailRow, FacebookPageRow, InstagramRow, LineRow, SmsRow, TelegramRow, TiktokRow,
        TwilioSmsRow, TwitterProfileRow, VoiceRow, WebWidgetRow, WhatsappRow,
    },
    snapshot::{Argument, Row, Snapshot},
    statements::Statement,
};
use crate::domain::channel::ChannelKind;

pub(super) type Table<R> = HashMap<i64, R>;

/// The rows of the channel tables that were read, by id.
#[derive(Default)]
pub(super) struct ChannelTables {
    pub web_widget: Table<WebWidgetRow>,
    pub api: Table<ApiRow>,
    pub email: Table<EmailRow>,
    pub facebook_page: Table<FacebookPageRow>,
    pub instagram: Table<InstagramRow>,
    pub tiktok: Table<TiktokRow>,
    pub twilio_sms: Table<TwilioSmsRow>,
    pub twitter_profile: Table<TwitterProfileRow>,
    pub telegram: Table<TelegramRow>,
    pub line: Table<LineRow>,
    pub sms: Table<SmsRow>,
    pub whatsapp: Table<WhatsappRow>,
    pub voice: Table<VoiceRow>,
}

impl ChannelTables {
    pub async fn fetch(
        &mut self,
        kind: ChannelKind,
        from: &mut Snapshot<'_>,
        sql: &Statement,
        scope: &[Argument],
    ) -> Result<(), StoreError> {
        async fn table<R: Row>(
            from: &mut Snapshot<'_>,
            sql: &Statement,
            scope: &[Argument],
            id: fn(&R) -> i64,
        ) -> Result<Table<R>, StoreError> {
            let rows = from.fetch(sql, scope).await?;
            Ok(rows.into_iter().map(|row| (id(&row), row)).collect())
        }

        match kind {
            ChannelKind::WebWidget => {
                self.web_widget = table(from, sql, scope, |row: &WebWidgetRow| row.id).await?;
            }
            ChannelKind::Api => self.api = table(from, sql, scope, |row: &ApiRow| row.id).await?,
            ChannelKind::Email => {
                self.email = table(from, sql, scope, |row: &EmailRow| row.id).await?;
            }
            ChannelKind::FacebookPage => {
                self.facebook_page =
                    table(from, sql, scope, |row: &FacebookPageRow| row.id).await?;
            }
            ChannelKind::Instagram => {
                self.instagram = table(from, sql, scope, |row: &InstagramRow| row.id).await?;
            }
            ChannelKind::Tiktok => {
                self.tiktok = table(from, sql, scope, |row: &TiktokRow| row.id).await?;
            }
            ChannelKind::TwilioSms => {
                self.twilio_sms = table(from, sql, scope, |row: &TwilioSmsRow| row.id).await?;
            }
            ChannelKind::TwitterProfile => {
                self.twitter_profile =
                    table(from, sql, scope, |row: &TwitterProfileRow| row.id).await?;
            }
            ChannelKind::Telegram => {
                self.telegram = table(from, sql, scope, |row: &TelegramRow| row.id).await?;
            }
            ChannelKind::Line => {
                self.line = table(from, sql, scope, |row: &LineRow| row.id).await?;
            }
            ChannelKind::Sms => self.sms = table(from, sql, scope, |row: &SmsRow| row.id).await?,
            ChannelKind::Whatsapp => {
                self.whatsapp = table(from, sql, scope, |row: &WhatsappRow| row.id).await?;
            }
            ChannelKind::Voice => {
                self.voice = table(from, sql, scope, |row: &VoiceRow| row.id).await?;
            }
        }
        Ok(())
    }
}
