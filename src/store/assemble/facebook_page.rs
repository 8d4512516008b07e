//! A row of `channel_facebook_pages`.

use super::{Context, Degradations, flags::flag_source, parts::ChannelParts};
use crate::{
    domain::channel::{Channel, ChannelKind, facebook_page::FacebookPage},
    leadchat::is_blank,
    store::schema::rows::FacebookPageRow,
};

pub(super) fn assemble(
    row: &FacebookPageRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let open = &mut degradations.open;
    let page_id = row.page_id.shown("facebook_page.page_id", open);
    let reauthorization = flag_source(context, ChannelKind::FacebookPage, row.id, open);
    let instagram_id = row.instagram_id.shown("facebook_page.instagram_id", open);
    let page = FacebookPage {
        page_id,
        reauthorization,
        instagram_id: instagram_id.filter(|id| !is_blank(id)),
    };
    Channel::FacebookPage(page).into()
}
