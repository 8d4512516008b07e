//! Histories made by hand: good ones that the checker accepts, and one for each way to break
//! a rule, which it refuses by the name of that rule.
//!
//! Times are milliseconds. B is 1000. User 7 sees inbox 1 of account 1 as an agent.

use super::{
    checker::{Answer, Checker, History, MILLISECOND, Transaction, Violation},
    model::{ADMINISTRATOR, AGENT, Inbox, Method, Outcome, Request, SUSPENDED, Unit, Viewer},
};

pub(super) const BOUND: i64 = 1000 * MILLISECOND;
pub(super) const INBOX: i64 = 1;
pub(super) const USER: i64 = 7;
pub(super) const ROLE: Unit = Unit::Role {
    account: 1,
    user: USER,
};
pub(super) const MEMBER: Unit = Unit::Member {
    inbox: INBOX,
    user: USER,
};
pub(super) const NAME: Unit = Unit::Name(INBOX);
const GREETING: Unit = Unit::Greeting(INBOX);

/// The transactions: when COMMIT was sent and acknowledged, and what was written.
pub(super) type Commits<'a> = &'a [(i64, Option<i64>, &'a [(Unit, i64)])];

/// When the call was sent and answered, and the read time.
type Times = (i64, i64, Option<i64>);

pub(super) fn history(commits: Commits<'_>) -> History {
    let initial = [
        (Unit::Status(1), 0),
        (Unit::Status(2), 0),
        (ROLE, AGENT),
        (MEMBER, 1),
        (Unit::Home(INBOX), 1),
        (NAME, 1),
        (GREETING, 1),
        (Unit::Secret(INBOX), 1),
    ];
    let transactions = commits
        .iter()
        .map(|(sent, acknowledged, writes)| Transaction {
            sent: sent * MILLISECOND,
            acknowledged: acknowledged.map(|it| it * MILLISECOND),
            writes: writes.to_vec(),
        });
    History {
        initial: initial.into(),
        transactions: transactions.collect(),
    }
}

fn answer((sent, received, read_time): Times, method: Method, outcome: Outcome) -> Answer {
    let viewer = Viewer::User(USER);
    Answer {
        request: Request {
            account: 1,
            viewer,
            method,
        },
        replica: 0,
        is_latest: false,
        sent: sent * MILLISECOND,
        received: received * MILLISECOND,
        read_time: read_time.map(|it| it * MILLISECOND),
        outcome,
    }
}

fn latest(times: Times, method: Method, outcome: Outcome) -> Answer {
    Answer {
        is_latest: true,
        ..answer(times, method, outcome)
    }
}

/// As an agent sees it, with versions of name and greeting.
fn agent(name: i64, greeting: i64) -> Outcome {
    shown(None, name, greeting)
}

fn administrator(secret: i64) -> Outcome {
    shown(Some(secret), 1, 1)
}

fn shown(secret: Option<i64>, name: i64, greeting: i64) -> Outcome {
    let inbox = Inbox {
        id: INBOX,
        account: 1,
        name,
        greeting,
        secret,
    };
    Outcome::Shown {
        is_administrator: secret.is_some(),
        inboxes: vec![inbox],
        missing: Vec::new(),
    }
}

fn nothing(missing: &[i64]) -> Outcome {
    Outcome::Shown {
        is_administrator: false,
        inboxes: Vec::new(),
        missing: missing.to_vec(),
    }
}

const GET: Method = Method::Get(INBOX);

fn verdict(commits: Commits<'_>, answer: &Answer) -> Result<(), Violation> {
    Checker::new(&history(commits), BOUND).check(answer)
}

/// A name, and later a greeting, each acknowledged.
pub(super) const NAME_THEN_GREETING: Commits<'_> = &[
    (100, Some(110), &[(NAME, 2)]),
    (200, Some(210), &[(GREETING, 2)]),
];

/// The order of a New Enemy: out, and then the text.
pub(super) const OUT_THEN_TEXT: Commits<'_> = &[
    (100, Some(110), &[(MEMBER, 0)]),
    (112, Some(115), &[(GREETING, 2)]),
];

pub(super) const DEMOTED_THEN_SECRET: Commits<'_> = &[
    (10, Some(11), &[(ROLE, ADMINISTRATOR)]),
    (100, Some(110), &[(ROLE, AGENT)]),
    (112, Some(115), &[(Unit::Secret(INBOX), 2)]),
];

const ONE_NAME_AND_GREETING: Commits<'_> = &[(100, Some(110), &[(NAME, 2), (GREETING, 2)])];

