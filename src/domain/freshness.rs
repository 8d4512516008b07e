//! How fresh an answer has to be, and the moment that it is of.
//!
//! A moment is a point of the clock that also counts sleep ([`BootInstant`]): it never
//! goes back, and it cannot be set. Callers get it as wall-clock time. The clocks are
//! passed in ([`Clock`]).

use std::time::{Duration, Instant, SystemTime};

/// How fresh an answer has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Of one moment, which is at most the maximum staleness before the call.
    #[default]
    Bounded,
    /// With all that was committed before the call.
    Latest,
    /// As the latest; of a hot standby, with all that it had replayed before the call.
    Current,
}

/// The demands of a call on its answer.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    pub freshness: Freshness,
    /// When the call arrived, or a little later.
    pub arrived: BootInstant,
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
        // In this order: a pause in between makes the time earlier, and never later.
        let now = (self.wall)();
        let age = self.now().0.saturating_sub(moment.0);
        now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// Each look at a clock takes a second.
    fn look() -> Duration {
        NOW.set(NOW.get() + Duration::from_secs(1));
        NOW.get()
    }

    #[test]
    fn a_moment_is_never_shown_as_later() {
        let started = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let clock = Clock {
            boot: || BootInstant(look()),
            wall: || SystemTime::UNIX_EPOCH + Duration::from_hours(1) + look(),
        };
        let moment = clock.now();
        for _ in 0..5 {
            let shown = clock.wall_time(moment);
            let exact = started + moment.0;
            assert!(shown <= exact && shown + Duration::from_secs(2) >= exact);
        }
        // The wall clock may be set to anything.
        let epoch = Clock {
            wall: || SystemTime::UNIX_EPOCH,
            ..clock
        };
        assert!(epoch.wall_time(moment) < SystemTime::UNIX_EPOCH);
        // A moment to come is one that is now.
        let to_come = BootInstant(Duration::MAX);
        assert!(clock.wall_time(to_come) <= started + NOW.get());
    }
}
