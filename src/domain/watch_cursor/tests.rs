//! Schedules of changes, readers and replicas, tried against a model.
//!
//! `SCHEDULES` says how many are tried, `SCHEDULE_SEED` which.

mod model;

use proptest::test_runner::TestError;

use super::*;
use crate::tests::schedules::search;
use model::{Model, STEPS};

/// An error that is planted, to see that the search finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The newest state is acknowledged, and not that of the batch.
    NewestAcknowledged,
    /// Nothing is compared again for another role.
    RoleOverlooked,
    /// An inbox that the client has named itself is never removed.
    KnownNotRemoved,
    /// The end of a batch is announced before its last difference.
    AnnouncedEarly,
    /// It is announced with the moment of the newest state.
    NewestMoment,
    /// Events are judged by the state of their batch.
    JudgedEarly,
    /// A removal is not noted as sent.
    RemovalForgotten,
    /// Notes of newer states are forgotten with the batch.
    SentAheadDropped,
    /// A flag that changes is overlooked.
    FlagsOverlooked,
}

const FAULTS: [Fault; 9] = [
    Fault::NewestAcknowledged,
    Fault::RoleOverlooked,
    Fault::KnownNotRemoved,
    Fault::AnnouncedEarly,
    Fault::NewestMoment,
    Fault::JudgedEarly,
    Fault::RemovalForgotten,
    Fault::SentAheadDropped,
    Fault::FlagsOverlooked,
];

fn has(cursor: &WatchCursor, fault: Fault) -> bool {
    cursor.fault == Some(fault)
}

pub fn announce_early<M>(cursor: &WatchCursor) -> Option<WatchStep<M>> {
    let batch = cursor.batch.as_ref()?;
    let is_early = batch.pending.len() == 1 && batch.announces_end;
    (is_early && has(cursor, Fault::AnnouncedEarly))
        .then_some(WatchStep::Synced(batch.state.answer.as_of))
}

pub fn replace_batch(cursor: &mut WatchCursor, newest: &Answer, permit: &Permit) {
    if has(cursor, Fault::NewestAcknowledged)
        && let Some(batch) = &mut cursor.batch
    {
        let as_of = batch.state.answer.as_of;
        batch.state = JudgedState {
            answer: newest.clone(),
            permit: *permit,
        };
        batch.state.answer.as_of = as_of;
    }
}

pub fn newest_time(
    cursor: &WatchCursor,
    as_of: Option<BootInstant>,
    newest: &Answer,
) -> Option<BootInstant> {
    as_of.map(|as_of| {
        if has(cursor, Fault::NewestMoment) {
            newest.as_of
        } else {
            as_of
        }
    })
}

pub fn judge_early<M>(
    cursor: &WatchCursor,
    id: InboxId,
    inbox: Option<M>,
    render: &impl Fn(&InboxView<'_>) -> M,
) -> Option<M> {
    match &cursor.batch {
        Some(batch) if has(cursor, Fault::JudgedEarly) => {
            let access = batch.state.answer.access(&batch.state.permit).ok()?;
            access.inbox(id).map(|view| render(&view))
        }
        _ => inbox,
    }
}

pub fn ignores_removal(cursor: &WatchCursor) -> bool {
    has(cursor, Fault::KnownNotRemoved) && matches!(cursor.acknowledged, Acknowledged::Known(_))
}

pub fn forgets_removal(cursor: &WatchCursor, tag: Option<&str>) -> bool {
    has(cursor, Fault::RemovalForgotten) && tag.is_none()
}

pub fn overlook(
    cursor: &WatchCursor,
    differences: BTreeSet<InboxId>,
    now: &Access<'_>,
    earlier: &Access<'_>,
) -> BTreeSet<InboxId> {
    let is_overlooked = match cursor.fault {
        Some(Fault::RoleOverlooked) => now.role() != earlier.role(),
        Some(Fault::FlagsOverlooked) => now.has_account_of(earlier),
        _ => false,
    };
    if is_overlooked {
        BTreeSet::new()
    } else {
        differences
    }
}

pub fn drop_sent_ahead(cursor: &mut WatchCursor) {
    if has(cursor, Fault::SentAheadDropped) {
        cursor.sent_ahead.clear();
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    if let Err(error) = search(STEPS, 5_000, |steps| Model::new(None).run(steps)) {
        panic!("{error}");
    }
}

#[test]
fn the_same_search_finds_each_planted_fault() {
    for fault in FAULTS {
        match search(STEPS, 0, |steps| Model::new(Some(fault)).run(steps)) {
            Err(TestError::Fail(reason, _)) => println!("{fault:?}: {reason}"),
            outcome => panic!("{fault:?} is not found: {outcome:?}"),
        }
    }
}
