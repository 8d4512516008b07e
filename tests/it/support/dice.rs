//! Picks at random, and the same again from the same seed.

use std::cell::Cell;

/// Prints what it began from, so that a failure can be had again.
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    state: Cell<u64>,
}

impl Dice {
    /// Another one each time.
    pub fn new() -> Self {
        Self::seeded(getrandom::u64().unwrap())
    }

    pub const fn seeded(seed: u64) -> Self {
        Self {
            seed,
            state: Cell::new(seed),
        }
    }

    /// Splitmix64.
    pub fn number(&self) -> u64 {
        self.state
            .set(self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.state.get() ^ self.seed.rotate_left(17);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn roll(&self, sides: usize) -> usize {
        usize::try_from(self.number() % sides as u64).unwrap()
    }

    /// Whether something happens that does so this often in a hundred times.
    pub fn happens(&self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    pub fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}
