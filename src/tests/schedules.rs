//! Searches for a schedule of steps that breaks a promise.
//!
//! `SCHEDULES` says how many are tried, `SCHEDULE_SEED` which.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of the search is a variable"
)]

use std::env;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

/// A step, and its argument.
pub type Step = (u8, u8);

/// Tries schedules of so many steps at most until one breaks a promise, and shrinks it.
pub fn search(
    most_steps: usize,
    shrinks: u32,
    run: impl Fn(&[Step]) -> Result<(), String>,
) -> Result<(), TestError<Vec<Step>>> {
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
    let schedule = vec(any::<Step>(), 1..=most_steps);
    runner.run(&schedule, |steps| run(&steps).map_err(TestCaseError::fail))
}
