//! I7, and the ends of watches.

use super::{
    super::{
        checker::{MILLISECOND, Violation},
        examples::{
            Commits, DEMOTED_THEN_SECRET, INBOX, MEMBER, NAME, NAME_THEN_GREETING, OUT_THEN_TEXT,
            ROLE,
        },
        model::{AGENT, Outcome, SUSPENDED, Unit},
        watch_checker::Change,
    },
    TWO_NAMES, as_administrator, check, ended, event, removes, shows, shows_secret, stream, synced,
};

/// I7: the order of a New Enemy, and whatever else no instant of the window explains.
#[test]
fn an_event_shows_what_its_viewer_may_see() {
    let not_visible = |event| (Violation::NotVisible, 0, event);
    let open = |events| {
        vec![stream(
            5,
            None,
            [vec![shows(8, 1, 1), synced(9, 7)], events].concat(),
        )]
    };
    let administrator = |events| {
        let first = vec![shows_secret(50, 1), as_administrator(synced(51, 20))];
        vec![stream(15, None, [first, events].concat())]
    };
    let demoted = |time| vec![shows(time, 1, 1), synced(time, time)];
    let moved: Commits<'_> = &[(100, Some(110), &[(Unit::Home(INBOX), 2), (NAME, 2)])];
    check(vec![
        // The text was written when the member was out.
        (
            OUT_THEN_TEXT,
            open(vec![removes(130), synced(131, 120)]),
            open(vec![shows(130, 1, 2), synced(131, 90)]),
            not_visible(2),
        ),
        // The text was erased before the member was in.
        (
            &[
                (10, Some(11), &[(MEMBER, 0)]),
                (20, Some(21), &[(NAME, 2)]),
                (100, Some(110), &[(NAME, 3)]),
                (112, Some(115), &[(MEMBER, 1)]),
            ],
            open(vec![removes(50), shows(130, 3, 1), synced(131, 120)]),
            open(vec![removes(50), shows(130, 2, 1), synced(131, 120)]),
            not_visible(3),
        ),
        // The secret was written after the demotion.
        (
            DEMOTED_THEN_SECRET,
            administrator(demoted(130)),
            administrator(vec![shows_secret(130, 2)]),
            not_visible(2),
        ),
        // By the role of another time, or by a role without its fields.
        (
            DEMOTED_THEN_SECRET,
            administrator([demoted(130), vec![synced(131, 125)]].concat()),
            administrator([demoted(130), vec![as_administrator(synced(131, 125))]].concat()),
            not_visible(4),
        ),
        (
            DEMOTED_THEN_SECRET,
            administrator(demoted(130)),
            administrator(vec![as_administrator(shows(130, 1, 1))]),
            not_visible(2),
        ),
        // Of two instants, or from before the last `synced`.
        (
            NAME_THEN_GREETING,
            open(vec![shows(150, 2, 1), synced(151, 150), shows(300, 2, 2)]),
            open(vec![shows(150, 2, 1), synced(151, 150), shows(300, 1, 2)]),
            not_visible(4),
        ),
        (
            TWO_NAMES,
            open(vec![synced(150, 5), shows(151, 2, 1)]),
            open(vec![shows(140, 3, 1), synced(150, 135), shows(151, 2, 1)]),
            not_visible(4),
        ),
        // A removal without a cause, and an inbox of another account.
        (
            moved,
            open(vec![removes(130), synced(131, 120)]),
            open(vec![removes(90), synced(131, 120)]),
            not_visible(2),
        ),
        (
            moved,
            open(vec![removes(130), synced(131, 120)]),
            open(vec![shows(130, 2, 1), synced(131, 120)]),
            not_visible(2),
        ),
    ]);
}

#[test]
fn a_watch_ends_when_its_viewer_sees_nothing() {
    let commits: Commits<'_> = &[
        (100, Some(110), &[(ROLE, 0)]),
        (200, Some(210), &[(ROLE, AGENT)]),
        (300, Some(310), &[(Unit::Status(1), SUSPENDED)]),
    ];
    let open = |time, outcome| {
        let events = vec![shows(20, 1, 1), synced(21, 15)];
        vec![ended(stream(10, None, events), time, outcome)]
    };
    let at_once = |opened, received, outcome| {
        vec![ended(stream(opened, None, Vec::new()), received, outcome)]
    };
    let no_instant = |event| (Violation::NoInstant, 0, event);
    check(vec![
        (
            commits,
            open(120, Outcome::Denied),
            open(90, Outcome::Denied),
            no_instant(2),
        ),
        (
            commits,
            open(320, Outcome::Suspended),
            open(250, Outcome::Suspended),
            no_instant(2),
        ),
        (
            commits,
            at_once(150, 151, Outcome::Denied),
            at_once(220, 230, Outcome::Denied),
            no_instant(0),
        ),
        // After an event that showed a later state.
        (
            commits,
            open(250, Outcome::Denied),
            vec![ended(
                stream(
                    10,
                    None,
                    vec![
                        shows(20, 1, 1),
                        synced(21, 15),
                        synced(320, 90),
                        event(321, Change::Synced(215 * MILLISECOND)),
                    ],
                ),
                322,
                Outcome::Denied,
            )],
            no_instant(4),
        ),
    ]);
}
