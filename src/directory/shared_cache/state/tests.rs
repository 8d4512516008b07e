//! Schedules of calls, reads and commits, tried against a model.
//!
//! `SCHEDULES` says how many are tried, `SCHEDULE_SEED` which.

mod model;

use proptest::test_runner::TestError;

use crate::tests::schedules::search;
use model::{Model, STEPS};

/// An error that is planted, to see that the search finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A call for the latest joins a read that began before it.
    LatestJoinsEarlierRead,
    /// The moment of a value is when its read ended.
    MomentOfEnd,
    /// An older outcome replaces a newer one.
    OlderReplacesNewer,
    /// The age of an entry counts from when it was cached.
    AgeFromPublication,
    /// The clock stands still while the machine sleeps.
    SleepNotCounted,
    /// Flags are never asked for again.
    AgeIgnored,
}

const FAULTS: [Fault; 6] = [
    Fault::LatestJoinsEarlierRead,
    Fault::MomentOfEnd,
    Fault::OlderReplacesNewer,
    Fault::AgeFromPublication,
    Fault::SleepNotCounted,
    Fault::AgeIgnored,
];

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
