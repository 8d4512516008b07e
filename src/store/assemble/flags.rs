//! Where it is read whether a channel must be connected again: decided once, by its row.

use std::collections::HashMap;

use super::{Context, rows::ChannelKey};
use crate::{
    domain::{
        channel::ChannelKind,
        degradation::Degradation,
        id::ChannelId,
        reauthorization::{FlagKey, FlagSource},
    },
    store::schema::columns::Stored,
};

/// Where the states of channels are kept.
pub(super) enum StateSource {
    /// Rows of our own table, by kind and id. A channel without one need not be
    /// connected again.
    Table(HashMap<ChannelKey, Stored<bool>>),
    /// leadchat's flags, which are read beside the account.
    Flags,
}

/// The source of a channel that leadchat keeps a state for.
pub(super) fn flag_source(
    context: &Context<'_>,
    kind: ChannelKind,
    id: i64,
    degradations: &mut Vec<Degradation>,
) -> FlagSource {
    let rows = match &context.states {
        StateSource::Flags => {
            let key = FlagKey::new(kind, ChannelId(id));
            context.flag_key.set(Some(key));
            return FlagSource::Flag(key);
        }
        StateSource::Table(rows) => rows,
    };
    let Some(required) = rows.get(&(kind, id)) else {
        return FlagSource::Fixed(false.into());
    };
    let field = format!("{}.reauthorization", kind.field());
    let fixed = |required: Option<&bool>| FlagSource::Fixed(required.is_some_and(|it| *it).into());
    required
        .derive(&field, degradations, fixed)
        .unwrap_or_default()
}
