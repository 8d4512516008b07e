//! Where each key of the view is in the contract.

/// How a field says what the key said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// The same value.
    Value,
    /// An enum, in the view its name in lower case; lists of them too.
    Name,
    /// `Reauthorization`, in the view a boolean.
    Required,
}

/// Keys of newer leadchats too: the oracle says by their absence that there is
/// nothing of them on its tables.
///
/// Key, fields that hold it (by kind; at most one is there), how.
pub type Entry = (&'static str, &'static [&'static str], As);

pub const KEYS: &[Entry] = &[
    ("id", &["id"], As::Value),
    ("avatar_url", &["avatar_url"], As::Value),
    ("channel_id", &["channel_id"], As::Value),
    ("name", &["name"], As::Value),
    ("channel_type", &["channel_type"], As::Value),
    ("greeting_enabled", &["greeting_enabled"], As::Value),
    ("greeting_message", &["greeting_message"], As::Value),
    (
        "working_hours_enabled",
        &["working_hours_enabled"],
        As::Value,
    ),
    ("enable_email_collect", &["enable_email_collect"], As::Value),
    ("csat_survey_enabled", &["csat_survey_enabled"], As::Value),
    ("csat_config", &["csat_config"], As::Value),
    (
        "enable_auto_assignment",
        &["enable_auto_assignment"],
        As::Value,
    ),
    (
        "auto_assignment_config",
        &["auto_assignment_config"],
        As::Value,
    ),
    (
        "out_of_office_message",
        &["out_of_office_message"],
        As::Value,
    ),
    ("working_hours", &["working_hours"], As::Value),
    ("timezone", &["timezone"], As::Value),
    ("callback_webhook_url", &["callback_webhook_url"], As::Value),
    (
        "allow_messages_after_resolved",
        &["allow_messages_after_resolved"],
        As::Value,
    ),
    (
        "lock_to_single_conversation",
        &["lock_to_single_conversation"],
        As::Value,
    ),
    ("sender_name_type", &["sender_name_type"], As::Name),
    ("business_name", &["business_name"], As::Value),
    ("help_center", &["help_center"], As::Value),
    (
        "tweets_enabled",
        &["twitter_profile.tweets_enabled"],
        As::Value,
    ),
    (
        "allowed_domains",
        &["web_widget.allowed_domains"],
        As::Value,
    ),
    ("widget_color", &["web_widget.widget_color"], As::Value),
    ("website_url", &["web_widget.website_url"], As::Value),
    (
        "hmac_mandatory",
        &["web_widget.hmac_mandatory", "api.hmac_mandatory"],
        As::Value,
    ),
    ("welcome_title", &["web_widget.welcome_title"], As::Value),
    (
        "welcome_tagline",
        &["web_widget.welcome_tagline"],
        As::Value,
    ),
    (
        "web_widget_script",
        &["web_widget.web_widget_script"],
        As::Value,
    ),
    ("website_token", &["web_widget.website_token"], As::Value),
    (
        "selected_feature_flags",
        &["web_widget.selected_feature_flags"],
        As::Name,
    ),
    ("reply_time", &["web_widget.reply_time"], As::Name),
    (
        "hmac_token",
        &["web_widget.hmac_token", "api.hmac_token"],
        As::Value,
    ),
    (
        "pre_chat_form_enabled",
        &["web_widget.pre_chat_form_enabled"],
        As::Value,
    ),
    (
        "pre_chat_form_options",
        &["web_widget.pre_chat_form_options"],
        As::Value,
    ),
    (
        "continuity_via_email",
        &["web_widget.continuity_via_email"],
        As::Value,
    ),
    ("page_id", &["facebook_page.page_id"], As::Value),
    (
        "reauthorization_required",
        &[
            "facebook_page.reauthorization",
            "instagram.reauthorization",
            "tiktok.reauthorization",
            "email.reauthorization",
            "whatsapp.reauthorization",
        ],
        As::Required,
    ),
    (
        "instagram_id",
        &["facebook_page.instagram_id", "instagram.instagram_id"],
        As::Value,
    ),
    (
        "messaging_service_sid",
        &["twilio_sms.messaging_service_sid"],
        As::Value,
    ),
    (
        "phone_number",
        &[
            "twilio_sms.phone_number",
            "sms.phone_number",
            "whatsapp.phone_number",
            "voice.phone_number",
        ],
        As::Value,
    ),
    ("medium", &["twilio_sms.medium"], As::Name),
    (
        "content_templates",
        &["twilio_sms.content_templates"],
        As::Value,
    ),
    ("auth_token", &["twilio_sms.auth_token"], As::Value),
    ("account_sid", &["twilio_sms.account_sid"], As::Value),
    ("api_key_sid", &["twilio_sms.api_key_sid"], As::Value),
    ("email", &["email.email"], As::Value),
    (
        "forwarding_enabled",
        &["email.forwarding_enabled"],
        As::Value,
    ),
    ("forward_to_email", &["email.forward_to_email"], As::Value),
    ("imap_login", &["email.imap.login"], As::Value),
    ("imap_password", &["email.imap.password"], As::Value),
    ("imap_address", &["email.imap.address"], As::Value),
    ("imap_port", &["email.imap.port"], As::Value),
    ("imap_enabled", &["email.imap.enabled"], As::Value),
    ("imap_enable_ssl", &["email.imap.enable_ssl"], As::Value),
    (
        "imap_authentication",
        &["email.imap.authentication"],
        As::Value,
    ),
    ("smtp_login", &["email.smtp.login"], As::Value),
    ("smtp_password", &["email.smtp.password"], As::Value),
    ("smtp_address", &["email.smtp.address"], As::Value),
    ("smtp_port", &["email.smtp.port"], As::Value),
    ("smtp_enabled", &["email.smtp.enabled"], As::Value),
    ("smtp_domain", &["email.smtp.domain"], As::Value),
    (
        "smtp_enable_ssl_tls",
        &["email.smtp.enable_ssl_tls"],
        As::Value,
    ),
    (
        "smtp_enable_starttls_auto",
        &["email.smtp.enable_starttls_auto"],
        As::Value,
    ),
    (
        "smtp_openssl_verify_mode",
        &["email.smtp.openssl_verify_mode"],
        As::Value,
    ),
    (
        "smtp_authentication",
        &["email.smtp.authentication"],
        As::Value,
    ),
    ("webhook_url", &["api.webhook_url"], As::Value),
    ("inbox_identifier", &["api.inbox_identifier"], As::Value),
    (
        "additional_attributes",
        &["api.additional_attributes"],
        As::Value,
    ),
    (
        "provider",
        &[
            "email.provider",
            "sms.provider",
            "whatsapp.provider",
            "voice.provider",
        ],
        As::Value,
    ),
    ("bot_name", &["telegram.bot_name"], As::Value),
    (
        "message_templates",
        &["whatsapp.message_templates"],
        As::Value,
    ),
    ("provider_config", &["whatsapp.provider_config"], As::Value),
    (
        "voice_call_webhook_url",
        &[
            "voice.voice_call_webhook_url",
            "twilio_sms.voice_call_webhook_url",
        ],
        As::Value,
    ),
    (
        "voice_status_webhook_url",
        &[
            "voice.voice_status_webhook_url",
            "twilio_sms.voice_status_webhook_url",
        ],
        As::Value,
    ),
    ("secret", &["api.secret"], As::Value),
    (
        "voice_enabled",
        &["twilio_sms.voice_enabled", "whatsapp.voice_enabled"],
        As::Value,
    ),
    (
        "inbound_calls_enabled",
        &[
            "twilio_sms.inbound_calls_enabled",
            "whatsapp.inbound_calls_enabled",
        ],
        As::Value,
    ),
    (
        "voice_configured",
        &["twilio_sms.voice_configured"],
        As::Value,
    ),
    (
        "has_api_key_secret",
        &["twilio_sms.has_api_key_secret"],
        As::Value,
    ),
];

/// Fields of the contract that no key of the view speaks of.
pub const WITHOUT_KEY: [&str; 4] = ["account_id", "channel_kind", "etag", "degradations"];
