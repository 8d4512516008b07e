//! An SMS number of a provider other than Twilio: `channel_sms`.

#[derive(Debug, Default)]
pub struct Sms {
    pub phone_number: Option<String>,
    pub provider: Option<String>,
}
