//! The values of an inbox that may be left out of a response: each text, each JSON value
//! and each list. Numbers and enums stay.
//!
//! Messages are taken apart without `..`, so that a new field that is not placed here
//! does not compile.

use prost::Message;
use prost_types::Value;

use crate::grpc::pb;

/// Gets the path and the size of a value, and returns whether to omit it.
pub type Visitor<'a> = dyn FnMut(&str, usize) -> bool + 'a;

/// A message or one of its fields.
pub trait Visit {
    /// Visits the values in it, in the order of fields.
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_>);
}

/// The content of an optional field.
trait Content: Message {
    /// Whether to leave it out as a whole.
    fn is_omitted(&mut self, path: &str, visitor: &mut Visitor<'_>) -> bool {
        visitor(path, self.encoded_len())
    }
}

impl Content for String {}

impl Content for Value {}

impl<T: Content> Visit for Option<T> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_>) {
        if let Some(content) = self
            && content.is_omitted(path, visitor)
        {
            *self = None;
        }
    }
}

impl<T: Message> Visit for Vec<T> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_>) {
        let bytes = self
            .iter()
            .map(|it| super::element_bytes(it.encoded_len()))
            .sum();
        if !self.is_empty() && visitor(path, bytes) {
            self.clear();
        }
    }
}

impl Visit for String {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_>) {
        if !self.is_empty() && visitor(path, self.len()) {
            self.clear();
        }
    }
}

/// Types whose values are always small.
macro_rules! fixed_size {
    ($($number:ty),*) => {
        $(impl Visit for $number {
            fn visit(&mut self, _: &str, _: &mut Visitor<'_>) {}
        }

        impl Content for $number {
            fn is_omitted(&mut self, _: &str, _: &mut Visitor<'_>) -> bool {
                false
            }
        })*
    };
}

fixed_size!(bool, i32, i64);

/// The fields of messages. Those behind a semicolon are not visited.
macro_rules! messages {
    ($($message:ident { $($field:ident),* $(,)? $(; $($other:ident),*)? })*) => {
        $(impl Visit for pb::$message {
            fn visit(&mut self, path: &str, visitor: &mut Visitor<'_>) {
                let Self { $($field,)* $($($other: _,)*)? } = self;
                let _ = (path, &visitor);
                $($field.visit(&join_path(path, stringify!($field)), visitor);)*
            }
        }

        impl Content for pb::$message {
            fn is_omitted(&mut self, path: &str, visitor: &mut Visitor<'_>) -> bool {
                self.visit(path, visitor);
                false
            }
        })*
    };
}

fn join_path(path: &str, field: &str) -> String {
    match path {
        "" => field.to_owned(),
        path => format!("{path}.{field}"),
    }
}

messages! {
    Inbox {
        id, account_id, name, channel_kind, channel_type, channel_id, avatar_url,
        greeting_enabled, greeting_message, working_hours_enabled, enable_email_collect,
        csat_survey_enabled, csat_config, enable_auto_assignment, auto_assignment_config,
        out_of_office_message, working_hours, timezone, callback_webhook_url,
        allow_messages_after_resolved, lock_to_single_conversation, sender_name_type,
        business_name, help_center, channel;
        etag, degradations
    }
    HelpCenter { name, slug }
    CsatConfig {
        display_type, message, button_text, language, survey_rules, template, unrecognized,
    }
    CsatSurveyRules { operator, values, unrecognized }
    CsatTemplate {
        name, template_id, created_at, language, friendly_name, content_sid, approval_sid,
        status, unrecognized,
    }
    AutoAssignmentConfig { max_assignment_limit, unrecognized }
    WebWidgetChannel {
        allowed_domains, widget_color, website_url, hmac_mandatory, welcome_title,
        welcome_tagline, web_widget_script, website_token, selected_feature_flags, reply_time,
        hmac_token, pre_chat_form_enabled, pre_chat_form_options, continuity_via_email,
    }
    PreChatFormOptions { pre_chat_message, require_email, pre_chat_fields, unrecognized }
    ApiChannel {
        hmac_mandatory, hmac_token, webhook_url, inbox_identifier, additional_attributes, secret,
    }
    EmailChannel {
        email, forwarding_enabled, forward_to_email, imap, smtp, reauthorization, provider,
    }
    ImapSettings { login, password, address, port, enabled, enable_ssl, authentication }
    SmtpSettings {
        login, password, address, port, enabled, domain, enable_ssl_tls, enable_starttls_auto,
        openssl_verify_mode, authentication,
    }
    FacebookPageChannel { page_id, reauthorization, instagram_id }
    InstagramChannel { reauthorization, instagram_id }
    TiktokChannel { reauthorization }
    TwilioSmsChannel {
        messaging_service_sid, phone_number, medium, content_templates, auth_token, account_sid,
        api_key_sid, voice_enabled, inbound_calls_enabled, voice_configured, has_api_key_secret,
        voice_call_webhook_url, voice_status_webhook_url,
    }
    TwitterProfileChannel { tweets_enabled }
    TelegramChannel { bot_name }
    LineChannel {}
    SmsChannel { phone_number, provider }
    WhatsappChannel {
        phone_number, provider, message_templates, provider_config, reauthorization,
        voice_enabled, inbound_calls_enabled,
    }
    VoiceChannel { phone_number, provider, voice_call_webhook_url, voice_status_webhook_url }
}

impl Visit for Option<pb::inbox::Channel> {
    fn visit(&mut self, _: &str, visitor: &mut Visitor<'_>) {
        use pb::inbox::Channel;

        let Some(channel) = self else { return };
        match channel {
            Channel::WebWidget(channel) => channel.visit("web_widget", visitor),
            Channel::Api(channel) => channel.visit("api", visitor),
            Channel::Email(channel) => channel.visit("email", visitor),
            Channel::FacebookPage(channel) => channel.visit("facebook_page", visitor),
            Channel::Instagram(channel) => channel.visit("instagram", visitor),
            Channel::Tiktok(channel) => channel.visit("tiktok", visitor),
            Channel::TwilioSms(channel) => channel.visit("twilio_sms", visitor),
            Channel::TwitterProfile(channel) => channel.visit("twitter_profile", visitor),
            Channel::Telegram(channel) => channel.visit("telegram", visitor),
            Channel::Line(channel) => channel.visit("line", visitor),
            Channel::Sms(channel) => channel.visit("sms", visitor),
            Channel::Whatsapp(channel) => channel.visit("whatsapp", visitor),
            Channel::Voice(channel) => channel.visit("voice", visitor),
        }
    }
}
