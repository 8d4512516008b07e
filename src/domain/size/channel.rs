//! The sizes of channels.

use super::{HeapSize, heap_size, no_heap};
use crate::domain::channel::{
    Channel,
    api::Api,
    email::{Email, Imap, Smtp},
    facebook_page::FacebookPage,
    instagram::Instagram,
    line::Line,
    sms::Sms,
    telegram::Telegram,
    tiktok::Tiktok,
    twilio_sms::{TwilioMedium, TwilioSms, TwilioVoice},
    twitter_profile::TwitterProfile,
    voice::Voice,
    web_widget::{PreChatField, PreChatFormOptions, ReplyTime, WebWidget, WidgetFeature},
    whatsapp::Whatsapp,
};

no_heap!(ReplyTime, TwilioMedium, WidgetFeature);

impl HeapSize for Channel {
    fn heap_size(&self) -> usize {
        match self {
            Self::WebWidget(channel) => channel.heap_size(),
            Self::Api(channel) => channel.heap_size(),
            Self::Email(channel) => channel.heap_size(),
            Self::FacebookPage(channel) => channel.heap_size(),
            Self::Instagram(channel) => channel.heap_size(),
            Self::Tiktok(channel) => channel.heap_size(),
            Self::TwilioSms(channel) => channel.heap_size(),
            Self::TwitterProfile(channel) => channel.heap_size(),
            Self::Telegram(channel) => channel.heap_size(),
            Self::Line(channel) => channel.heap_size(),
            Self::Sms(channel) => channel.heap_size(),
            Self::Whatsapp(channel) => channel.heap_size(),
            Self::Voice(channel) => channel.heap_size(),
        }
    }
}

heap_size! {
    WebWidget {
        allowed_domains, widget_color, website_url, hmac_mandatory, welcome_title,
        welcome_tagline, web_widget_script, website_token, selected_feature_flags, reply_time,
        hmac_token, pre_chat_form_enabled, pre_chat_form_options, continuity_via_email,
    }

    PreChatFormOptions { pre_chat_message, require_email, pre_chat_fields, unrecognized }

    PreChatField {
        field_type, label, placeholder, name, enabled, r#type, required, locale, values,
        regex_pattern, regex_cue, unrecognized,
    }

    Api {
        hmac_mandatory, hmac_token, secret, webhook_url, inbox_identifier,
        additional_attributes,
    }

    Email {
        email, forwarding_enabled, forward_to_email, imap, smtp, reauthorization, provider,
    }

    Imap { login, password, address, port, enabled, enable_ssl, authentication }

    Smtp {
        login, password, address, port, enabled, domain, enable_ssl_tls, enable_starttls_auto,
        openssl_verify_mode, authentication,
    }

    FacebookPage { page_id, reauthorization, instagram_id }

    Instagram { reauthorization, instagram_id }

    Line {}

    Sms { phone_number, provider }

    Telegram { bot_name }

    Tiktok { reauthorization }

    TwilioSms {
        messaging_service_sid, phone_number, medium, content_templates, auth_token,
        account_sid, api_key_sid, voice,
    }

    TwilioVoice {
        voice_enabled, inbound_calls_enabled, voice_configured, has_api_key_secret,
        voice_call_webhook_url, voice_status_webhook_url,
    }

    TwitterProfile { tweets_enabled }

    Voice { phone_number, provider, voice_call_webhook_url, voice_status_webhook_url }

    Whatsapp {
        phone_number, provider, message_templates, provider_config, reauthorization,
        voice_enabled, inbound_calls_enabled,
    }
}
