//! A row of `channel_voice`.

use super::{
    Context, Degradations,
    parts::{ChannelParts, linked},
};
use crate::{
    domain::{
        channel::{Channel, voice::Voice},
        degradation::{Degradation, DegradationReason},
    },
    leadchat::links::Links,
    store::schema::{columns::Stored, rows::VoiceRow},
};

pub(super) fn assemble(
    row: &VoiceRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let open = &mut degradations.open;
    let mut url = |field, link| voice_url(&row.phone_number, field, context, &mut *open, link);
    let voice_call_webhook_url = url("voice.voice_call_webhook_url", Links::voice_call);
    let voice_status_webhook_url = url("voice.voice_status_webhook_url", Links::voice_status);
    let voice = Voice {
        voice_call_webhook_url,
        voice_status_webhook_url,
        phone_number: row.phone_number.shown("voice.phone_number", open),
        provider: row.provider.shown("voice.provider", open),
    };
    Channel::Voice(voice).into()
}

/// An address that is made of a number, and of FRONTEND_URL.
pub(super) fn voice_url(
    number: &Stored<String>,
    field: &str,
    context: &Context<'_>,
    open: &mut Vec<Degradation>,
    link: fn(&Links, &str) -> Option<String>,
) -> Option<String> {
    let links = &context.installation.links;
    let url = linked(number, field, open, |number| link(links, number))?;
    if url.is_none() {
        open.push(Degradation::new(
            field,
            DegradationReason::FrontendUrlNotConfigured,
        ));
    }
    url
}
