//! An SMS number of a provider other than Twilio: `channel_sms`.

#[derive(Debug)]
pub struct Sms {
    pub phone_number: Option<String>,
    pub provider: Option<String>,
}
