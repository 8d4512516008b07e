//! A Twilio number or messaging service: `channel_twilio_sms`.

use super::SecretText;
use crate::domain::json::Json;

#[derive(Debug)]
pub struct TwilioSms {
    pub messaging_service_sid: Option<String>,
    pub phone_number: Option<String>,
    pub medium: Option<TwilioMedium>,
    pub content_templates: Option<Json>,
    pub auth_token: SecretText,
    pub account_sid: SecretText,
}

/// `channel_twilio_sms.medium`.
#[derive(Clone, Copy, Debug)]
pub enum TwilioMedium {
    Sms,
    Whatsapp,
}
