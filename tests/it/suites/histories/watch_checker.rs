//! Whether the events of a watch and its resumes can be explained by what was committed.
//!
//! | rule | of a watch on one primary |
//! |---|---|
//! | I1, I2 | at a `synced` of read time r, received at v, each inbox is held as at a p in [r, v] |
//! | I4 | its first `synced` is not from before it was opened |
//! | I5 | for each inbox, the earliest possible p does not fall, and neither for events |
//! | I6 | some time after the last write, the client holds the end state |
//! | I7 | an event is what its viewer saw at a p in [the last `synced`'s r, v] |
//!
//! Before the first `synced`, I7 counts from the opening, since the first state is read for it.
//! An inbox that is not held is explained by an instant at which the viewer belongs to the
//! account and does not see it. A heartbeat says what a `synced` says.
//!
//! I5 takes the earliest p from the ones before on. That choice leaves the most for those
//! that follow, so what it refuses has no other choice either. While a commit is under way,
//! p permits it to be in and then not. So the texts of an inbox, whose versions grow, must
//! not fall either.

use std::collections::BTreeMap;

use super::{
    checker::{Checker, READ_TIME_ALLOWANCE, Violation},
    model::{Inbox, Method, Outcome, Request, Viewer},
};

/// A watch and its resumes, one after the other.
#[derive(Clone, Debug)]
pub struct Watch {
    pub account: i64,
    pub viewer: Viewer,
    pub is_slow: bool,
    pub streams: Vec<Stream>,
}

/// All that came from the opening of a watch until it ended or was dropped.
#[derive(Clone, Debug)]
pub struct Stream {
    pub replica: usize,
    /// Before the call was sent.
    pub opened: i64,
    /// The inboxes that the client held and named.
    pub known: Vec<Inbox>,
    pub events: Vec<Event>,
    /// The time and the outcome of an end that says that the viewer sees nothing.
    pub end: Option<(i64, Outcome)>,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub received: i64,
    /// By `disclosed_as`.
    pub is_administrator: bool,
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Upserted(Inbox),
    Removed(i64),
    /// With a read time; a heartbeat is the same.
    Synced(i64),
}

/// The place at which a watch breaks a rule. After the last event comes the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchViolation {
    pub violation: Violation,
    pub stream: usize,
    pub event: usize,
}

/// The inboxes that a client holds, by id.
pub type Held = BTreeMap<i64, Inbox>;

impl Stream {
    /// The inboxes that the client holds after this many events.
    pub fn held_after(&self, events: usize) -> Held {
        let known = self.known.iter();
        let mut held: Held = known.map(|inbox| (inbox.id, inbox.clone())).collect();
        for event in &self.events[..events] {
            event.change.apply(&mut held);
        }
        held
    }
}

impl Change {
    pub fn apply(&self, held: &mut Held) {
        match self {
            Self::Upserted(inbox) => {
                held.insert(inbox.id, inbox.clone());
            }
            Self::Removed(id) => {
                held.remove(id);
            }
            Self::Synced(_) => {}
        }
    }

    /// The one that an event is about.
    pub fn inbox(&self) -> Option<i64> {
        match self {
            Self::Upserted(inbox) => Some(inbox.id),
            Self::Removed(id) => Some(*id),
            Self::Synced(_) => None,
        }
    }
}

impl Watch {
    fn request(&self, method: Method) -> Request {
        let (account, viewer) = (self.account, self.viewer);
        Request {
            account,
            viewer,
            method,
        }
    }
}

/// The instants that a watch must not fall behind.
struct Progress<'a> {
    checker: &'a Checker,
    watch: &'a Watch,
    /// Of the opening.
    opened: i64,
    /// Of each inbox.
    of_inboxes: BTreeMap<i64, i64>,
    /// Of the newest event of any inbox.
    of_events: i64,
    /// The texts that were shown last, of each inbox.
    texts: BTreeMap<i64, Texts>,
}

/// Versions of the name, the greeting and the secret.
type Texts = (i64, i64, i64);

impl Checker {
    /// The first rule that a watch breaks, but for the end state.
    pub fn check_watch(&self, watch: &Watch) -> Result<(), WatchViolation> {
        let mut progress = Progress {
            checker: self,
            watch,
            opened: i64::MIN,
            of_inboxes: BTreeMap::new(),
            of_events: i64::MIN,
            texts: BTreeMap::new(),
        };
        for (index, stream) in watch.streams.iter().enumerate() {
            let checked = progress.check(stream);
            checked.map_err(|(event, violation)| WatchViolation {
                violation,
                stream: index,
                event,
            })?;
        }
        Ok(())
    }

    /// I6: whether the client holds the state of an instant after all writes.
    pub fn check_end(&self, watch: &Watch, instant: i64) -> Result<(), Violation> {
        let stream = watch.streams.last().ok_or(Violation::NotTheEnd)?;
        let outcomes = match &stream.end {
            Some((_, outcome)) => vec![outcome.clone()],
            None => both_roles(stream.held_after(stream.events.len())),
        };
        let request = watch.request(Method::List);
        let is_end = |outcome| self.earliest(&request, outcome, instant, instant).is_some();
        if outcomes.iter().any(is_end) {
            Ok(())
        } else {
            Err(Violation::NotTheEnd)
        }
    }

