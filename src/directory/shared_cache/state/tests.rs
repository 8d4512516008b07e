//! Schedules of calls, reads and commits, tried against a model.
//!
//! `SCHEDULES` says how many are tried, `SCHEDULE_SEED` which.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of the search is a variable"
)]

mod model;

use std::env;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

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

/// Tries schedules until one breaks a promise.
fn search(fault: Option<Fault>, shrinks: u32) -> Result<(), TestError<Vec<(u8, u8)>>> {
    const SCHEDULES: u32 = 20_000;
    let number = |name| {
        env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let seed = number("SCHEDULE_SEED").unwrap_or(u64::from_ne_bytes(random));
    println!("SCHEDULE_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let schedules = number("SCHEDULES").and_then(|it| u32::try_from(it).ok());
    let config = Config {
        cases: schedules.unwrap_or(SCHEDULES),
        max_shrink_iters: shrinks,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, random);
    let schedule = vec(any::<(u8, u8)>(), 1..=STEPS);
    runner.run(&schedule, |steps| {
        Model::new(fault).run(&steps).map_err(TestCaseError::fail)
    })
}

#[test]
fn no_schedule_breaks_a_promise() {
    if let Err(error) = search(None, 5_000) {
        panic!("{error}");
    }
}

#[test]
fn the_same_search_finds_each_planted_fault() {
    for fault in FAULTS {
        match search(Some(fault), 0) {
            Err(TestError::Fail(reason, _)) => println!("{fault:?}: {reason}"),
            outcome => panic!("{fault:?} is not found: {outcome:?}"),
        }
    }
}
