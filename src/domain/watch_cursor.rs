//! Decides what a watch sends next: differences between what its client holds and the newest
//! state, as the viewer may see it now.
//!
//! States are compared with each other. There is no log of changes: a slow client misses
//! states, and never the last. Differences are sent in batches. A batch lists the differences
//! to the state that is newest when it begins. Each event is judged by the state that is newest
//! when it is sent. Messages, tasks and clocks are not known here, so that schedules can be
//! tried against a model. Lines under `cfg(test)` plant faults that the tests have to find.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    access::{Access, InboxView},
    directory::Answer,
    freshness::BootInstant,
    id::InboxId,
    members::AccessDenied,
    permit::Permit,
};

/// Inboxes that are rendered in one step, so that other work goes on beside.
const COMPARISONS_PER_STEP: usize = 64;

/// An inbox as it is sent, with its tag.
pub trait Tagged {
    fn tag(&self) -> &str;
}

/// The progress of one watch.
pub struct WatchCursor {
    acknowledged: Acknowledged,
    /// Tags that the client holds from states newer than the acknowledged one. `None` is an inbox
    /// that it does not hold.
    sent_ahead: BTreeMap<InboxId, Option<Box<str>>>,
    batch: Option<Batch>,
    #[cfg(test)]
    fault: Option<tests::Fault>,
}

/// The inboxes that the client holds, without those that were sent ahead.
enum Acknowledged {
    /// Tags that it has named at the beginning.
    Known(BTreeMap<InboxId, Box<str>>),
    /// All of a state that its viewer may see.
    State(JudgedState),
}

/// A state, and by which rights it was judged.
struct JudgedState {
    answer: Answer,
    permit: Permit,
}

/// Differences under way.
struct Batch {
    state: JudgedState,
    /// Removals first, then by id. The next one is the last.
    pending: Vec<InboxId>,
    /// Whether its end is sent, as `Synced`.
    announces_end: bool,
}

/// A step of a watch.
#[derive(Debug, PartialEq, Eq)]
pub enum WatchStep<M> {
    /// The inbox is new, or looks different.
    Upserted(M),
    /// The viewer sees an inbox no more.
    Removed(InboxId),
    /// The client holds all that was visible at this moment, or what has replaced it.
    Synced(BootInstant),
    /// Nothing to send yet; other work goes first.
    Again,
    /// Nothing to send until there is a newer state.
    Idle,
}

impl WatchCursor {
    /// `known` are the tags of the inboxes that the client holds.
    pub const fn new(known: BTreeMap<InboxId, Box<str>>) -> Self {
        Self {
            acknowledged: Acknowledged::Known(known),
            sent_ahead: BTreeMap::new(),
            batch: None,
            #[cfg(test)]
            fault: None,
        }
    }

    /// The next step, and the access that it is judged by. `newest` is the newest state, and
    /// `permit` the one that counts now.
    pub fn next<'a, M: Tagged>(
        &mut self,
        newest: &'a Answer,
        permit: &Permit,
        render: impl Fn(&InboxView<'_>) -> M,
    ) -> Result<(WatchStep<M>, Access<'a>), AccessDenied> {
        let access = newest.access(permit)?;
        let step = self.step(newest, permit, &access, &render);
        Ok((step, access))
    }

