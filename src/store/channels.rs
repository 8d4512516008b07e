//! What becomes of a channel's row.
//!
//! A function a kind. What a row holds for administrators is sealed here; the
//! type of the domain field leaves no other way.

pub(super) mod calls;
pub(super) mod email;
mod voice;
mod web_widget;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{
    assemble::{Assembly, Notes, json, state},
    channel_tables::Table,
    columns::Stored,
    rows::{ApiRow, FacebookPageRow, InstagramRow, SmsRow, TwilioSmsRow, WhatsappRow},
};
use crate::{
    domain::{
        channel::{
            Channel, ChannelKind, SecretText,
            api::Api,
            facebook_page::FacebookPage,
            instagram::Instagram,
            line::Line,
            sms::Sms,
            telegram::Telegram,
            tiktok::Tiktok,
            twilio_sms::{TwilioMedium, TwilioSms},
            twitter_profile::TwitterProfile,
            whatsapp::Whatsapp,
        },
        degradation::{Degradation, Reason},
        secret::AdminOnly,
    },
    leadchat::is_blank,
};

const MEDIUMS: [(i64, TwilioMedium); 2] = [(0, TwilioMedium::Sms), (1, TwilioMedium::Whatsapp)];

/// A channel, and the callback address that its kind and row give the inbox.
pub(super) struct Connected {
    pub channel: Channel,
    pub callback_webhook_url: Option<String>,
}

