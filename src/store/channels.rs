//! What becomes of a channel's row.
//!
//! A function a kind. What a row holds for administrators is sealed here; the
//! type of the domain field leaves no other way.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    assemble::{Assembly, Notes, narrow, state},
    rows::{
        ApiRow, EmailRow, FacebookPageRow, InstagramRow, SmsRow, TwilioSmsRow, VoiceRow,
        WebWidgetRow, WhatsappRow,
    },
};
use crate::{
    domain::{
        channel::{
            Channel, ChannelKind, SecretText,
            api::Api,
            email::{Email, Imap, Smtp},
            facebook_page::FacebookPage,
            instagram::Instagram,
            line::Line,
            sms::Sms,
            telegram::Telegram,
            tiktok::Tiktok,
            twilio_sms::{TwilioMedium, TwilioSms},
            twitter_profile::TwitterProfile,
            voice::Voice,
            web_widget::{ReplyTime, WebWidget, WidgetFeature},
            whatsapp::Whatsapp,
        },
        degradation::{Degradation, Reason},
        json::Json,
        secret::AdminOnly,
    },
    leadchat::{encryption::is_envelope, is_blank},
};

const REPLY_TIMES: [(i64, ReplyTime); 3] = [
    (0, ReplyTime::InAFewMinutes),
    (1, ReplyTime::InAFewHours),
    (2, ReplyTime::InADay),
];

const MEDIUMS: [(i64, TwilioMedium); 2] = [(0, TwilioMedium::Sms), (1, TwilioMedium::Whatsapp)];

/// A channel, and the callback address that its kind and row give the inbox.
pub(super) struct Connected {
    pub channel: Channel,
    pub callback_webhook_url: Option<String>,
}