#[test]
fn answers_that_an_instant_explains_are_accepted() {
    let good = [
        // Nothing was written, before the first commit and after the last.
        (
            NAME_THEN_GREETING,
            answer((10, 20, Some(15)), GET, agent(1, 1)),
        ),
        (
            NAME_THEN_GREETING,
            answer((300, 310, Some(305)), GET, agent(2, 2)),
        ),
        // From memory, at most B old.
        (
            NAME_THEN_GREETING,
            answer((1000, 1001, Some(50)), GET, agent(1, 1)),
        ),
        (
            NAME_THEN_GREETING,
            answer((1000, 1001, Some(150)), GET, agent(2, 1)),
        ),
        // The instant may be later than the read time, up to the answer.
        (
            NAME_THEN_GREETING,
            answer((50, 300, Some(60)), GET, agent(2, 2)),
        ),
        (
            NAME_THEN_GREETING,
            latest((50, 300, Some(60)), GET, agent(1, 1)),
        ),
        // A commit under way may be in or not.
        (
            NAME_THEN_GREETING,
            answer((104, 106, Some(105)), GET, agent(1, 1)),
        ),
        (
            NAME_THEN_GREETING,
            answer((104, 106, Some(105)), GET, agent(2, 1)),
        ),
        (
            OUT_THEN_TEXT,
            answer((120, 121, Some(90)), GET, agent(1, 1)),
        ),
        (
            OUT_THEN_TEXT,
            answer((120, 121, None), GET, Outcome::NotFound),
        ),
        (
            OUT_THEN_TEXT,
            answer((120, 121, Some(118)), Method::Batch(vec![1]), nothing(&[1])),
        ),
        (
            OUT_THEN_TEXT,
            answer((120, 121, Some(118)), Method::List, nothing(&[])),
        ),
        (
            OUT_THEN_TEXT,
            answer((120, 121, Some(118)), Method::Find(INBOX), nothing(&[])),
        ),
        (
            DEMOTED_THEN_SECRET,
            answer((120, 121, Some(50)), GET, administrator(1)),
        ),
        (
            DEMOTED_THEN_SECRET,
            answer((120, 121, Some(118)), GET, agent(1, 1)),
        ),
        // An error from memory, at most B old.
        (
            &[
                (100, Some(110), &[(MEMBER, 0)]),
                (120, Some(130), &[(MEMBER, 1)]),
            ],
            answer((1100, 1101, None), GET, Outcome::NotFound),
        ),
    ];
    for (index, (commits, answer)) in good.iter().enumerate() {
        assert_eq!(verdict(commits, answer), Ok(()), "{index}");
    }
}

#[test]
fn a_commit_of_unknown_outcome_counts_as_both() {
    let commits: Commits<'_> = &[(100, None, &[(NAME, 2)])];
    for (name, expected) in [(1, Ok(())), (2, Ok(())), (3, Err(Violation::NoInstant))] {
        assert_eq!(
            verdict(commits, &answer((900, 901, Some(900)), GET, agent(name, 1))),
            expected
        );
    }
}

/// Each breaks I1: content of two instants, or rights and content of two.
#[test]
fn mixtures_of_two_instants_are_refused() {
    let moved: Commits<'_> = &[(100, Some(110), &[(Unit::Home(INBOX), 2), (NAME, 2)])];
    let suspended: Commits<'_> = &[
        (100, Some(110), &[(Unit::Status(1), SUSPENDED)]),
        (112, Some(115), &[(NAME, 2)]),
    ];
    let bad = [
        // Half of a transaction.
        (
            ONE_NAME_AND_GREETING,
            answer((90, 200, Some(95)), GET, agent(2, 1)),
        ),
        (
            ONE_NAME_AND_GREETING,
            answer((90, 200, Some(95)), Method::List, agent(1, 2)),
        ),
        // The later of two commits without the earlier.
        (
            NAME_THEN_GREETING,
            answer((90, 300, Some(95)), GET, agent(1, 2)),
        ),
        // Old rights with new content.
        (OUT_THEN_TEXT, answer((90, 300, Some(95)), GET, agent(1, 2))),
        (
            DEMOTED_THEN_SECRET,
            answer((90, 300, Some(95)), GET, administrator(2)),
        ),
        (suspended, answer((90, 300, Some(95)), GET, agent(2, 1))),
        // New rights with old content: the text was erased before the user came in.
        (
            &[
                (50, Some(60), &[(MEMBER, 0)]),
                (70, Some(80), &[(GREETING, 2)]),
                (100, Some(110), &[(GREETING, 3)]),
                (112, Some(115), &[(MEMBER, 1)]),
            ],
            answer((112, 300, Some(112)), GET, agent(1, 2)),
        ),
        // A moved inbox, with its new name in its old account.
        (moved, answer((90, 300, Some(95)), GET, agent(2, 1))),
        // A sealed value for an agent, and a version that nobody wrote.
        (
            NAME_THEN_GREETING,
            answer((10, 20, Some(15)), GET, administrator(1)),
        ),
        (
            NAME_THEN_GREETING,
            answer((10, 20, Some(15)), GET, agent(9, 1)),
        ),
        // The state of an instant after the answer.
        (
            NAME_THEN_GREETING,
            answer((10, 20, Some(15)), GET, agent(2, 1)),
        ),
    ];
    for (index, (commits, answer)) in bad.iter().enumerate() {
        assert_eq!(
            verdict(commits, answer),
            Err(Violation::NoInstant),
            "{index}"
        );
    }
}

