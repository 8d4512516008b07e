//! Channels on the wire. Sealed values are written through [`InboxView::reveal`], which
//! reveals them to administrators only, group by group.

use secrecy::{ExposeSecret, SecretString};

use super::json::to_value;
use crate::{
    domain::{
        access::InboxView,
        channel::{
            Channel, SecretText,
            api::Api,
            email::{Email, Imap, Smtp},
            facebook_page::FacebookPage,
            instagram::Instagram,
            line::Line,
            sms::Sms,
            telegram::Telegram,
            tiktok::Tiktok,
            twilio_sms::{TwilioSms, TwilioVoice},
            twitter_profile::TwitterProfile,
            voice::Voice,
            web_widget::{PreChatField, PreChatFormOptions, WebWidget},
            whatsapp::Whatsapp,
        },
        reauthorization::FlagSource,
        secret_group::Group,
    },
    grpc::pb,
};

/// The channel of a view's inbox, as the view discloses it.
pub fn to_channel(channel: &Channel, view: &InboxView<'_>) -> pb::inbox::Channel {
    use pb::inbox::Channel as Wire;

    match channel {
        Channel::WebWidget(channel) => Wire::WebWidget(web_widget(channel, view)),
        Channel::Api(channel) => Wire::Api(api(channel, view)),
        Channel::Email(channel) => Wire::Email(email(channel, view)),
        Channel::FacebookPage(channel) => Wire::FacebookPage(facebook_page(channel, view)),
        Channel::Instagram(channel) => Wire::Instagram(instagram(channel, view)),
        Channel::Tiktok(channel) => Wire::Tiktok(tiktok(channel, view)),
        Channel::TwilioSms(channel) => Wire::TwilioSms(twilio_sms(channel, view)),
        Channel::TwitterProfile(channel) => Wire::TwitterProfile(channel.into()),
        Channel::Telegram(channel) => Wire::Telegram(channel.into()),
        Channel::Line(Line) => Wire::Line(pb::LineChannel {}),
        Channel::Sms(channel) => Wire::Sms(channel.into()),
        Channel::Whatsapp(channel) => Wire::Whatsapp(whatsapp(channel, view)),
        Channel::Voice(channel) => Wire::Voice(channel.into()),
    }
}

fn web_widget(channel: &WebWidget, view: &InboxView<'_>) -> pb::WebWidgetChannel {
    let WebWidget {
        allowed_domains,
        widget_color,
        website_url,
        hmac_mandatory,
        welcome_title,
        welcome_tagline,
        web_widget_script,
        website_token,
        selected_feature_flags,
        reply_time,
        hmac_token,
        pre_chat_form_enabled,
        pre_chat_form_options,
        continuity_via_email,
    } = channel;
    pb::WebWidgetChannel {
        allowed_domains: allowed_domains.clone(),
        widget_color: widget_color.clone(),
        website_url: website_url.clone(),
        hmac_mandatory: *hmac_mandatory,
        welcome_title: welcome_title.clone(),
        welcome_tagline: welcome_tagline.clone(),
        web_widget_script: web_widget_script.clone(),
        website_token: website_token.clone(),
        selected_feature_flags: selected_feature_flags
            .iter()
            .map(|feature| pb::WidgetFeature::from(*feature).into())
            .collect(),
        reply_time: reply_time.map(|time| pb::ReplyTime::from(time).into()),
        hmac_token: reveal_text(hmac_token, view),
        pre_chat_form_enabled: *pre_chat_form_enabled,
        pre_chat_form_options: pre_chat_form_options.as_ref().map(Into::into),
        continuity_via_email: *continuity_via_email,
    }
}

fn api(channel: &Api, view: &InboxView<'_>) -> pb::ApiChannel {
    let Api {
        hmac_mandatory,
        hmac_token,
        secret,
        webhook_url,
        inbox_identifier,
        additional_attributes,
    } = channel;
    pb::ApiChannel {
        hmac_mandatory: *hmac_mandatory,
        hmac_token: reveal_text(hmac_token, view),
        webhook_url: webhook_url.clone(),
        inbox_identifier: inbox_identifier.clone(),
        additional_attributes: additional_attributes.as_ref().map(to_value),
        secret: reveal_text(secret, view),
    }
}

