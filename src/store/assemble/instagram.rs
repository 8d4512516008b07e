//! A row of `channel_instagram`.

use super::{Context, Degradations, flags::flag_source, parts::ChannelParts};
use crate::{
    domain::{
        channel::{Channel, ChannelKind, instagram::Instagram},
        degradation::Degradation,
        reauthorization::FlagSource,
    },
    leadchat::is_blank,
    store::schema::rows::InstagramRow,
};

pub(super) fn assemble(
    row: &InstagramRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let open = &mut degradations.open;
    let reauthorization = reauthorization(row, context, open);
    let instagram_id = row.instagram_id.shown("instagram.instagram_id", open);
    let instagram = Instagram {
        reauthorization,
        instagram_id: instagram_id.filter(|id| !is_blank(id)),
    };
    Channel::Instagram(instagram).into()
}

/// Without an account of Instagram's, there is nothing to authorize.
fn reauthorization(
    row: &InstagramRow,
    context: &Context<'_>,
    open: &mut Vec<Degradation>,
) -> FlagSource {
    let has_account = |id: Option<&String>| id.is_some_and(|id| !is_blank(id));
    let field = "instagram.reauthorization";
    match row.instagram_id.derive(field, open, has_account) {
        Some(true) => flag_source(context, ChannelKind::Instagram, row.id, open),
        Some(false) | None => FlagSource::Absent,
    }
}