    fn step<M: Tagged>(
        &mut self,
        newest: &Answer,
        permit: &Permit,
        access: &Access<'_>,
        render: &impl Fn(&InboxView<'_>) -> M,
    ) -> WatchStep<M> {
        if self.batch.is_none() && !self.begin_batch(newest, permit, access) {
            return WatchStep::Idle;
        }
        for _ in 0..COMPARISONS_PER_STEP {
            #[cfg(test)]
            if let Some(synced) = tests::announce_early(self) {
                return synced;
            }
            let Some(id) = self.pop() else {
                #[cfg(test)]
                tests::replace_batch(self, newest, permit);
                let as_of = self.end_batch(render);
                #[cfg(test)]
                let as_of = tests::newest_time(self, as_of, newest);
                return as_of.map_or(WatchStep::Again, WatchStep::Synced);
            };
            let inbox = access.inbox(id).map(|view| render(&view));
            #[cfg(test)]
            let inbox = tests::judge_early(self, id, inbox, render);
            let held = self.held_tag(id, render);
            self.note(id, inbox.as_ref().map(Tagged::tag), access);
            if inbox.as_ref().map(Tagged::tag) == held.as_deref() {
                continue;
            }
            #[cfg(test)]
            if inbox.is_none() && tests::ignores_removal(self) {
                continue;
            }
            if let Some(batch) = &mut self.batch {
                batch.announces_end = true;
            }
            return inbox.map_or(WatchStep::Removed(id), WatchStep::Upserted);
        }
        WatchStep::Again
    }

    /// Notes what the client holds of an inbox from now on, unless the state of the batch says so
    /// anyway.
    fn note(&mut self, id: InboxId, tag: Option<&str>, access: &Access<'_>) {
        let state = self.batch.as_ref().map(|batch| &batch.state);
        let of_batch = state.and_then(|state| state.answer.access(&state.permit).ok());
        let is_of_batch = of_batch.is_some_and(|of_batch| !access.may_differ(&of_batch, id));
        #[cfg(test)]
        let is_of_batch = is_of_batch || tests::forgets_removal(self, tag);
        if is_of_batch {
            self.sent_ahead.remove(&id);
        } else {
            self.sent_ahead.insert(id, tag.map(Into::into));
        }
    }

    fn pop(&mut self) -> Option<InboxId> {
        self.batch.as_mut()?.pending.pop()
    }

    /// Begins a batch, if anything may look different. All inboxes are compared by what they are
    /// in memory, in one step.
    fn begin_batch(&mut self, newest: &Answer, permit: &Permit, access: &Access<'_>) -> bool {
        let state = JudgedState {
            answer: newest.clone(),
            permit: *permit,
        };
        let (mut ids, is_first) = match &self.acknowledged {
            Acknowledged::Known(known) => {
                let ids = known.keys().copied().chain(access.visible_ids());
                (ids.collect::<BTreeSet<_>>(), true)
            }
            Acknowledged::State(earlier) => {
                // It did not fail when the state was acknowledged, and does not now.
                let Ok(earlier) = earlier.answer.access(&earlier.permit) else {
                    return false;
                };
                let differences = access.differences(&earlier);
                #[cfg(test)]
                let differences = tests::overlook(self, differences, access, &earlier);
                (differences, false)
            }
        };
        ids.extend(self.sent_ahead.keys());
        if ids.is_empty() && !is_first {
            self.acknowledged = Acknowledged::State(state);
            return false;
        }
        let (visible, removed): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| access.inbox(*id).is_some());
        let pending = removed.into_iter().chain(visible).rev().collect();
        self.batch = Some(Batch {
            state,
            pending,
            announces_end: is_first,
        });
        true
    }

    /// Ends a batch. Its moment, if its end is to be announced: a batch without events says
    /// nothing, since what has changed may be invisible to the viewer.
    fn end_batch<M: Tagged>(
        &mut self,
        render: &impl Fn(&InboxView<'_>) -> M,
    ) -> Option<BootInstant> {
        let batch = self.batch.take()?;
        let as_of = batch.state.answer.as_of;
        self.acknowledged = Acknowledged::State(batch.state);
        // A note that says the same as the acknowledged state is needed no more.
        let acknowledged = &self.acknowledged;
        self.sent_ahead
            .retain(|id, sent| acknowledged.tag(*id, render) != *sent);
        #[cfg(test)]
        tests::drop_sent_ahead(self);
        batch.announces_end.then_some(as_of)
    }

    /// The tag of an inbox as the client holds it.
    fn held_tag<M: Tagged>(
        &self,
        id: InboxId,
        render: &impl Fn(&InboxView<'_>) -> M,
    ) -> Option<Box<str>> {
        match self.sent_ahead.get(&id) {
            Some(sent) => sent.clone(),
            None => self.acknowledged.tag(id, render),
        }
    }
}

impl Acknowledged {
    fn tag<M: Tagged>(
        &self,
        id: InboxId,
        render: &impl Fn(&InboxView<'_>) -> M,
    ) -> Option<Box<str>> {
        match self {
            Self::Known(known) => known.get(&id).cloned(),
            Self::State(state) => {
                let access = state.answer.access(&state.permit).ok()?;
                Some(render(&access.inbox(id)?).tag().into())
            }
        }
    }
}

#[cfg(test)]
mod tests;