fn email(channel: &Email, view: &InboxView<'_>) -> pb::EmailChannel {
    let Email {
        email,
        forwarding_enabled,
        forward_to_email,
        imap,
        smtp,
        reauthorization,
        provider,
    } = channel;
    pb::EmailChannel {
        email: email.clone(),
        forwarding_enabled: Some(*forwarding_enabled),
        forward_to_email: forward_to_email.clone(),
        imap: view.reveal(imap).and_then(Option::as_ref).map(Into::into),
        smtp: view.reveal(smtp).and_then(Option::as_ref).map(Into::into),
        reauthorization: view
            .reveal(reauthorization)
            .and_then(|source| to_reauthorization(*source, view)),
        provider: provider.clone(),
    }
}

fn facebook_page(channel: &FacebookPage, view: &InboxView<'_>) -> pb::FacebookPageChannel {
    let FacebookPage {
        page_id,
        reauthorization,
        instagram_id,
    } = channel;
    pb::FacebookPageChannel {
        page_id: page_id.clone(),
        reauthorization: to_reauthorization(*reauthorization, view),
        instagram_id: instagram_id.clone(),
    }
}

fn instagram(channel: &Instagram, view: &InboxView<'_>) -> pb::InstagramChannel {
    let Instagram {
        reauthorization,
        instagram_id,
    } = channel;
    pb::InstagramChannel {
        reauthorization: to_reauthorization(*reauthorization, view),
        instagram_id: instagram_id.clone(),
    }
}

fn tiktok(channel: &Tiktok, view: &InboxView<'_>) -> pb::TiktokChannel {
    let Tiktok { reauthorization } = channel;
    pb::TiktokChannel {
        reauthorization: to_reauthorization(*reauthorization, view),
    }
}

fn twilio_sms(channel: &TwilioSms, view: &InboxView<'_>) -> pb::TwilioSmsChannel {
    let TwilioSms {
        messaging_service_sid,
        phone_number,
        medium,
        content_templates,
        auth_token,
        account_sid,
        api_key_sid,
        voice,
    } = channel;
    let TwilioVoice {
        voice_enabled,
        inbound_calls_enabled,
        voice_configured,
        has_api_key_secret,
        voice_call_webhook_url,
        voice_status_webhook_url,
    } = voice;
    pb::TwilioSmsChannel {
        messaging_service_sid: messaging_service_sid.clone(),
        phone_number: phone_number.clone(),
        medium: medium.map(|medium| pb::TwilioMedium::from(medium).into()),
        content_templates: content_templates.as_ref().map(to_value),
        auth_token: reveal_text(auth_token, view),
        account_sid: reveal_text(account_sid, view),
        api_key_sid: reveal_text(api_key_sid, view),
        voice_enabled: *voice_enabled,
        inbound_calls_enabled: *inbound_calls_enabled,
        voice_configured: *voice_configured,
        has_api_key_secret: *has_api_key_secret,
        voice_call_webhook_url: voice_call_webhook_url.clone(),
        voice_status_webhook_url: voice_status_webhook_url.clone(),
    }
}

fn whatsapp(channel: &Whatsapp, view: &InboxView<'_>) -> pb::WhatsappChannel {
    let Whatsapp {
        phone_number,
        provider,
        message_templates,
        provider_config,
        reauthorization,
        voice_enabled,
        inbound_calls_enabled,
    } = channel;
    pb::WhatsappChannel {
        phone_number: phone_number.clone(),
        provider: provider.clone(),
        message_templates: message_templates.as_ref().map(to_value),
        provider_config: view
            .reveal(provider_config)
            .and_then(Option::as_ref)
            .map(|config| to_value(config)),
        reauthorization: to_reauthorization(*reauthorization, view),
        voice_enabled: *voice_enabled,
        inbound_calls_enabled: *inbound_calls_enabled,
    }
}

/// A sealed text, revealed to viewers that may see it.
fn reveal_text<G: Group>(sealed: &SecretText<G>, view: &InboxView<'_>) -> Option<String> {
    view.reveal(sealed)
        .and_then(|secret| expose(secret.as_ref()))
}

