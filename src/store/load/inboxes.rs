//! The rows of some inboxes: the inboxes themselves, their working hours, avatars and
//! states, and the channel tables that are in use.

use std::collections::BTreeSet;

use crate::{
    domain::channel::ChannelKind,
    store::{
        Read,
        assemble::rows::{InboxRows, kind_of},
        error::StoreError,
        sql::{Argument, select::InboxStatements},
    },
};

/// Reads the rows of inboxes; `None` where there are none. `kinds` are the channel tables
/// to read; by default those in use.
pub(super) async fn read_inboxes(
    read: &mut Read<'_>,
    statements: &InboxStatements,
    arguments: &[Argument],
    kinds: Option<BTreeSet<ChannelKind>>,
) -> Result<Option<InboxRows>, StoreError> {
    let inboxes = read.fetch_undecoded(&statements.inboxes, arguments).await?;
    let kinds = kinds.unwrap_or_else(|| inboxes.iter().filter_map(kind_of).collect());
    if inboxes.iter().next().is_none() && kinds.is_empty() {
        return Ok(None);
    }

    let working_hours = &statements.working_hours;
    let working_hours = read.fetch_undecoded(working_hours, arguments).await?;
    let avatars = read.fetch_undecoded(&statements.avatars, arguments).await?;
    let states = if read.store.has_state_table {
        let statement = &statements.reauthorizations;
        Some(read.fetch_undecoded(statement, arguments).await?)
    } else {
        None
    };
    let mut channels = Vec::new();
    for kind in kinds {
        if let Some(statement) = statements.channel(kind) {
            let rows = read.fetch_undecoded(statement, arguments).await?;
            channels.push((kind, rows));
        }
    }

    Ok(Some(InboxRows {
        inboxes,
        working_hours,
        avatars,
        states,
        channels,
        features: read.plan.schema.features(),
        probe_number: read.plan.probe_number,
    }))
}
