//! A phone number for voice calls: `channel_voice`.

#[derive(Debug, Default)]
pub struct Voice {
    pub phone_number: Option<String>,
    pub provider: Option<String>,
    /// Derived from FRONTEND_URL and the number.
    pub voice_call_webhook_url: Option<String>,
    /// Derived likewise.
    pub voice_status_webhook_url: Option<String>,
}
