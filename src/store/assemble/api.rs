//! A row of `channel_api`.

use super::{
    Context, Degradations, json,
    parts::{ChannelParts, plain_secret},
};
use crate::{
    domain::{
        channel::{Channel, api::Api},
        secret::AdminOnly,
    },
    store::schema::rows::ApiRow,
};

pub(super) fn assemble(
    row: &ApiRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let Degradations { open, signing, .. } = degradations;
    let hmac_token = plain_secret(&row.hmac_token, "api.hmac_token", signing);
    let secret = row.secret.as_ref().and_then(|secret| {
        let decryption = context.decryption;
        decryption.decrypted(secret, "api.secret", signing)
    });
    let api = Api {
        hmac_mandatory: row.hmac_mandatory.shown("api.hmac_mandatory", open),
        hmac_token,
        secret: AdminOnly::seal(secret),
        webhook_url: row.webhook_url.shown("api.webhook_url", open),
        inbox_identifier: row.identifier.shown("api.inbox_identifier", open),
        additional_attributes: json(
            row.additional_attributes.text(),
            "api.additional_attributes",
            open,
        ),
    };
    Channel::Api(api).into()
}
