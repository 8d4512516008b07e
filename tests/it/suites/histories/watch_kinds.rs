//! Checks all watches of a run, that there is every kind of event and end, and that false
//! events would be found.

use std::{collections::BTreeMap, time::Instant};

use super::{
    checker::{Checker, History},
    model::{Inbox, Outcome},
    watch_checker::{Change, Event, Held, Stream, Watch, WatchViolation},
};
use crate::support::Backend;

/// Kinds of events and ends, of which a run has to have some.
const KINDS: [&str; 20] = [
    "events to an administrator: upserted",
    "events to an administrator: removed",
    "events to an administrator: synced",
    "events to an agent: upserted",
    "events to an agent: removed",
    "events to an agent: synced",
    "events to a slow client: upserted",
    "events to a slow client: removed",
    "events to a slow client: synced",
    "streams of replica 0",
    "streams of replica 1",
    "streams of a slow client",
    "streams resumed with tags",
    "streams resumed with tags: some were not sent again",
    "streams resumed with nothing",
    "streams denied at once",
    "streams denied after events",
    "streams suspended at once",
    "streams suspended after events",
    "watches with the end state",
];

/// Checks what came until the end state had to be there.
pub fn check_watches(
    backend: Backend,
    checker: &Checker,
    history: &History,
    watches: &[Watch],
    settled: i64,
    seed: u64,
) {
    let began = Instant::now();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for watch in watches {
        if let Err(violation) = checker.check_watch(watch) {
            let described = described(watch, &violation, history);
            panic!("SEED={seed}: {violation:?}, {described}");
        }
        if let Err(violation) = checker.check_end(watch, settled) {
            panic!(
                "SEED={seed}: {violation:?} at {settled}: {:#?}",
                watch.streams.last()
            );
        }
        for kind in kinds_of(watch) {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let checked = began.elapsed();
    let (falsified, refused) = falsify(checker, watches);
    let name = backend.name();
    println!(
        "histories {name}: {} watches checked in {checked:?} of {:?}; {refused} of {falsified} falsified events refused",
        watches.len(),
        began.elapsed()
    );
    for (kind, count) in &kinds {
        println!("histories {name}: {count} {kind}");
    }
    for kind in KINDS {
        let count = kinds.get(kind).copied().unwrap_or_default();
        assert!(count > 0, "SEED={seed}: there are no {kind}");
    }
    assert!(
        falsified >= 10 && refused * 10 >= falsified * 9,
        "SEED={seed}: {refused} of {falsified}"
    );
}

fn kinds_of(watch: &Watch) -> Vec<String> {
    let mut kinds = vec!["watches with the end state".to_owned()];
    for (index, stream) in watch.streams.iter().enumerate() {
        kinds.extend(kinds_of_stream(stream, index == 0));
        if watch.is_slow {
            kinds.push("streams of a slow client".to_owned());
        }
        for event in &stream.events {
            let change = match event.change {
                Change::Upserted(_) => "upserted",
                Change::Removed(_) => "removed",
                Change::Synced(_) => "synced",
            };
            let role = if event.is_administrator {
                "an administrator"
            } else {
                "an agent"
            };
            kinds.push(format!("events to {role}: {change}"));
            if watch.is_slow {
                kinds.push(format!("events to a slow client: {change}"));
            }
        }
    }
    kinds
}

fn kinds_of_stream(stream: &Stream, is_first: bool) -> Vec<String> {
    let mut kinds = vec![format!("streams of replica {}", stream.replica)];
    if !stream.known.is_empty() {
        kinds.push("streams resumed with tags".to_owned());
    } else if !is_first {
        kinds.push("streams resumed with nothing".to_owned());
    }
    let is_synced = |event: &Event| matches!(event.change, Change::Synced(_));
    if let Some(synced) = stream.events.iter().position(is_synced) {
        let batch = &stream.events[..synced];
        let was_left_out =
            |known: &Inbox| batch.iter().all(|it| it.change.inbox() != Some(known.id));
        if stream.known.iter().any(was_left_out) {
            kinds.push("streams resumed with tags: some were not sent again".to_owned());
        }
    }
    let when = if stream.events.is_empty() {
        "at once"
    } else {
        "after events"
    };
    match stream.end {
        Some((_, Outcome::Suspended)) => kinds.push(format!("streams suspended {when}")),
        Some(_) => kinds.push(format!("streams denied {when}")),
        None => {}
    }
    kinds
}

/// An event that can be falsified.
struct Shown<'a> {
    watch: &'a Watch,
    event: &'a Event,
    /// The last read time before it.
    since: i64,
    /// As the event shows it, or as it is held at a `synced`.
    inbox: Inbox,
}

/// Gives events the inboxes of earlier and later ones to the same viewer, where texts
/// differ. A slow client is left out: between its read time and its event, there is time for
/// both. Returns how many there were, and how many the checker refused.
fn falsify(checker: &Checker, watches: &[Watch]) -> (usize, usize) {
    const MAX_OF_EACH_INBOX: usize = 4;

    let mut shown: BTreeMap<_, Vec<Shown<'_>>> = BTreeMap::new();
    for watch in watches.iter().filter(|watch| !watch.is_slow) {
        for it in shown_by(watch) {
            let is_synced = matches!(it.event.change, Change::Synced(_));
            let key = (watch.account, watch.viewer, it.inbox.id, is_synced);
            shown.entry(key).or_default().push(it);
        }
    }
    let (mut falsified, mut refused) = (0, 0);
    for of_inbox in shown.values_mut() {
        of_inbox.sort_by_key(|it| it.since);
        let pairs = of_inbox.iter().zip(of_inbox.iter().skip(1));
        let apart = |(early, late): &(&Shown<'_>, &Shown<'_>)| {
            let (before, after) = (&early.inbox, &late.inbox);
            let do_differ = before.name != after.name && before.greeting != after.greeting;
            late.since > early.event.received && do_differ
        };
        for (early, late) in pairs.filter(apart).take(MAX_OF_EACH_INBOX) {
            for (it, inbox) in [(early, &late.inbox), (late, &early.inbox)] {
                falsified += 1;
                refused += usize::from(it.is_refused_with(checker, inbox));
            }
        }
    }
    (falsified, refused)
}

impl Shown<'_> {
    fn is_refused_with(&self, checker: &Checker, inbox: &Inbox) -> bool {
        let received = self.event.received;
        let Change::Synced(read_time) = self.event.change else {
            let event = Event {
                received,
                is_administrator: inbox.secret.is_some(),
                change: Change::Upserted(inbox.clone()),
            };
            return checker.check_event(self.watch, &event, self.since).is_err();
        };
        let held = (inbox.id, Some(inbox));
        let checked = checker.check_held(self.watch, held, (read_time, received));
        checked.is_err()
    }
}

