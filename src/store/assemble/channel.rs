//! A channel from its row, by its kind.

use super::{
    Context, Degradations, api, email, facebook_page, instagram, parts::ChannelParts, simple,
    twilio_sms, voice, web_widget, whatsapp,
};
use crate::{
    domain::channel::{
        Channel, ChannelKind, api::Api, email::Email, facebook_page::FacebookPage,
        instagram::Instagram, line::Line, sms::Sms, telegram::Telegram, tiktok::Tiktok,
        twilio_sms::TwilioSms, twitter_profile::TwitterProfile, voice::Voice,
        web_widget::WebWidget, whatsapp::Whatsapp,
    },
    store::schema::rows::ChannelRow,
};

/// Facts that depend on the kind alone.
pub(super) fn without_row(kind: ChannelKind, context: &Context<'_>) -> ChannelParts {
    let channel = match kind {
        ChannelKind::WebWidget => Channel::WebWidget(Box::<WebWidget>::default()),
        ChannelKind::Api => Channel::Api(Api::default()),
        ChannelKind::Email => Channel::Email(Box::new(Email {
            forwarding_enabled: context.installation.forwarding_enabled,
            ..Email::default()
        })),
        ChannelKind::FacebookPage => Channel::FacebookPage(FacebookPage::default()),
        ChannelKind::Instagram => Channel::Instagram(Instagram::default()),
        ChannelKind::Tiktok => Channel::Tiktok(Tiktok::default()),
        ChannelKind::TwilioSms => Channel::TwilioSms(Box::<TwilioSms>::default()),
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
