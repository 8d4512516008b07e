//! A WhatsApp number: `channel_whatsapp`.

use zeroize::Zeroizing;

use crate::domain::{
    json::Json, reauthorization::FlagSource, secret::AdminOnly, secret_group::group,
};

#[derive(Debug, Default)]
pub struct Whatsapp {
    pub phone_number: Option<String>,
    pub provider: Option<String>,
    pub message_templates: Option<Json>,
    /// The provider's settings, its keys and tokens among them.
    pub provider_config: AdminOnly<Option<Zeroizing<Json>>, group::Whatsapp>,
    pub reauthorization: FlagSource,
    /// Whether the number can be called. `None`, as the other, where leadchat is
    /// too old to know.
    pub voice_enabled: Option<bool>,
    pub inbound_calls_enabled: Option<bool>,
}