fn shown_by(watch: &Watch) -> Vec<Shown<'_>> {
    let mut shown = Vec::new();
    for stream in &watch.streams {
        let mut since = stream.opened;
        let mut held: Held = stream.held_after(0);
        for event in &stream.events {
            event.change.apply(&mut held);
            let inboxes = match &event.change {
                Change::Upserted(inbox) => vec![inbox.clone()],
                Change::Removed(_) => Vec::new(),
                Change::Synced(read_time) => {
                    since = *read_time;
                    held.values().cloned().collect()
                }
            };
            shown.extend(inboxes.into_iter().map(|inbox| Shown {
                watch,
                event,
                since,
                inbox,
            }));
        }
    }
    shown
}

/// The part of a watch that breaks a rule, with the transactions around it.
fn described(watch: &Watch, violation: &WatchViolation, history: &History) -> String {
    const EVENTS_BEFORE: usize = 20;

    let stream = &watch.streams[violation.stream];
    let first = violation.event.saturating_sub(EVENTS_BEFORE);
    let last = stream.events.len().min(violation.event + 1);
    let mut lines = vec![format!(
        "{:?} of account {}, stream {} opened at {} on replica {}, slow: {}, end {:?}",
        watch.viewer,
        watch.account,
        violation.stream,
        stream.opened,
        stream.replica,
        watch.is_slow,
        stream.end
    )];
    lines.push(format!("held before: {:?}", stream.held_after(first)));
    let events = stream.events[first..last].iter();
    lines.extend(events.map(|event| format!("{event:?}")));
    let to = stream.events.get(violation.event).map(|it| it.received);
    let to = to.or(stream.end.as_ref().map(|(time, _)| *time));
    for it in &history.transactions {
        let is_before = to.is_none_or(|to| it.sent <= to);
        if is_before && it.acknowledged.is_none_or(|it| it >= stream.opened) {
            lines.push(format!("{it:?}"));
        }
    }
    lines.join("\n")
}