fn expose(secret: Option<&SecretString>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

fn to_reauthorization(source: FlagSource, view: &InboxView<'_>) -> Option<i32> {
    let state = view.reauthorization(source)?;
    Some(pb::Reauthorization::from(state).into())
}

impl From<&Imap> for pb::ImapSettings {
    fn from(imap: &Imap) -> Self {
        let Imap {
            login,
            password,
            address,
            port,
            enabled,
            enable_ssl,
            authentication,
        } = imap;
        Self {
            login: login.clone(),
            password: expose(password.as_ref()),
            address: address.clone(),
            port: *port,
            enabled: *enabled,
            enable_ssl: *enable_ssl,
            authentication: authentication.clone(),
        }
    }
}

impl From<&Smtp> for pb::SmtpSettings {
    fn from(smtp: &Smtp) -> Self {
        let Smtp {
            login,
            password,
            address,
            port,
            enabled,
            domain,
            enable_ssl_tls,
            enable_starttls_auto,
            openssl_verify_mode,
            authentication,
        } = smtp;
        Self {
            login: login.clone(),
            password: expose(password.as_ref()),
            address: address.clone(),
            port: *port,
            enabled: *enabled,
            domain: domain.clone(),
            enable_ssl_tls: *enable_ssl_tls,
            enable_starttls_auto: *enable_starttls_auto,
            openssl_verify_mode: openssl_verify_mode.clone(),
            authentication: authentication.clone(),
        }
    }
}

impl From<&TwitterProfile> for pb::TwitterProfileChannel {
    fn from(channel: &TwitterProfile) -> Self {
        let TwitterProfile { tweets_enabled } = channel;
        Self {
            tweets_enabled: *tweets_enabled,
        }
    }
}

impl From<&Telegram> for pb::TelegramChannel {
    fn from(channel: &Telegram) -> Self {
        let Telegram { bot_name } = channel;
        Self {
            bot_name: bot_name.clone(),
        }
    }
}

impl From<&Sms> for pb::SmsChannel {
    fn from(channel: &Sms) -> Self {
        let Sms {
            phone_number,
            provider,
        } = channel;
        Self {
            phone_number: phone_number.clone(),
            provider: provider.clone(),
        }
    }
}

impl From<&Voice> for pb::VoiceChannel {
    fn from(channel: &Voice) -> Self {
        let Voice {
            phone_number,
            provider,
            voice_call_webhook_url,
            voice_status_webhook_url,
        } = channel;
        Self {
            phone_number: phone_number.clone(),
            provider: provider.clone(),
            voice_call_webhook_url: voice_call_webhook_url.clone(),
            voice_status_webhook_url: voice_status_webhook_url.clone(),
        }
    }
}

impl From<&PreChatFormOptions> for pb::PreChatFormOptions {
    fn from(options: &PreChatFormOptions) -> Self {
        let PreChatFormOptions {
            pre_chat_message,
            require_email,
            pre_chat_fields,
            unrecognized,
        } = options;
        Self {
            pre_chat_message: pre_chat_message.clone(),
            require_email: *require_email,
            pre_chat_fields: pre_chat_fields.iter().map(Into::into).collect(),
            unrecognized: unrecognized.as_ref().map(to_value),
        }
    }
}

impl From<&PreChatField> for pb::PreChatField {
    fn from(field: &PreChatField) -> Self {
        let PreChatField {
            field_type,
            label,
            placeholder,
            name,
            enabled,
            r#type,
            required,
            locale,
            values,
            regex_pattern,
            regex_cue,
            unrecognized,
        } = field;
        Self {
            field_type: field_type.clone(),
            label: label.clone(),
            placeholder: placeholder.clone(),
            name: name.clone(),
            enabled: *enabled,
            r#type: r#type.clone(),
            required: *required,
            locale: locale.clone(),
            values: values.clone(),
            regex_pattern: regex_pattern.clone(),
            regex_cue: regex_cue.clone(),
            unrecognized: unrecognized.as_ref().map(to_value),
        }
    }
}
