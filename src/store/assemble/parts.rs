//! Parts of a channel that the kinds share.

use secrecy::SecretString;

use super::Degradations;
use crate::{
    domain::{
        channel::{Channel, SecretText},
        degradation::{Degradation, DegradationReason},
        secret::AdminOnly,
        secret_group::Group,
    },
    store::schema::columns::Stored,
};

/// A channel, and what its kind and row give the inbox.
pub(super) struct ChannelParts {
    pub channel: Channel,
    pub callback_webhook_url: Option<String>,
}

impl From<Channel> for ChannelParts {
    fn from(channel: Channel) -> Self {
        Self {
            channel,
            callback_webhook_url: None,
        }
    }
}

/// A value that a text is part of, where NULL counts as an empty text.
pub(super) fn linked<D>(
    text: &Stored<String>,
    field: &str,
    open: &mut Vec<Degradation>,
    link: impl FnOnce(&str) -> D,
) -> Option<D> {
    text.derive(field, open, |text| link(text.map_or("", String::as_str)))
}

/// The address that the platform calls back, made of a text of the channel's row.
pub(super) fn callback(
    text: &Stored<String>,
    degradations: &mut Degradations,
    link: impl FnOnce(&str) -> String,
) -> Option<String> {
    linked(text, "callback_webhook_url", &mut degradations.open, link)
}

/// An outcome; a missing one is a degradation.
pub(super) fn readable<T>(
    outcome: Option<T>,
    field: &str,
    open: &mut Vec<Degradation>,
) -> Option<T> {
    if outcome.is_none() {
        open.push(Degradation::new(field, DegradationReason::SourceUnreadable));
    }
    outcome
}

/// A secret of a column that Rails does not encrypt. `sealed` are the degradations of its
/// group.
pub(super) fn plain_secret<G: Group>(
    stored: &Stored<SecretString>,
    field: &str,
    sealed: &mut Vec<Degradation>,
) -> SecretText<G> {
    AdminOnly::seal(stored.shown(field, sealed))
}
