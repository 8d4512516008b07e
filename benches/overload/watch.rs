//! When the processor was slow.
//!
//! Those of shared machines run at a tenth of their speed now and then, for a
//! twentieth of a second or so. Ten times the load is then a hundred times.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::Asked;

/// Watches how fast the processor is, on a thread of its own.
pub struct Watch {
    /// When a little work was done, and how much of the processor's time it took.
    seen: Arc<Mutex<Vec<(Instant, Duration)>>>,
    done: Arc<AtomicBool>,
}

impl Watch {
    pub fn begin() -> Self {
        const EVERY: Duration = Duration::from_millis(2);
        let watch = Self {
            seen: Arc::default(),
            done: Arc::default(),
        };
        let (seen, done) = (watch.seen.clone(), watch.done.clone());
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let took = little_work();
                if let Ok(mut seen) = seen.lock() {
                    seen.push((Instant::now(), took));
                }
                thread::sleep(EVERY);
            }
        });
        watch
    }

    pub fn slow_until_now(&self) -> Slow {
        /// Of what the work usually takes.
        const SLOW: f64 = 1.5;
        const BEFORE: Duration = Duration::from_millis(5);
        /// Until what had to wait is done.
        const AFTER: Duration = Duration::from_millis(50);

        let seen = self
            .seen
            .lock()
            .map(|seen| seen.clone())
            .unwrap_or_default();
        let mut costs: Vec<_> = seen.iter().map(|(_, took)| took.as_secs_f64()).collect();
        costs.sort_by(f64::total_cmp);
        let usual = costs.get(costs.len() / 4).copied().unwrap_or_default();
        let mut spans: Vec<(Instant, Instant)> = Vec::new();
        for (at, took) in seen {
            if took.as_secs_f64() > usual * SLOW {
                let (from, until) = (at.checked_sub(BEFORE).unwrap_or(at), at + AFTER);
                match spans.last_mut() {
                    Some(last) if last.1 >= from => last.1 = until,
                    _ => spans.push((from, until)),
                }
            }
        }
        Slow(spans)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

/// Not counting the time that others have the processor.
fn little_work() -> Duration {
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let began = now();
    let mut number = 1_u64;
    for step in 0..30_000 {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005) ^ step);
    }
    let ended = now();
    let nanoseconds = |time: rustix::time::Timespec| time.tv_sec * 1_000_000_000 + time.tv_nsec;
    Duration::from_nanos(nanoseconds(ended).abs_diff(nanoseconds(began)))
}

/// When the processor was slow: spans that do not touch.
pub struct Slow(Vec<(Instant, Instant)>);

impl Slow {
    /// Those that were under way while it was quick.
    pub fn quick<'a>(&self, asked: &'a [Asked]) -> Vec<&'a Asked> {
        let is_quick = |asked: &&Asked| {
            let next = self.0.partition_point(|(_, until)| *until < asked.due);
            let next = self.0.get(next);
            next.is_none_or(|(from, _)| *from > asked.due + asked.wait)
        };
        asked.iter().filter(is_quick).collect()
    }

    pub fn quick_seconds(&self, began: Instant, ended: Instant) -> f64 {
        let slow = self.0.iter().map(|(from, until)| {
            let (from, until) = (*from.max(&began), *until.min(&ended));
            until.saturating_duration_since(from)
        });
        let slow: Duration = slow.sum();
        (ended - began).saturating_sub(slow).as_secs_f64()
    }
}
