//! Watches made by hand: for each rule, good ones that the checker accepts, and beside each
//! one that breaks the rule, which it refuses by the name of that rule.
//!
//! Times are milliseconds. User 7 sees inbox 1 of account 1 as an agent.

mod events;

use super::{
    checker::{Checker, MILLISECOND, Violation},
    examples::{
        BOUND, Commits, INBOX, MEMBER, NAME, NAME_THEN_GREETING, OUT_THEN_TEXT, ROLE, USER, history,
    },
    model::{ADMINISTRATOR, AGENT, Inbox, Outcome, Viewer},
    watch_checker::{Change, Event, Stream, Watch},
};

/// As an agent sees it.
const fn inbox(name: i64, greeting: i64) -> Inbox {
    Inbox {
        id: INBOX,
        account: 1,
        name,
        greeting,
        secret: None,
    }
}

fn event(received: i64, change: Change) -> Event {
    let is_administrator = match &change {
        Change::Upserted(inbox) => inbox.secret.is_some(),
        Change::Removed(_) | Change::Synced(_) => false,
    };
    Event {
        received: received * MILLISECOND,
        is_administrator,
        change,
    }
}

fn shows(received: i64, name: i64, greeting: i64) -> Event {
    event(received, Change::Upserted(inbox(name, greeting)))
}

fn shows_secret(received: i64, secret: i64) -> Event {
    let secret = Some(secret);
    let inbox = inbox(1, 1);
    event(received, Change::Upserted(Inbox { secret, ..inbox }))
}

fn removes(received: i64) -> Event {
    event(received, Change::Removed(INBOX))
}

fn synced(received: i64, read_time: i64) -> Event {
    event(received, Change::Synced(read_time * MILLISECOND))
}

fn as_administrator(event: Event) -> Event {
    Event {
        is_administrator: true,
        ..event
    }
}

/// The opening, with an inbox that is known, and the events after it.
fn stream(opened: i64, known: Option<Inbox>, events: Vec<Event>) -> Stream {
    Stream {
        replica: 0,
        opened: opened * MILLISECOND,
        known: known.into_iter().collect(),
        events,
        end: None,
    }
}

fn ended(stream: Stream, received: i64, outcome: Outcome) -> Stream {
    let end = Some((received * MILLISECOND, outcome));
    Stream { end, ..stream }
}

fn watch(streams: Vec<Stream>) -> Watch {
    Watch {
        account: 1,
        viewer: Viewer::User(USER),
        is_slow: false,
        streams,
    }
}

/// The rule that is broken, with the stream and the event.
type Verdict = Result<(), (Violation, usize, usize)>;

fn verdict(commits: Commits<'_>, streams: Vec<Stream>) -> Verdict {
    let checker = Checker::new(&history(commits), BOUND);
    let checked = checker.check_watch(&watch(streams));
    checked.map_err(|it| (it.violation, it.stream, it.event))
}

/// Each case: what was committed, a good watch, and one that is refused at this place.
type Case<'a> = (
    Commits<'a>,
    Vec<Stream>,
    Vec<Stream>,
    (Violation, usize, usize),
);

fn check(cases: Vec<Case<'_>>) {
    for (index, (commits, good, bad, expected)) in cases.into_iter().enumerate() {
        assert_eq!(verdict(commits, good), Ok(()), "{index}");
        assert_eq!(verdict(commits, bad), Err(expected), "{index}");
    }
}

/// A name, written twice.
const TWO_NAMES: Commits<'_> = &[
    (100, Some(110), &[(NAME, 2)]),
    (120, Some(130), &[(NAME, 3)]),
];

/// I5.
#[test]
fn a_watch_does_not_go_back() {
    let went_back = |stream, event| (Violation::WentBack, stream, event);
    // From the third state to the second, each of which the last `synced` permits.
    let open = |events| {
        vec![stream(
            10,
            None,
            [vec![shows(20, 1, 1), synced(21, 15)], events].concat(),
        )]
    };
    check(vec![
        (
            TWO_NAMES,
            open(vec![shows(150, 2, 1), shows(151, 3, 1), synced(152, 140)]),
            open(vec![shows(150, 3, 1), shows(151, 2, 1), synced(152, 140)]),
            went_back(0, 3),
        ),
        // The read time falls, and what is held with it.
        (
            TWO_NAMES,
            open(vec![shows(150, 3, 1), synced(151, 120), synced(152, 115)]),
            open(vec![
                shows(150, 2, 1),
                synced(150, 105),
                shows(151, 3, 1),
                synced(152, 105),
                shows(153, 2, 1),
            ]),
            went_back(0, 6),
        ),
        // The other replica has an older state, which its own read time permits.
        (
            TWO_NAMES,
            vec![
                stream(10, None, vec![shows(150, 3, 1), synced(151, 140)]),
                stream(160, Some(inbox(3, 1)), vec![synced(165, 162)]),
            ],
            vec![
                stream(10, None, vec![shows(150, 3, 1), synced(151, 140)]),
                stream(
                    160,
                    Some(inbox(3, 1)),
                    vec![shows(164, 2, 1), synced(165, 115)],
                ),
            ],
            (Violation::NotVisible, 1, 0),
        ),
        (
            TWO_NAMES,
            vec![
                stream(10, None, vec![shows(150, 3, 1), synced(151, 112)]),
                stream(160, Some(inbox(3, 1)), vec![synced(165, 125)]),
            ],
            vec![
                stream(10, None, vec![shows(150, 3, 1), synced(151, 112)]),
                stream(160, Some(inbox(2, 1)), vec![synced(165, 115)]),
            ],
            went_back(1, 0),
        ),
        // A role from before the state that was shown.
        (
            &[
                (10, Some(11), &[(ROLE, ADMINISTRATOR)]),
                (50, Some(60), &[(ROLE, AGENT)]),
                (100, Some(110), &[(NAME, 2)]),
            ],
            vec![stream(20, None, vec![shows(150, 2, 1), synced(151, 30)])],
            vec![stream(
                20,
                None,
                vec![shows(150, 2, 1), as_administrator(synced(151, 30))],
            )],
            went_back(0, 1),
        ),
    ]);
}

