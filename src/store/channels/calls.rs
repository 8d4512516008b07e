//! Whether Twilio's and WhatsApp's numbers can be called: what newer leadchats
//! know, and older ones say nothing of.

use crate::{
    domain::{
        channel::{ChannelKind, Reauthorization, twilio_sms::TwilioVoice},
        degradation::{Degradation, Reason},
    },
    leadchat::{age::Age, is_blank, links::Links, provider_config::ProviderConfig},
    store::{
        assemble::Assembly,
        columns::{Stored, Unreadable},
        rows::{TwilioSmsRow, WhatsappRow},
    },
};

impl Assembly<'_> {
    pub(super) fn twilio_voice(
        &self,
        row: Option<&TwilioSmsRow>,
        open: &mut Vec<Degradation>,
    ) -> TwilioVoice {
        let Some(row) = row else {
            return TwilioVoice::default();
        };
        let is_configured = row.twiml_app_sid.as_ref().map(|sid| {
            let is_present = |sid: Option<&String>| sid.is_some_and(|sid| !is_blank(sid));
            sid.derive("twilio_sms.voice_configured", open, is_present)
        });
        let mut url = |field, link| match is_configured? {
            Some(true) => self.twilio_url(&row.phone_number, field, open, link),
            Some(false) => None,
            None => known(None, field, open),
        };
        TwilioVoice {
            voice_call_webhook_url: url("twilio_sms.voice_call_webhook_url", Links::voice_call),
            voice_status_webhook_url: url(
                "twilio_sms.voice_status_webhook_url",
                Links::voice_status,
            ),
            voice_enabled: shown(row.voice_enabled.as_ref(), "twilio_sms.voice_enabled", open),
            inbound_calls_enabled: row.inbound_calls_enabled.as_ref().and_then(|outcome| {
                let outcome = outcome.get().ok().flatten().copied();
                known(outcome, "twilio_sms.inbound_calls_enabled", open)
            }),
            voice_configured: is_configured.flatten(),
            has_api_key_secret: shown(
                row.has_api_key_secret.as_ref(),
                "twilio_sms.has_api_key_secret",
                open,
            ),
        }
    }

    /// Rails raises where there is no number.
    fn twilio_url(
        &self,
        number: &Stored<String>,
        field: &str,
        open: &mut Vec<Degradation>,
        link: fn(&Links, &str) -> Option<String>,
    ) -> Option<String> {
        if matches!(number.get(), Ok(None)) {
            return known(None, field, open);
        }
        self.voice_url(number, field, open, link)
    }

    pub(super) fn whatsapp_voice_enabled(
        &self,
        row: &WhatsappRow,
        open: &mut Vec<Degradation>,
    ) -> Option<bool> {
        // Nothing is said either where the account's features may not be read.
        let may_call = row.may_call.as_ref().filter(|_| self.age.whatsapp_calls)?;
        let is_enabled = || {
            if row.provider.text().ok()? != Some("whatsapp_cloud") {
                return Some(false);
            }
            if !provider_config(row).ok()?.is_calling_enabled()? {
                return Some(false);
            }
            may_call.get().ok()?.copied()
        };
        known(is_enabled(), "whatsapp.voice_enabled", open)
    }

    pub(super) fn whatsapp_inbound_calls(
        &self,
        row: &WhatsappRow,
        open: &mut Vec<Degradation>,
    ) -> Option<bool> {
        if !self.age.inbound_calls {
            return None;
        }
        let config = provider_config(row).ok();
        let are_taken = config.and_then(|config| config.takes_inbound_calls());
        known(are_taken, "whatsapp.inbound_calls_enabled", open)
    }

    /// What was set up by hand cannot be authorized again.
    pub(super) fn whatsapp_reauthorization(
        &self,
        row: &WhatsappRow,
        open: &mut Vec<Degradation>,
    ) -> Option<Reauthorization> {
        if self.age.inbound_calls {
            let config = provider_config(row).ok();
            let can_be = config.and_then(|config| config.is_of_embedded_signup());
            if !known(can_be, "whatsapp.reauthorization", open)? {
                return Some(Reauthorization::NotRequired);
            }
        }
        self.reauthorization(ChannelKind::Whatsapp, row.id, open)
    }
}

/// Whether the row leaves it to a flag.
pub(in crate::store) fn is_flagged(row: &WhatsappRow, age: Age) -> bool {
    let is_embedded = || provider_config(row).ok()?.is_of_embedded_signup();
    !age.inbound_calls || is_embedded() == Some(true)
}

fn provider_config(row: &WhatsappRow) -> Result<ProviderConfig<'_>, Unreadable> {
    row.provider_config.text().map(ProviderConfig::read)
}

/// A column of newer leadchats.
fn shown<T: Clone>(
    stored: Option<&Stored<T>>,
    field: &str,
    open: &mut Vec<Degradation>,
) -> Option<T> {
    stored?.shown(field, open)
}

/// An outcome, of which it is noted where there is none.
fn known<T>(outcome: Option<T>, field: &str, open: &mut Vec<Degradation>) -> Option<T> {
    if outcome.is_none() {
        open.push(Degradation::new(field, Reason::SourceUnreadable));
    }
    outcome
}
