//! An inbox driven through leadchat's own API: `channel_api`.

use super::SecretText;
use crate::domain::{json::Json, secret_group::group};

#[derive(Debug, Default)]
pub struct Api {
    pub hmac_mandatory: Option<bool>,
    pub hmac_token: SecretText<group::Signing>,
    /// The secret that leadchat signs webhooks with.
    pub secret: SecretText<group::Signing>,
    pub webhook_url: Option<String>,
    /// Public: clients name the inbox by it.
    pub inbox_identifier: Option<String>,
    pub additional_attributes: Option<Json>,
}
