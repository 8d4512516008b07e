//! How fresh an answer has to be, and the moment that it is of.
//!
//! A moment is a point of the clock that also counts sleep ([`BootInstant`]): it never
//! goes back, and it cannot be set. Callers get it as wall-clock time. The clocks are
//! passed in ([`Clock`]).

use std::time::{Duration, Instant, SystemTime};

/// How fresh an answer has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Within the bound that the operator has set.
    #[default]
    Bounded,
    /// With all that was committed before the call.
    Latest,
}

/// The demands of a call on its answer.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    pub freshness: Freshness,
    /// No answer comes after it.
    pub deadline: Instant,
}

/// The time since the machine was started, sleep included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootInstant(pub Duration);

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub boot: fn() -> BootInstant,
    pub wall: fn() -> SystemTime,
}

impl Clock {
    pub fn now(self) -> BootInstant {
        (self.boot)()
    }

    /// The wall-clock time of a moment, by the wall clock as it is set now.
    pub fn wall_time(self, moment: BootInstant) -> SystemTime {
        let age = self.now().0.saturating_sub(moment.0);
        let now = (self.wall)();
        now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}
