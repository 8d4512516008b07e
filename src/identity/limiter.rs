//! The limits of one caller, over all its connections.

use std::{num::NonZeroU32, sync::Arc};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls of one caller at a time, unless its entry says otherwise.
pub const DEFAULT_CONCURRENT_CALLS: u32 = 1000;

/// The limits that an entry states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls a second, and how many of them may come at once. `None` is no limit.
    pub rate: Option<Rate>,
    pub concurrent_calls: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub calls_per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: None,
            concurrent_calls: DEFAULT_CONCURRENT_CALLS,
        }
    }
}

/// The limit that a call exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    CallsPerSecond,
    ConcurrentCalls,
}

impl Limit {
    /// The key of the callers file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallsPerSecond => "calls_per_second",
            Self::ConcurrentCalls => "concurrent_calls",
        }
    }
}

/// Counts the calls of an entry.
#[derive(Debug)]
pub struct Limiter {
    pub limits: Limits,
    rate: Option<DefaultDirectRateLimiter>,
    concurrent_calls: Arc<Semaphore>,
}

/// One call under way, until it is dropped.
#[derive(Debug)]
pub struct CallPermit {
    _permit: OwnedSemaphorePermit,
}

impl Limiter {
    pub fn new(limits: Limits) -> Self {
        let rate = limits.rate.map(|rate| {
            let quota = Quota::per_second(rate.calls_per_second);
            RateLimiter::direct(quota.allow_burst(rate.burst))
        });
        Self {
            limits,
            rate,
            concurrent_calls: Arc::new(Semaphore::new(limits.concurrent_calls as usize)),
        }
    }

    /// Begins a call. One that exceeds a limit does not wait: its caller can.
    pub fn begin(&self) -> Result<CallPermit, Limit> {
        let permit = Arc::clone(&self.concurrent_calls).try_acquire_owned();
        let permit = permit.map_err(|_| Limit::ConcurrentCalls)?;
        match &self.rate {
            Some(rate) if rate.check().is_err() => Err(Limit::CallsPerSecond),
            _ => Ok(CallPermit { _permit: permit }),
        }
    }
}