/// I1 and I2 of a `synced`.
#[test]
fn nothing_is_held_from_before_the_read_time() {
    let before = |event| (Violation::BeforeReadTime, 0, event);
    let first = |event, time| vec![stream(10, None, vec![event, time])];
    let resumed = |inbox, time| vec![stream(250, inbox, vec![time])];
    check(vec![
        (
            NAME_THEN_GREETING,
            first(shows(300, 1, 1), synced(301, 50)),
            first(shows(300, 1, 1), synced(301, 150)),
            before(1),
        ),
        (
            NAME_THEN_GREETING,
            first(shows(300, 2, 1), synced(301, 205)),
            first(shows(300, 2, 1), synced(301, 211)),
            before(1),
        ),
        // Nothing was said of what it has named, though it has changed.
        (
            NAME_THEN_GREETING,
            resumed(Some(inbox(2, 2)), synced(260, 255)),
            resumed(Some(inbox(2, 1)), synced(260, 255)),
            before(0),
        ),
        // It holds what it may not see any more, or does not hold what it sees.
        (
            OUT_THEN_TEXT,
            resumed(None, synced(260, 255)),
            resumed(Some(inbox(1, 1)), synced(260, 255)),
            before(0),
        ),
        (
            &[
                (100, Some(110), &[(ROLE, 0)]),
                (120, Some(130), &[(ROLE, AGENT)]),
            ],
            resumed(Some(inbox(1, 1)), synced(260, 255)),
            resumed(None, synced(260, 255)),
            (Violation::NoInstant, 0, 0),
        ),
        (
            &[
                (100, Some(110), &[(MEMBER, 0)]),
                (120, Some(130), &[(MEMBER, 1)]),
            ],
            resumed(Some(inbox(1, 1)), synced(260, 255)),
            resumed(None, synced(260, 255)),
            before(0),
        ),
        // A read time after the `synced`.
        (
            NAME_THEN_GREETING,
            first(shows(300, 2, 2), synced(301, 301)),
            first(shows(300, 2, 2), synced(301, 302)),
            before(1),
        ),
        // Its first read is the latest.
        (
            NAME_THEN_GREETING,
            resumed(Some(inbox(2, 2)), synced(260, 201)),
            resumed(Some(inbox(2, 2)), synced(260, 199)),
            (Violation::NotTheLatest, 0, 0),
        ),
    ]);
}

/// I6.
#[test]
fn a_watch_ends_with_the_end_state() {
    let end = |commits: Commits<'_>, last: Stream| {
        let checker = Checker::new(&history(commits), BOUND);
        checker.check_end(&watch(vec![last]), 5000 * MILLISECOND)
    };
    let open = |events| stream(10, None, events);
    let denied: Commits<'_> = &[(100, Some(110), &[(ROLE, 0)])];
    let cases = [
        (
            NAME_THEN_GREETING,
            open(vec![shows(300, 2, 2), synced(301, 300)]),
            open(vec![shows(300, 2, 1), synced(301, 300)]),
        ),
        (OUT_THEN_TEXT, open(vec![]), open(vec![shows(50, 1, 1)])),
        (
            OUT_THEN_TEXT,
            stream(200, Some(inbox(1, 1)), vec![removes(210)]),
            stream(200, Some(inbox(1, 1)), vec![]),
        ),
        (
            denied,
            ended(open(vec![]), 130, Outcome::Denied),
            open(vec![]),
        ),
        (
            denied,
            ended(open(vec![shows(20, 1, 1)]), 130, Outcome::Denied),
            ended(open(vec![shows(20, 1, 1)]), 130, Outcome::Suspended),
        ),
    ];
    for (index, (commits, good, bad)) in cases.into_iter().enumerate() {
        assert_eq!(end(commits, good), Ok(()), "{index}");
        assert_eq!(end(commits, bad), Err(Violation::NotTheEnd), "{index}");
    }
}
