//! A Twilio number or messaging service: `channel_twilio_sms`.

use super::SecretText;
use crate::domain::{json::Json, secret_group::group};

#[derive(Debug, Default)]
pub struct TwilioSms {
    pub messaging_service_sid: Option<String>,
    pub phone_number: Option<String>,
    pub medium: Option<TwilioMedium>,
    pub content_templates: Option<Json>,
    pub auth_token: SecretText<group::Twilio>,
    pub account_sid: SecretText<group::Twilio>,
    pub api_key_sid: SecretText<group::Twilio>,
    pub voice: TwilioVoice,
}

/// Whether and how a number can be called. Nothing of it where leadchat is too
/// old to know.
#[derive(Debug, Default)]
pub struct TwilioVoice {
    pub voice_enabled: Option<bool>,
    pub inbound_calls_enabled: Option<bool>,
    /// Whether leadchat has set the number up for calls at Twilio.
    pub voice_configured: Option<bool>,
    /// The secret itself is never read.
    pub has_api_key_secret: Option<bool>,
    /// Derived from FRONTEND_URL and the number, like the other; `None` unless
    /// the number is set up.
    pub voice_call_webhook_url: Option<String>,
    pub voice_status_webhook_url: Option<String>,
}

/// `channel_twilio_sms.medium`.
#[derive(Clone, Copy, Debug)]
pub enum TwilioMedium {
    Sms,
    Whatsapp,
}