    /// I7 of one event that comes after this time.
    pub fn check_event(&self, watch: &Watch, event: &Event, since: i64) -> Result<i64, Violation> {
        let (id, is_administrator) = (event.change.inbox(), event.is_administrator);
        let (ids, inbox) = match &event.change {
            Change::Upserted(inbox) => (id, Some(inbox.clone())),
            Change::Removed(_) | Change::Synced(_) => (id, None),
        };
        let ids: Vec<i64> = ids.into_iter().collect();
        let outcome = one(&ids, inbox, is_administrator);
        let request = watch.request(Method::Batch(ids));
        let earliest = self.earliest(&request, &outcome, since, event.received);
        earliest.ok_or(Violation::NotVisible)
    }

    /// I1 and I2 of one inbox at a `synced`: the earliest instant that explains it.
    pub fn check_held(
        &self,
        watch: &Watch,
        (id, inbox): (i64, Option<&Inbox>),
        (read_time, received): (i64, i64),
    ) -> Result<i64, Violation> {
        let request = watch.request(Method::Batch(vec![id]));
        let outcomes = [false, true].map(|it| one(&[id], inbox.cloned(), it));
        let earliest = |from, to| {
            let instants = outcomes.iter();
            let instants =
                instants.filter_map(|outcome| self.earliest(&request, outcome, from, to));
            instants.min()
        };
        match earliest(read_time, received) {
            Some(instant) => Ok(instant),
            None if earliest(self.first, read_time).is_some() => Err(Violation::BeforeReadTime),
            None => Err(Violation::NoInstant),
        }
    }
}

impl Progress<'_> {
    /// The number of the event that breaks a rule, with the rule.
    fn check(&mut self, stream: &Stream) -> Result<(), (usize, Violation)> {
        self.opened = stream.opened;
        self.of_events = self.of_events.max(stream.opened);
        let mut held = stream.held_after(0);
        let mut since = stream.opened;
        let mut is_first = true;
        for (index, event) in stream.events.iter().enumerate() {
            let fails = |violation| (index, violation);
            event.change.apply(&mut held);
            if let Change::Synced(read_time) = event.change {
                if is_first && read_time < stream.opened - READ_TIME_ALLOWANCE {
                    return Err((index, Violation::NotTheLatest));
                }
                is_first = false;
                since = read_time;
                let times = (read_time, event.received);
                self.check_synced(&held, times).map_err(fails)?;
            }
            self.check_event(event, since).map_err(fails)?;
        }
        if let Some((received, outcome)) = &stream.end {
            let request = self.watch.request(Method::List);
            let earliest = |from| self.checker.earliest(&request, outcome, from, *received);
            let instant = match earliest(since) {
                None => Err(Violation::NoInstant),
                Some(_) => earliest(since.max(self.of_events)).ok_or(Violation::WentBack),
            };
            self.of_events = instant.map_err(|violation| (stream.events.len(), violation))?;
        }
        Ok(())
    }

    /// I1, I2 and I5: each inbox by itself.
    fn check_synced(&mut self, held: &Held, times: (i64, i64)) -> Result<(), Violation> {
        let (read_time, received) = times;
        for id in &self.checker.inboxes {
            let inbox = (*id, held.get(id));
            let check = |from| self.checker.check_held(self.watch, inbox, (from, received));
            let from = read_time.max(self.of_inbox(*id));
            let instant =
                check(from).or_else(|_| check(read_time).and(Err(Violation::WentBack)))?;
            self.of_inboxes.insert(*id, instant);
        }
        Ok(())
    }

    /// I7 and I5. The role of a `synced` is that of its time, as the role of any event.
    fn check_event(&mut self, event: &Event, since: i64) -> Result<(), Violation> {
        let of_inbox = event.change.inbox().map(|id| self.of_inbox(id));
        let from = since.max(self.of_events).max(of_inbox.unwrap_or(since));
        let check = |from| self.checker.check_event(self.watch, event, from);
        let instant = check(from).or_else(|_| check(since).and(Err(Violation::WentBack)))?;
        self.of_events = instant;
        if let Some(id) = event.change.inbox() {
            self.of_inboxes.insert(id, instant);
        }
        match &event.change {
            Change::Upserted(inbox) => self.note_texts(inbox),
            Change::Removed(_) | Change::Synced(_) => Ok(()),
        }
    }

    /// An agent sees no secret, so that the last one counts.
    fn note_texts(&mut self, inbox: &Inbox) -> Result<(), Violation> {
        let before = self.texts.get(&inbox.id).copied();
        let before = before.unwrap_or((i64::MIN, i64::MIN, i64::MIN));
        let secret = inbox.secret.unwrap_or(before.2);
        let texts = (inbox.name, inbox.greeting, secret);
        if texts.0 < before.0 || texts.1 < before.1 || texts.2 < before.2 {
            return Err(Violation::WentBack);
        }
        self.texts.insert(inbox.id, texts);
        Ok(())
    }

    fn of_inbox(&self, id: i64) -> i64 {
        let of_inbox = self.of_inboxes.get(&id).copied();
        of_inbox.unwrap_or(self.opened).max(self.opened)
    }
}

/// The outcome of a request of at most one inbox.
fn one(ids: &[i64], inbox: Option<Inbox>, is_administrator: bool) -> Outcome {
    let missing = if inbox.is_some() {
        Vec::new()
    } else {
        ids.to_vec()
    };
    Outcome::Shown {
        is_administrator,
        inboxes: inbox.into_iter().collect(),
        missing,
    }
}

/// The held inboxes say the role, if there are any.
fn both_roles(held: Held) -> Vec<Outcome> {
    let inboxes: Vec<Inbox> = held.into_values().collect();
    let outcome = |is_administrator| Outcome::Shown {
        is_administrator,
        inboxes: inboxes.clone(),
        missing: Vec::new(),
    };
    vec![outcome(false), outcome(true)]
}