impl Assembly<'_> {
    /// `id` is `None` where it cannot be read; there is no row then.
    pub(super) fn channel(
        &self,
        kind: ChannelKind,
        id: Option<i64>,
        notes: &mut Notes,
    ) -> Connected {
        let rows = &self.channels;
        let links = &self.installation.links;
        let mut callback_webhook_url = None;
        let mut callback = |text: &Stored<String>, notes: &mut Notes, link: &dyn Fn(&str) -> _| {
            let field = "callback_webhook_url";
            callback_webhook_url = linked(text, field, &mut notes.open, link);
        };
        let (present, channel) = match kind {
            ChannelKind::WebWidget => {
                let row = find(&rows.web_widget, id);
                let channel = Channel::WebWidget(self.web_widget(row, notes));
                (row.is_some(), channel)
            }
            ChannelKind::Api => {
                let row = find(&rows.api, id);
                (row.is_some(), Channel::Api(self.api(row, notes)))
            }
            ChannelKind::Email => {
                let row = find(&rows.email, id);
                (row.is_some(), Channel::Email(self.email(row, notes)))
            }
            ChannelKind::FacebookPage => {
                let row = find(&rows.facebook_page, id);
                let channel = Channel::FacebookPage(self.facebook_page(row, &mut notes.open));
                (row.is_some(), channel)
            }
            ChannelKind::Instagram => {
                let row = find(&rows.instagram, id);
                let channel = Channel::Instagram(self.instagram(row, &mut notes.open));
                (row.is_some(), channel)
            }
            ChannelKind::Tiktok => {
                let row = find(&rows.tiktok, id);
                let reauthorization =
                    row.and_then(|row| self.reauthorization(kind, row.id, &mut notes.open));
                (row.is_some(), Channel::Tiktok(Tiktok { reauthorization }))
            }
            ChannelKind::TwilioSms => {
                let row = find(&rows.twilio_sms, id);
                callback_webhook_url = Some(links.twilio_callback());
                let channel = self.twilio_sms(row, notes);
                (row.is_some(), Channel::TwilioSms(channel))
            }
            ChannelKind::TwitterProfile => {
                let row = find(&rows.twitter_profile, id);
                let field = "twitter_profile.tweets_enabled";
                let tweets_enabled =
                    row.and_then(|row| row.tweets_enabled.shown(field, &mut notes.open));
                let channel = Channel::TwitterProfile(TwitterProfile { tweets_enabled });
                (row.is_some(), channel)
            }
            ChannelKind::Telegram => {
                let row = find(&rows.telegram, id);
                let field = "telegram.bot_name";
                let bot_name = row.and_then(|row| row.bot_name.shown(field, &mut notes.open));
                (row.is_some(), Channel::Telegram(Telegram { bot_name }))
            }
            ChannelKind::Line => {
                let row = find(&rows.line, id);
                if let Some(row) = row {
                    callback(&row.line_channel_id, notes, &|id| links.line_callback(id));
                }
                (row.is_some(), Channel::Line(Line))
            }
            ChannelKind::Sms => {
                let row = find(&rows.sms, id);
                if let Some(row) = row {
                    callback(&row.phone_number, notes, &|number| {
                        links.sms_callback(number)
                    });
                }
                (row.is_some(), Channel::Sms(sms(row, &mut notes.open)))
            }
            ChannelKind::Whatsapp => {
                let row = find(&rows.whatsapp, id);
                if let Some(row) = row {
                    callback(&row.phone_number, notes, &|number| {
                        links.whatsapp_callback(number)
                    });
                }
                (row.is_some(), Channel::Whatsapp(self.whatsapp(row, notes)))
            }
            ChannelKind::Voice => {
                let row = find(&rows.voice, id);
                (
                    row.is_some(),
                    Channel::Voice(self.voice(row, &mut notes.open)),
                )
            }
        };
        if !present {
            notes
                .open
                .push(Degradation::new(kind.field(), Reason::ChannelRowMissing));
        }
        Connected {
            channel,
            callback_webhook_url,
        }
    }

    fn facebook_page(
        &self,
        row: Option<&FacebookPageRow>,
        open: &mut Vec<Degradation>,
    ) -> FacebookPage {
        FacebookPage {
            page_id: row.and_then(|row| row.page_id.shown("facebook_page.page_id", open)),
            reauthorization: row
                .and_then(|row| self.reauthorization(ChannelKind::FacebookPage, row.id, open)),
            instagram_id: row
                .and_then(|row| row.instagram_id.shown("facebook_page.instagram_id", open))
                .filter(|id| !is_blank(id)),
        }
    }

    /// Without an account, there is nothing to authorize.
    fn instagram(&self, row: Option<&InstagramRow>, open: &mut Vec<Degradation>) -> Instagram {
        Instagram {
            reauthorization: row.and_then(|row| {
                row.instagram_id
                    .derive("instagram.reauthorization", open, has_account)
                    .filter(|has_account| *has_account)
                    .and_then(|_| self.reauthorization(ChannelKind::Instagram, row.id, open))
            }),
            instagram_id: row
                .and_then(|row| row.instagram_id.shown("instagram.instagram_id", open))
                .filter(|id| !is_blank(id)),
        }
    }

    fn api(&self, row: Option<&ApiRow>, notes: &mut Notes) -> Api {
        let Notes { open, sealed } = notes;
        Api {
            hmac_mandatory: row
                .and_then(|row| row.hmac_mandatory.shown("api.hmac_mandatory", open)),
            hmac_token: never_encrypted(row.map(|row| &row.hmac_token), "api.hmac_token", sealed),
            secret: AdminOnly::seal(
                row.and_then(|row| row.secret.as_ref())
                    .and_then(|secret| self.decryption.decrypted(secret, "api.secret", sealed)),
            ),
            webhook_url: row.and_then(|row| row.webhook_url.shown("api.webhook_url", open)),
            inbox_identifier: row
                .and_then(|row| row.identifier.shown("api.inbox_identifier", open)),
            additional_attributes: row.and_then(|row| {
                let field = "api.additional_attributes";
                json(row.additional_attributes.text(), field, open)
            }),
        }
    }

    fn twilio_sms(&self, row: Option<&TwilioSmsRow>, notes: &mut Notes) -> TwilioSms {
        let Notes { open, sealed } = notes;
        TwilioSms {
            messaging_service_sid: row.and_then(|row| {
                let field = "twilio_sms.messaging_service_sid";
                row.messaging_service_sid.shown(field, open)
            }),
            phone_number: row
                .and_then(|row| row.phone_number.shown("twilio_sms.phone_number", open)),
            medium: row.and_then(|row| state(&row.medium, &MEDIUMS, "twilio_sms.medium", open)),
            content_templates: row.and_then(|row| {
                let field = "twilio_sms.content_templates";
                json(row.content_templates.text(), field, open)
            }),
            auth_token: AdminOnly::seal(row.and_then(|row| {
                let field = "twilio_sms.auth_token";
                self.decryption.decrypted(&row.auth_token, field, sealed)
            })),
            account_sid: never_encrypted(
                row.map(|row| &row.account_sid),
                "twilio_sms.account_sid",
                sealed,
            ),
            api_key_sid: never_encrypted(
                row.and_then(|row| row.api_key_sid.as_ref()),
                "twilio_sms.api_key_sid",
                sealed,
            ),
            voice: self.twilio_voice(row, open),
        }
    }

    fn whatsapp(&self, row: Option<&WhatsappRow>, notes: &mut Notes) -> Whatsapp {
        let Notes { open, sealed } = notes;
        Whatsapp {
            phone_number: row.and_then(|row| row.phone_number.shown("whatsapp.phone_number", open)),
            provider: row.and_then(|row| row.provider.shown("whatsapp.provider", open)),
            message_templates: row.and_then(|row| {
                let field = "whatsapp.message_templates";
                json(row.message_templates.text(), field, open)
            }),
            provider_config: AdminOnly::seal(
                row.and_then(|row| {
                    let field = "whatsapp.provider_config";
                    json(row.provider_config.text(), field, sealed)
                })
                .map(Zeroizing::new),
            ),
            reauthorization: row.and_then(|row| self.whatsapp_reauthorization(row, open)),
            voice_enabled: row.and_then(|row| self.whatsapp_voice_enabled(row, open)),
            inbound_calls_enabled: row.and_then(|row| self.whatsapp_inbound_calls(row, open)),
        }
    }
}

fn sms(row: Option<&SmsRow>, open: &mut Vec<Degradation>) -> Sms {
    Sms {
        phone_number: row.and_then(|row| row.phone_number.shown("sms.phone_number", open)),
        provider: row.and_then(|row| row.provider.shown("sms.provider", open)),
    }
}

/// Whether an Instagram id is that of an account.
pub(super) fn has_account(id: Option<&String>) -> bool {
    id.is_some_and(|id| !is_blank(id))
}

fn find<R>(table: &Table<R>, id: Option<i64>) -> Option<&R> {
    table.get(&id?)
}

/// What a text is glued into, where NULL counts as an empty one.
fn linked<D>(
    text: &Stored<String>,
    field: &str,
    open: &mut Vec<Degradation>,
    link: impl FnOnce(&str) -> D,
) -> Option<D> {
    text.derive(field, open, |text| link(text.map_or("", String::as_str)))
}

/// A secret of a column that Rails does not encrypt.
fn never_encrypted(
    stored: Option<&Stored<SecretString>>,
    field: &str,
    sealed: &mut Vec<Degradation>,
) -> SecretText {
    AdminOnly::seal(stored.and_then(|stored| stored.shown(field, sealed)))
}
