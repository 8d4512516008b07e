//! The clocks of this machine: the one place that asks them.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::domain::freshness::{BootInstant, Clock};

pub fn system() -> Clock {
    Clock {
        boot: time_since_boot,
        wall: wall_time,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks this clock"
)]
fn time_since_boot() -> BootInstant {
    // Other systems have no name for it, or their only one counts sleep.
    #[cfg(target_os = "linux")]
    const SINCE_BOOT: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const SINCE_BOOT: ClockId = ClockId::Monotonic;

    BootInstant(duration(clock_gettime(SINCE_BOOT)))
}

/// The time of all processors that this process has used.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks this clock"
)]
pub fn processor_time() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

fn duration(time: Timespec) -> Duration {
    // Neither is negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the wall clock"
)]
fn wall_time() -> SystemTime {
    SystemTime::now()
}