/// Breaks I2, with the old answer in bounds by its own read time.
#[test]
fn acknowledged_commits_before_the_read_time_are_not_missing() {
    for times in [
        (300, 310, Some(305)),
        (900, 901, Some(111)),
        // A read time after the answer.
        (10, 20, Some(300)),
    ] {
        let answer = answer(times, GET, agent(1, 1));
        assert_eq!(
            verdict(NAME_THEN_GREETING, &answer),
            Err(Violation::BeforeReadTime)
        );
    }
    // Though the same instant would explain it with an honest read time.
    let answer = answer((900, 901, Some(99)), GET, agent(1, 1));
    assert_eq!(verdict(NAME_THEN_GREETING, &answer), Ok(()));
}

/// Breaks I3.
#[test]
fn answers_older_than_the_bound_are_refused() {
    let old = answer((1200, 1201, Some(149)), GET, agent(2, 1));
    assert_eq!(verdict(NAME_THEN_GREETING, &old), Err(Violation::TooOld));
    // Errors have no read time, and no instant within the bound explains this one.
    let commits: Commits<'_> = &[
        (100, Some(110), &[(MEMBER, 0)]),
        (120, Some(130), &[(MEMBER, 1)]),
    ];
    let old = answer((1200, 1201, None), GET, Outcome::NotFound);
    assert_eq!(verdict(commits, &old), Err(Violation::TooOld));
    // The allowance, and a call that waited for long: only its sending counts.
    let old = answer((1200, 1201, Some(151)), GET, agent(2, 1));
    assert_eq!(verdict(NAME_THEN_GREETING, &old), Ok(()));
    let slow = answer((1150, 9000, Some(150)), GET, agent(2, 1));
    assert_eq!(verdict(NAME_THEN_GREETING, &slow), Ok(()));
}

/// Breaks I4.
#[test]
fn the_latest_is_not_from_before_the_call() {
    let early = latest((300, 310, Some(249)), GET, agent(2, 2));
    assert_eq!(
        verdict(NAME_THEN_GREETING, &early),
        Err(Violation::NotTheLatest)
    );
    // A read time may be shown as earlier. The state may not be.
    let paused = latest((230, 231, Some(195)), GET, agent(2, 2));
    assert_eq!(verdict(NAME_THEN_GREETING, &paused), Ok(()));
    let early = latest((230, 231, Some(195)), GET, agent(2, 1));
    assert_eq!(
        verdict(NAME_THEN_GREETING, &early),
        Err(Violation::NotTheLatest)
    );
    let error = latest((200, 201, None), GET, Outcome::NotFound);
    let commits: Commits<'_> = &[
        (100, Some(110), &[(MEMBER, 0)]),
        (120, Some(130), &[(MEMBER, 1)]),
    ];
    assert_eq!(verdict(commits, &error), Err(Violation::NotTheLatest));
    let error = latest((115, 116, None), GET, Outcome::NotFound);
    assert_eq!(verdict(commits, &error), Ok(()));
}

#[test]
fn every_account_is_searched_for_an_address() {
    let commits: Commits<'_> = &[
        (100, Some(110), &[(Unit::Home(INBOX), 2)]),
        (200, Some(210), &[(Unit::Status(2), SUSPENDED)]),
    ];
    let everywhere = |times, account: Option<i64>| {
        let inbox = |account| Inbox {
            id: INBOX,
            account,
            name: 1,
            greeting: 1,
            secret: Some(1),
        };
        let outcome = Outcome::Shown {
            is_administrator: true,
            inboxes: account.map(inbox).into_iter().collect(),
            missing: Vec::new(),
        };
        let mut answer = answer(times, Method::FindEverywhere(INBOX), outcome);
        answer.request.viewer = Viewer::Service;
        verdict(commits, &answer)
    };
    assert_eq!(everywhere((50, 51, Some(50)), Some(1)), Ok(()));
    assert_eq!(everywhere((150, 151, Some(150)), Some(2)), Ok(()));
    assert_eq!(everywhere((250, 251, Some(250)), None), Ok(()));
    let early = everywhere((150, 151, Some(150)), Some(1));
    assert_eq!(early, Err(Violation::BeforeReadTime));
}