impl Assembly<'_> {
    pub(super) fn channel(&self, kind: ChannelKind, id: i64, notes: &mut Notes) -> Connected {
        let rows = &self.channels;
        let links = &self.installation.links;
        let mut callback_webhook_url = None;
        let (present, channel) = match kind {
            ChannelKind::WebWidget => {
                let row = rows.web_widget.get(&id);
                (
                    row.is_some(),
                    Channel::WebWidget(self.web_widget(row, notes)),
                )
            }
            ChannelKind::Api => {
                let row = rows.api.get(&id);
                (row.is_some(), Channel::Api(api(row, notes)))
            }
            ChannelKind::Email => {
                let row = rows.email.get(&id);
                (row.is_some(), Channel::Email(self.email(row, notes)))
            }
            ChannelKind::FacebookPage => {
                let row = rows.facebook_page.get(&id);
                (
                    row.is_some(),
                    Channel::FacebookPage(self.facebook_page(row)),
                )
            }
            ChannelKind::Instagram => {
                let row = rows.instagram.get(&id);
                (row.is_some(), Channel::Instagram(self.instagram(row)))
            }
            ChannelKind::Tiktok => {
                let row = rows.tiktok.get(&id);
                let reauthorization = row.map(|row| self.reauthorization(kind, row.id));
                (row.is_some(), Channel::Tiktok(Tiktok { reauthorization }))
            }
            ChannelKind::TwilioSms => {
                let row = rows.twilio_sms.get(&id);
                callback_webhook_url = Some(links.twilio_callback());
                (row.is_some(), Channel::TwilioSms(twilio_sms(row, notes)))
            }
            ChannelKind::TwitterProfile => {
                let row = rows.twitter_profile.get(&id);
                let tweets_enabled = row.and_then(|row| row.tweets_enabled);
                (
                    row.is_some(),
                    Channel::TwitterProfile(TwitterProfile { tweets_enabled }),
                )
            }
            ChannelKind::Telegram => {
                let row = rows.telegram.get(&id);
                let bot_name = row.and_then(|row| row.bot_name.clone());
                (row.is_some(), Channel::Telegram(Telegram { bot_name }))
            }
            ChannelKind::Line => {
                let row = rows.line.get(&id);
                callback_webhook_url = row
                    .map(|row| links.line_callback(row.line_channel_id.as_deref().unwrap_or("")));
                (row.is_some(), Channel::Line(Line))
            }
            ChannelKind::Sms => {
                let row = rows.sms.get(&id);
                callback_webhook_url =
                    row.map(|row| links.sms_callback(row.phone_number.as_deref().unwrap_or("")));
                (row.is_some(), Channel::Sms(sms(row)))
            }
            ChannelKind::Whatsapp => {
                let row = rows.whatsapp.get(&id);
                callback_webhook_url = row
                    .map(|row| links.whatsapp_callback(row.phone_number.as_deref().unwrap_or("")));
                (row.is_some(), Channel::Whatsapp(self.whatsapp(row, notes)))
            }
            ChannelKind::Voice => {
                let row = rows.voice.get(&id);
                (row.is_some(), Channel::Voice(self.voice(row, notes)))
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

    fn web_widget(&self, row: Option<&WebWidgetRow>, notes: &mut Notes) -> WebWidget {
        let Some(row) = row else {
            return WebWidget {
                allowed_domains: None,
                widget_color: None,
                website_url: None,
                hmac_mandatory: None,
                welcome_title: None,
                welcome_tagline: None,
                web_widget_script: None,
                website_token: None,
                selected_feature_flags: Vec::new(),
                reply_time: None,
                hmac_token: AdminOnly::seal(None),
                pre_chat_form_enabled: None,
                pre_chat_form_options: None,
                continuity_via_email: None,
            };
        };
        let token = row.website_token.as_deref().unwrap_or("");
        let flags = narrow(
            row.feature_flags,
            "web_widget.selected_feature_flags",
            &mut notes.open,
        );
        WebWidget {
            allowed_domains: row.allowed_domains.clone(),
            widget_color: row.widget_color.clone(),
            website_url: row.website_url.clone(),
            hmac_mandatory: row.hmac_mandatory,
            welcome_title: row.welcome_title.clone(),
            welcome_tagline: row.welcome_tagline.clone(),
            web_widget_script: Some(self.installation.links.web_widget_script(token)),
            website_token: row.website_token.clone(),
            selected_feature_flags: flags.map_or_else(Vec::new, WidgetFeature::of),
            reply_time: state(
                row.reply_time,
                &REPLY_TIMES,
                "web_widget.reply_time",
                &mut notes.open,
            ),
            hmac_token: never_encrypted(row.hmac_token.as_ref()),
            pre_chat_form_enabled: row.pre_chat_form_enabled,
            pre_chat_form_options: json(
                row.pre_chat_form_options.as_deref(),
                "web_widget.pre_chat_form_options",
                &mut notes.open,
            )
            .map(Into::into),
            continuity_via_email: row.continuity_via_email,
        }
    }

    fn email(&self, row: Option<&EmailRow>, notes: &mut Notes) -> Email {
        let forwarding_enabled = self.installation.forwarding_enabled;
        let Some(row) = row else {
            return Email {
                email: None,
                forwarding_enabled,
                forward_to_email: None,
                imap: AdminOnly::seal(None),
                smtp: AdminOnly::seal(None),
                reauthorization: AdminOnly::seal(None),
                provider: None,
            };
        };
        let sealed = &mut notes.sealed;
        let imap = Imap {
            login: row.imap_login.clone(),
            password: decrypted(row.imap_password.as_ref(), "email.imap.password", sealed),
            address: row.imap_address.clone(),
            port: narrow(row.imap_port, "email.imap.port", sealed),
            enabled: row.imap_enabled,
            enable_ssl: row.imap_enable_ssl,
        };
        let smtp = Smtp {
            login: row.smtp_login.clone(),
            password: decrypted(row.smtp_password.as_ref(), "email.smtp.password", sealed),
            address: row.smtp_address.clone(),
            port: narrow(row.smtp_port, "email.smtp.port", sealed),
            enabled: row.smtp_enabled,
            domain: row.smtp_domain.clone(),
            enable_ssl_tls: row.smtp_enable_ssl_tls,
            enable_starttls_auto: row.smtp_enable_starttls_auto,
            openssl_verify_mode: row.smtp_openssl_verify_mode.clone(),
            authentication: row.smtp_authentication.clone(),
        };

        let microsoft_or_google = matches!(row.provider.as_deref(), Some("microsoft" | "google"));
        let legacy_google =
            row.imap_enabled == Some(true) && row.imap_address.as_deref() == Some("imap.gmail.com");
        let reauthorization = if microsoft_or_google || legacy_google {
            match row.provider_config_is_empty {
                Some(true) => Some(crate::domain::channel::Reauthorization::Required),
                Some(false) => Some(self.reauthorization(ChannelKind::Email, row.id)),
                None => {
                    sealed.push(Degradation::new(
                        "email.reauthorization",
                        Reason::SourceUnreadable,
                    ));
                    None
                }
            }
        } else {
            None
        };

        Email {
            email: row.email.clone(),
            forwarding_enabled,
            forward_to_email: row.forward_to_email.clone().filter(|_| forwarding_enabled),
            imap: AdminOnly::seal(Some(imap)),
            smtp: AdminOnly::seal(Some(smtp)),
            reauthorization: AdminOnly::seal(reauthorization),
            provider: row.provider.clone(),
        }
    }

    fn facebook_page(&self, row: Option<&FacebookPageRow>) -> FacebookPage {
        FacebookPage {
            page_id: row.and_then(|row| row.page_id.clone()),
            reauthorization: row.map(|row| self.reauthorization(ChannelKind::FacebookPage, row.id)),
            instagram_id: row.and_then(|row| present(row.instagram_id.as_ref())),
        }
    }

    fn instagram(&self, row: Option<&InstagramRow>) -> Instagram {
        let row = row.and_then(|row| Some((row.id, present(row.instagram_id.as_ref())?)));
        Instagram {
            reauthorization: row
                .as_ref()
                .map(|(id, _)| self.reauthorization(ChannelKind::Instagram, *id)),
            instagram_id: row.map(|(_, instagram_id)| instagram_id),
        }
    }

    fn whatsapp(&self, row: Option<&WhatsappRow>, notes: &mut Notes) -> Whatsapp {
        Whatsapp {
            phone_number: row.and_then(|row| row.phone_number.clone()),
            provider: row.and_then(|row| row.provider.clone()),
            message_templates: json(
                row.and_then(|row| row.message_templates.as_deref()),
                "whatsapp.message_templates",
                &mut notes.open,
            ),
            provider_config: AdminOnly::seal(
                json(
                    row.and_then(|row| row.provider_config.as_ref())
                        .map(ExposeSecret::expose_secret),
                    "whatsapp.provider_config",
                    &mut notes.sealed,
                )
                .map(Zeroizing::new),
            ),
            reauthorization: row.map(|row| self.reauthorization(ChannelKind::Whatsapp, row.id)),
        }
    }

    fn voice(&self, row: Option<&VoiceRow>, notes: &mut Notes) -> Voice {
        let links = &self.installation.links;
        let phone_number = row.and_then(|row| row.phone_number.clone());
        let digits = row.map(|row| row.phone_number.as_deref().unwrap_or(""));
        let voice_call_webhook_url = digits.and_then(|digits| links.voice_call(digits));
        let voice_status_webhook_url = digits.and_then(|digits| links.voice_status(digits));
        for (url, field) in [
            (&voice_call_webhook_url, "voice.voice_call_webhook_url"),
            (&voice_status_webhook_url, "voice.voice_status_webhook_url"),
        ] {
            if digits.is_some() && url.is_none() {
                notes
                    .open
                    .push(Degradation::new(field, Reason::FrontendUrlNotConfigured));
            }
        }
        Voice {
            phone_number,
            provider: row.and_then(|row| row.provider.clone()),
            voice_call_webhook_url,
            voice_status_webhook_url,
        }
    }
}

fn api(row: Option<&ApiRow>, notes: &mut Notes) -> Api {
    Api {
        hmac_mandatory: row.and_then(|row| row.hmac_mandatory),
        hmac_token: never_encrypted(row.and_then(|row| row.hmac_token.as_ref())),
        webhook_url: row.and_then(|row| row.webhook_url.clone()),
        inbox_identifier: row.and_then(|row| row.identifier.clone()),
        additional_attributes: json(
            row.and_then(|row| row.additional_attributes.as_deref()),
            "api.additional_attributes",
            &mut notes.open,
        ),
    }
}

fn twilio_sms(row: Option<&TwilioSmsRow>, notes: &mut Notes) -> TwilioSms {
    TwilioSms {
        messaging_service_sid: row.and_then(|row| row.messaging_service_sid.clone()),
        phone_number: row.and_then(|row| row.phone_number.clone()),
        medium: state(
            row.and_then(|row| row.medium),
            &MEDIUMS,
            "twilio_sms.medium",
            &mut notes.open,
        ),
        content_templates: json(
            row.and_then(|row| row.content_templates.as_deref()),
            "twilio_sms.content_templates",
            &mut notes.open,
        ),
        auth_token: AdminOnly::seal(decrypted(
            row.and_then(|row| row.auth_token.as_ref()),
            "twilio_sms.auth_token",
            &mut notes.sealed,
        )),
        account_sid: never_encrypted(row.and_then(|row| row.account_sid.as_ref())),
    }
}

fn sms(row: Option<&SmsRow>) -> Sms {
    Sms {
        phone_number: row.and_then(|row| row.phone_number.clone()),
        provider: row.and_then(|row| row.provider.clone()),
    }
}

/// A text unless it is NULL or blank: Rails' `presence`.
fn present(text: Option<&String>) -> Option<String> {
    text.filter(|text| !is_blank(text)).cloned()
}

fn json(text: Option<&str>, field: &str, degradations: &mut Vec<Degradation>) -> Option<Json> {
    text.and_then(|text| Json::read(text, field, degradations))
}

/// A secret of a column that Rails does not encrypt.
fn never_encrypted(stored: Option<&SecretString>) -> SecretText {
    AdminOnly::seal(stored.cloned())
}

/// A secret of a column that Rails may encrypt. An envelope is never shown.
fn decrypted(
    stored: Option<&SecretString>,
    field: &str,
    sealed: &mut Vec<Degradation>,
) -> Option<SecretString> {
    let secret = stored?;
    if is_envelope(secret.expose_secret()) {
        sealed.push(Degradation::new(field, Reason::Undecryptable));
        return None;
    }
    Some(secret.clone())
}
