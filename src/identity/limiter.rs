//! The limits of one caller, over all its connections.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::policy::Method;

/// Calls at a time of a caller of the file, unless its entry says otherwise.
const DEFAULT_CONCURRENT_CALLS: u32 = 1000;

/// Watches at a time, likewise.
const DEFAULT_WATCHES: u32 = 100;

/// The limits that an entry states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls a second, and how many of them may come at once. `None` is no limit.
    pub rate: Option<Rate>,
    /// `None` is no limit.
    pub concurrent_calls: Option<u32>,
    /// `None` is no limit.
    pub watches: Option<u32>,
}

impl Limits {
    pub const NONE: Self = Self {
        rate: None,
        concurrent_calls: None,
        watches: None,
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
            watches: Some(DEFAULT_WATCHES),
        }
    }
}

/// The limit that a call exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
pub enum Limit {
    CallsPerSecond,
    ConcurrentCalls,
    Watches,
}

impl Limit {
    /// The key of the callers file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallsPerSecond => "calls_per_second",
            Self::ConcurrentCalls => "concurrent_calls",
            Self::Watches => "watches",
        }
    }
}

/// Counts the calls of an entry.
#[derive(Clone, Debug)]
pub struct Limiter {
    pub limits: Limits,
    rate: Option<Arc<DefaultDirectRateLimiter>>,
    concurrent_calls: CallCount,
    watches: CallCount,
}

/// The number of calls under way. A semaphore would have a limit that cannot change.
#[derive(Clone, Debug, Default)]
struct CallCount(Arc<AtomicU32>);

/// One call under way, until it is dropped.
#[derive(Debug)]
pub struct CallSlot(CallCount);

impl CallCount {
    fn begin(&self, limit: Option<u32>) -> Option<CallSlot> {
        let next = |count: u32| (count < limit.unwrap_or(u32::MAX)).then_some(count + 1);
        let begun = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        begun.ok().map(|_| CallSlot(self.clone()))
    }
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limiter {
    pub fn new(limits: Limits) -> Self {
        let rate = limits.rate.map(|rate| {
            let quota = Quota::per_second(rate.calls_per_second);
            Arc::new(RateLimiter::direct(quota.allow_burst(rate.burst)))
        });
        Self {
            limits,
            rate,
            concurrent_calls: CallCount::default(),
            watches: CallCount::default(),
        }
    }

    /// Counts on from another limiter. A rate begins anew if it is another one.
    pub fn continue_from(&mut self, previous: &Self) {
        if self.limits.rate == previous.limits.rate {
            self.rate.clone_from(&previous.rate);
        }
        self.concurrent_calls.clone_from(&previous.concurrent_calls);
        self.watches.clone_from(&previous.watches);
    }

    /// Begins a call. One that exceeds a limit does not wait: its caller can. Watches have a
    /// limit of their own, since each stays open.
    pub fn begin(&self, method: Option<Method>) -> Result<CallSlot, Limit> {
        let limits = self.limits;
        let (count, most, limit) = match method {
            Some(Method::WatchInboxes) => (&self.watches, limits.watches, Limit::Watches),
            _ => (
                &self.concurrent_calls,
                limits.concurrent_calls,
                Limit::ConcurrentCalls,
            ),
        };
        let slot = count.begin(most).ok_or(limit)?;
        match &self.rate {
            Some(rate) if rate.check().is_err() => Err(Limit::CallsPerSecond),
            _ => Ok(slot),
        }
    }
}
