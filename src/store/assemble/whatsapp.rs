//! A row of `channel_whatsapp`.
//!
//! Newer leadchats can call such a number; of older ones nothing is said about calls.

use zeroize::Zeroizing;

use super::{
    Context, Degradations,
    flags::flag_source,
    json,
    parts::{ChannelParts, callback, readable},
};
use crate::{
    domain::{
        channel::{Channel, ChannelKind, whatsapp::Whatsapp},
        degradation::Degradation,
        reauthorization::{FlagSource, Reauthorization},
        secret::AdminOnly,
    },
    leadchat::provider_config::ProviderConfig,
    store::schema::{columns::Unreadable, rows::WhatsappRow},
};

pub(super) fn assemble(
    row: &WhatsappRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let links = &context.installation.links;
    let callback_webhook_url = callback(&row.phone_number, degradations, |number| {
        links.whatsapp_callback(number)
    });
    let Degradations { open, whatsapp, .. } = degradations;
    let phone_number = row.phone_number.shown("whatsapp.phone_number", open);
    let provider = row.provider.shown("whatsapp.provider", open);
    let message_templates = json(
        row.message_templates.text(),
        "whatsapp.message_templates",
        open,
    );
    let config = json(
        row.provider_config.text(),
        "whatsapp.provider_config",
        whatsapp,
    );
    let reauthorization = reauthorization(row, context, open);
    let whatsapp = Whatsapp {
        phone_number,
        provider,
        message_templates,
        provider_config: AdminOnly::seal(config.map(Zeroizing::new)),
        reauthorization,
        voice_enabled: voice_enabled(row, context, open),
        inbound_calls_enabled: inbound_calls_enabled(row, context, open),
    };
    ChannelParts {
        callback_webhook_url,
        ..Channel::Whatsapp(whatsapp).into()
    }
}

/// Whether the number can be called.
fn voice_enabled(
    row: &WhatsappRow,
    context: &Context<'_>,
    open: &mut Vec<Degradation>,
) -> Option<bool> {
    // Nothing is said either where the account's features may not be read.
    let voice_feature_enabled = row
        .voice_feature_enabled
        .as_ref()
        .filter(|_| context.features.whatsapp_calls)?;
    let is_enabled = || {
        if row.provider.text().ok()? != Some("whatsapp_cloud") {
            return Some(false);
        }
        if !provider_config(row).ok()?.is_calling_enabled()? {
            return Some(false);
        }
        voice_feature_enabled.get().ok()?.copied()
    };
    readable(is_enabled(), "whatsapp.voice_enabled", open)
}

fn inbound_calls_enabled(
    row: &WhatsappRow,
    context: &Context<'_>,
    open: &mut Vec<Degradation>,
) -> Option<bool> {
    if !context.features.inbound_calls {
        return None;
    }
    let config = provider_config(row).ok();
    let are_taken = config.and_then(|config| config.accepts_inbound_calls());
    readable(are_taken, "whatsapp.inbound_calls_enabled", open)
}

/// A channel that was set up by hand cannot be reauthorized.
fn reauthorization(
    row: &WhatsappRow,
    context: &Context<'_>,
    open: &mut Vec<Degradation>,
) -> FlagSource {
    if context.features.inbound_calls {
        let config = provider_config(row).ok();
        let can_be = config.and_then(|config| config.has_embedded_signup());
        match readable(can_be, "whatsapp.reauthorization", open) {
            Some(true) => {}
            Some(false) => return FlagSource::Fixed(Reauthorization::NotRequired),
            None => return FlagSource::Absent,
        }
    }
    flag_source(context, ChannelKind::Whatsapp, row.id, open)
}

fn provider_config(row: &WhatsappRow) -> Result<ProviderConfig<'_>, Unreadable> {
    row.provider_config.text().map(ProviderConfig::read)
}
