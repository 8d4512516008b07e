//! Tests of random rounds: how long they last, and the seed that they begin from.
//!
//! `make soak` sets the variables. `SEED` repeats the choices of a failed run, though not
//! its timing.

use std::env;

use super::dice::Dice;

/// A number in the environment, or this one.
pub fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The seed of `SEED`, or another one each time.
pub fn seed() -> u64 {
    let seed = setting("SEED", Dice::new().number());
    println!("SEED={seed}");
    seed
}

/// The choices of one task of a test, which differ from those of any other.
pub const fn dice_of_task(seed: u64, task: u64) -> Dice {
    Dice::seeded(seed.wrapping_add(task.wrapping_mul(0x9e37_79b9)))
}
