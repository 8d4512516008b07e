//! The limits of one caller, over all its connections.

use std::{num::NonZeroU32, sync::Arc};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls at a time of a caller of the file, unless its entry says otherwise.
const DEFAULT_CONCURRENT_CALLS: u32 = 1000;

/// The limits that an entry states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls a second, and how many of them may come at once. `None` is no limit.
    pub rate: Option<Rate>,
    /// `None` is no limit.
    pub concurrent_calls: Option<u32>,
}

impl Limits {
    pub const NONE: Self = Self {
        rate: None,
        concurrent_calls: None,
    };
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
            concurrent_calls: Some(DEFAULT_CONCURRENT_CALLS),
        }
    }
}

/// The limit that a call exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
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
#[derive(Clone, Debug)]
pub struct Limiter {
    pub limits: Limits,
    rate: Option<Arc<DefaultDirectRateLimiter>>,
    concurrent_calls: Option<Arc<Semaphore>>,
}

/// One call under way, until it is dropped.
#[derive(Debug)]
pub struct CallSlot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Limiter {
    pub fn new(limits: Limits) -> Self {
        let rate = limits.rate.map(|rate| {
            let quota = Quota::per_second(rate.calls_per_second);
            Arc::new(RateLimiter::direct(quota.allow_burst(rate.burst)))
        });
        let concurrent_calls = limits.concurrent_calls;
        Self {
            limits,
            rate,
            concurrent_calls: concurrent_calls
                .map(|calls| Arc::new(Semaphore::new(calls as usize))),
        }
    }

    /// Counts on from another limiter, as far as the limits are the same.
    pub fn continue_from(&mut self, previous: &Self) {
        if self.limits.rate == previous.limits.rate {
            self.rate.clone_from(&previous.rate);
        }
        if self.limits.concurrent_calls == previous.limits.concurrent_calls {
            self.concurrent_calls.clone_from(&previous.concurrent_calls);
        }
    }

    /// Begins a call. One that exceeds a limit does not wait: its caller can.
    pub fn begin(&self) -> Result<CallSlot, Limit> {
        let permit = self
            .concurrent_calls
            .as_ref()
            .map(|calls| Arc::clone(calls).try_acquire_owned());
        let permit = permit.transpose().map_err(|_| Limit::ConcurrentCalls)?;
        match &self.rate {
            Some(rate) if rate.check().is_err() => Err(Limit::CallsPerSecond),
            _ => Ok(CallSlot { _permit: permit }),
        }
    }
}
