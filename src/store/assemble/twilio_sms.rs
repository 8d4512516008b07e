//! A row of `channel_twilio_sms`.
//!
//! Newer leadchats can call such a number; of older ones nothing is said about calls.

use super::{
    Context, Degradations, json,
    parts::{ChannelParts, plain_secret, readable},
    state,
    voice::voice_url,
};
use crate::{
    domain::{
        channel::{
            Channel,
            twilio_sms::{TwilioMedium, TwilioSms, TwilioVoice},
        },
        degradation::Degradation,
        secret::AdminOnly,
    },
    leadchat::{is_blank, links::Links},
    store::schema::{columns::Stored, rows::TwilioSmsRow},
};

const MEDIUMS: [(i64, TwilioMedium); 2] = [(0, TwilioMedium::Sms), (1, TwilioMedium::Whatsapp)];

pub(super) fn assemble(
    row: &TwilioSmsRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let Degradations { open, twilio, .. } = degradations;
    let auth_token = context
        .decryption
        .decrypted(&row.auth_token, "twilio_sms.auth_token", twilio);
    let twilio_sms = TwilioSms {
        messaging_service_sid: row
            .messaging_service_sid
            .shown("twilio_sms.messaging_service_sid", open),
        phone_number: row.phone_number.shown("twilio_sms.phone_number", open),
        medium: state(&row.medium, &MEDIUMS, "twilio_sms.medium", open),
        content_templates: json(
            row.content_templates.text(),
            "twilio_sms.content_templates",
            open,
        ),
        auth_token: AdminOnly::seal(auth_token),
        account_sid: plain_secret(&row.account_sid, "twilio_sms.account_sid", twilio),
        api_key_sid: row
            .api_key_sid
            .as_ref()
            .map(|sid| plain_secret(sid, "twilio_sms.api_key_sid", twilio))
            .unwrap_or_default(),
        voice: voice(row, context, open),
    };
    ChannelParts {
        callback_webhook_url: Some(context.installation.links.twilio_callback()),
        ..Channel::TwilioSms(Box::new(twilio_sms)).into()
    }
}

/// Whether and how the number can be called.
fn voice(row: &TwilioSmsRow, context: &Context<'_>, open: &mut Vec<Degradation>) -> TwilioVoice {
    let is_configured = row.twiml_app_sid.as_ref().map(|sid| {
        let is_present = |sid: Option<&String>| sid.is_some_and(|sid| !is_blank(sid));
        sid.derive("twilio_sms.voice_configured", open, is_present)
    });
    let mut url = |field, link| match is_configured? {
        Some(true) => webhook_url(row, field, context, open, link),
        Some(false) => None,
        None => readable(None, field, open),
    };
    TwilioVoice {
        voice_call_webhook_url: url("twilio_sms.voice_call_webhook_url", Links::voice_call),
        voice_status_webhook_url: url("twilio_sms.voice_status_webhook_url", Links::voice_status),
        voice_enabled: shown_if_there(row.voice_enabled.as_ref(), "twilio_sms.voice_enabled", open),
        inbound_calls_enabled: row.inbound_calls_enabled.as_ref().and_then(|outcome| {
            let outcome = outcome.get().ok().flatten().copied();
            readable(outcome, "twilio_sms.inbound_calls_enabled", open)
        }),
        voice_configured: is_configured.flatten(),
        has_api_key_secret: shown_if_there(
            row.has_api_key_secret.as_ref(),
            "twilio_sms.has_api_key_secret",
            open,
        ),
    }
}

/// Rails raises where there is no number.
fn webhook_url(
    row: &TwilioSmsRow,
    field: &str,
    context: &Context<'_>,
    open: &mut Vec<Degradation>,
    link: fn(&Links, &str) -> Option<String>,
) -> Option<String> {
    if matches!(row.phone_number.get(), Ok(None)) {
        return readable(None, field, open);
    }
    voice_url(&row.phone_number, field, context, open, link)
}

/// A column of newer leadchats.
fn shown_if_there<T: Clone>(
    stored: Option<&Stored<T>>,
    field: &str,
    open: &mut Vec<Degradation>,
) -> Option<T> {
    stored?.shown(field, open)
}
