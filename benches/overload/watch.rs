//! When a processor was slow.
//!
//! Those of shared machines run at half or a tenth of their speed now and then, as others
//! need them. Ten times the load is then twenty or a hundred times.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rustix::thread::{CpuSet, sched_setaffinity};

use super::Asked;

/// Watches how fast the processors of the server and of its callers are, on a thread of
/// each.
pub struct Watch {
    processors: [Samples; 2],
    done: Arc<AtomicBool>,
}

/// When a little work was done, and how much of the processor's time it took.
type Samples = Arc<Mutex<Vec<(Instant, Duration)>>>;

impl Watch {
    pub fn begin() -> io::Result<Self> {
        const EVERY: Duration = Duration::from_millis(2);
        let watch = Self {
            processors: Default::default(),
            done: Arc::default(),
        };
        for (processor, seen) in watch.processors.iter().enumerate() {
            let (seen, done) = (Arc::clone(seen), Arc::clone(&watch.done));
            let (tell, told) = mpsc::channel();
            thread::spawn(move || {
                let mut set = CpuSet::new();
                set.set(processor);
                let _ = tell.send(sched_setaffinity(None, &set));
                while !done.load(Ordering::Relaxed) {
                    let took = little_work();
                    if let Ok(mut seen) = seen.lock() {
                        seen.push((Instant::now(), took));
                    }
                    thread::sleep(EVERY);
                }
            });
            told.recv().map_err(io::Error::other)??;
        }
        Ok(watch)
    }

    pub fn slow_until_now(&self) -> Slow {
        /// Of what the work usually takes.
        const SLOW: f64 = 1.5;
        const BEFORE: Duration = Duration::from_millis(5);
        /// Until what had to wait is done.
        const AFTER: Duration = Duration::from_millis(50);

        let mut spans: Vec<(Instant, Instant)> = Vec::new();
        for seen in &self.processors {
            let seen = seen.lock().map(|seen| seen.clone()).unwrap_or_default();
            let mut costs: Vec<_> = seen.iter().map(|(_, took)| took.as_secs_f64()).collect();
            costs.sort_by(f64::total_cmp);
            let usual = costs.get(costs.len() / 4).copied().unwrap_or_default();
            let slow = seen
                .iter()
                .filter(|(_, took)| took.as_secs_f64() > usual * SLOW);
            spans.extend(slow.map(|(at, _)| (at.checked_sub(BEFORE).unwrap_or(*at), *at + AFTER)));
        }
        spans.sort();
        spans.dedup_by(|next, last| {
            let touch = next.0 <= last.1;
            if touch {
                last.1 = last.1.max(next.1);
            }
            touch
        });
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
    for step in 0..20_000 {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005) ^ step);
    }
    let ended = now();
    let nanoseconds = |time: rustix::time::Timespec| time.tv_sec * 1_000_000_000 + time.tv_nsec;
    Duration::from_nanos(nanoseconds(ended).abs_diff(nanoseconds(began)))
}

/// When a processor was slow: spans that do not touch.
pub struct Slow(Vec<(Instant, Instant)>);

impl Slow {
    /// Those that were due while both were quick, and for a while longer: the same for
    /// all, as otherwise those that take long would rather be left out.
    pub fn quick<'a>(&self, asked: &'a [Asked]) -> Vec<&'a Asked> {
        const FOR: Duration = Duration::from_millis(20);
        let is_quick = |asked: &&Asked| self.is_quick(asked.due, FOR);
        asked.iter().filter(is_quick).collect()
    }

    /// How many were due in each second of those that were quick.
    pub fn a_quick_second(&self, asked: &[Asked], began: Instant, ended: Instant) -> f64 {
        let due = asked.iter().map(|asked| asked.due);
        let due = due.filter(|due| self.is_quick(*due, Duration::ZERO));
        due.count() as f64 / self.quick_seconds(began, ended)
    }

    fn is_quick(&self, from: Instant, how_long: Duration) -> bool {
        let next = self.0.partition_point(|(_, until)| *until < from);
        let next = self.0.get(next);
        next.is_none_or(|(slow, _)| *slow > from + how_long)
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
