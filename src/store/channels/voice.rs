//! What becomes of a row of `channel_voice`.

use super::linked;
use crate::{
    domain::{
        channel::voice::Voice,
        degradation::{Degradation, Reason},
    },
    leadchat::links::Links,
    store::{assemble::Assembly, columns::Stored, rows::VoiceRow},
};

impl Assembly<'_> {
    pub(super) fn voice(&self, row: Option<&VoiceRow>, open: &mut Vec<Degradation>) -> Voice {
        let mut url = |field, link| self.voice_url(&row?.phone_number, field, &mut *open, link);
        Voice {
            voice_call_webhook_url: url("voice.voice_call_webhook_url", Links::voice_call),
            voice_status_webhook_url: url("voice.voice_status_webhook_url", Links::voice_status),
            phone_number: row.and_then(|row| row.phone_number.shown("voice.phone_number", open)),
            provider: row.and_then(|row| row.provider.shown("voice.provider", open)),
        }
    }

    /// An address that is made of a number, and of FRONTEND_URL.
    pub(super) fn voice_url(
        &self,
        number: &Stored<String>,
        field: &str,
        open: &mut Vec<Degradation>,
        link: fn(&Links, &str) -> Option<String>,
    ) -> Option<String> {
        let links = &self.installation.links;
        let url = linked(number, field, open, |number| link(links, number))?;
        if url.is_none() {
            open.push(Degradation::new(field, Reason::FrontendUrlNotConfigured));
        }
        url
    }
}
