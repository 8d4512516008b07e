//! The kinds without rules of their own: what is stored is shown.

use super::{
    Context, Degradations,
    flags::flag_source,
    parts::{ChannelParts, callback},
};
use crate::{
    domain::channel::{
        Channel, ChannelKind, line::Line, sms::Sms, telegram::Telegram, tiktok::Tiktok,
        twitter_profile::TwitterProfile,
    },
    store::schema::rows::{LineRow, SmsRow, TelegramRow, TiktokRow, TwitterProfileRow},
};

/// A row of `channel_tiktok`.
pub(super) fn tiktok(
    row: &TiktokRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let reauthorization = flag_source(context, ChannelKind::Tiktok, row.id, &mut degradations.open);
    Channel::Tiktok(Tiktok { reauthorization }).into()
}

/// A row of `channel_twitter_profiles`.
pub(super) fn twitter_profile(
    row: &TwitterProfileRow,
    degradations: &mut Degradations,
) -> ChannelParts {
    let field = "twitter_profile.tweets_enabled";
    let tweets_enabled = row.tweets_enabled.shown(field, &mut degradations.open);
    Channel::TwitterProfile(TwitterProfile { tweets_enabled }).into()
}

/// A row of `channel_telegram`.
pub(super) fn telegram(row: &TelegramRow, degradations: &mut Degradations) -> ChannelParts {
    let field = "telegram.bot_name";
    let bot_name = row.bot_name.shown(field, &mut degradations.open);
    Channel::Telegram(Telegram { bot_name }).into()
}

/// A row of `channel_line`.
pub(super) fn line(
    row: &LineRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let links = &context.installation.links;
    ChannelParts {
        callback_webhook_url: callback(&row.line_channel_id, degradations, |id| {
            links.line_callback(id)
        }),
        ..Channel::Line(Line).into()
    }
}

/// A row of `channel_sms`.
pub(super) fn sms(
    row: &SmsRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let links = &context.installation.links;
    let callback_webhook_url = callback(&row.phone_number, degradations, |number| {
        links.sms_callback(number)
    });
    let open = &mut degradations.open;
    let channel = Channel::Sms(Sms {
        phone_number: row.phone_number.shown("sms.phone_number", open),
        provider: row.provider.shown("sms.provider", open),
    });
    ChannelParts {
        callback_webhook_url,
        ..channel.into()
    }
}
