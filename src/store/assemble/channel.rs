//! A channel from its row, by its kind; and what the kinds share.

use secrecy::SecretString;

use super::{
    Context, Degradations, api, email, facebook_page, instagram, simple, twilio_sms, voice,
    web_widget, whatsapp,
};
use crate::{
    domain::{
        channel::{
            Channel, ChannelKind, SecretText, api::Api, email::Email, facebook_page::FacebookPage,
            instagram::Instagram, line::Line, sms::Sms, telegram::Telegram, tiktok::Tiktok,
            twilio_sms::TwilioSms, twitter_profile::TwitterProfile, voice::Voice,
            web_widget::WebWidget, whatsapp::Whatsapp,
        },
        degradation::{Degradation, DegradationReason},
        id::ChannelId,
        reauthorization::{FlagKey, FlagSource},
        secret::AdminOnly,
    },
    store::schema::{columns::Stored, rows::ChannelRow},
};

/// A channel, and what its kind and row give the inbox.
pub(super) struct ChannelParts {
    pub channel: Channel,
    pub callback_webhook_url: Option<String>,
    pub flag_source: FlagSource,
}

impl ChannelParts {
    /// The flag that the channel's state is read from, if it is.
    pub fn flag_key(&self, id: Option<i64>) -> Option<FlagKey> {
        let id = id.filter(|_| self.flag_source == FlagSource::Flag)?;
        Some(FlagKey {
            kind: self.channel.kind(),
            channel: ChannelId(id),
        })
    }
}

impl From<Channel> for ChannelParts {
    fn from(channel: Channel) -> Self {
        Self {
            channel,
            callback_webhook_url: None,
            flag_source: FlagSource::Absent,
        }
    }
}

/// Facts that depend on the kind alone.
pub(super) fn without_row(kind: ChannelKind, context: &Context<'_>) -> ChannelParts {
    let channel = match kind {
        ChannelKind::WebWidget => Channel::WebWidget(WebWidget::default()),
        ChannelKind::Api => Channel::Api(Api::default()),
        ChannelKind::Email => Channel::Email(Email {
            forwarding_enabled: context.installation.forwarding_enabled,
            ..Email::default()
        }),
        ChannelKind::FacebookPage => Channel::FacebookPage(FacebookPage::default()),
        ChannelKind::Instagram => Channel::Instagram(Instagram::default()),
        ChannelKind::Tiktok => Channel::Tiktok(Tiktok::default()),
        ChannelKind::TwilioSms => Channel::TwilioSms(TwilioSms::default()),
        ChannelKind::TwitterProfile => Channel::TwitterProfile(TwitterProfile::default()),
        ChannelKind::Telegram => Channel::Telegram(Telegram::default()),
        ChannelKind::Line => Channel::Line(Line),
        ChannelKind::Sms => Channel::Sms(Sms::default()),
        ChannelKind::Whatsapp => Channel::Whatsapp(Whatsapp::default()),
        ChannelKind::Voice => Channel::Voice(Voice::default()),
    };
    let is_twilio = kind == ChannelKind::TwilioSms;
    let links = &context.installation.links;
    ChannelParts {
        callback_webhook_url: is_twilio.then(|| links.twilio_callback()),
        ..channel.into()
    }
}

pub(super) fn with_row(
    row: &ChannelRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    match row {
        ChannelRow::WebWidget(row) => web_widget::assemble(row, context, degradations),
        ChannelRow::Api(row) => api::assemble(row, context, degradations),
        ChannelRow::Email(row) => email::assemble(row, context, degradations),
        ChannelRow::FacebookPage(row) => facebook_page::assemble(row, context, degradations),
        ChannelRow::Instagram(row) => instagram::assemble(row, context, degradations),
        ChannelRow::Tiktok(row) => simple::tiktok(row, context, degradations),
        ChannelRow::TwilioSms(row) => twilio_sms::assemble(row, context, degradations),
        ChannelRow::TwitterProfile(row) => simple::twitter_profile(row, degradations),
        ChannelRow::Telegram(row) => simple::telegram(row, degradations),
        ChannelRow::Line(row) => simple::line(row, context, degradations),
        ChannelRow::Sms(row) => simple::sms(row, context, degradations),
        ChannelRow::Whatsapp(row) => whatsapp::assemble(row, context, degradations),
        ChannelRow::Voice(row) => voice::assemble(row, context, degradations),
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

/// A secret of a column that Rails does not encrypt.
pub(super) fn plain_secret(
    stored: &Stored<SecretString>,
    field: &str,
    sealed: &mut Vec<Degradation>,
) -> SecretText {
    AdminOnly::seal(stored.shown(field, sealed))
}
