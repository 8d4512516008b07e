//! A database, a clock, calls and reads, stepped by a schedule over the real state.
//!
//! Each commit makes a new version of all that the database holds. A read sees the version
//! at the moment of its snapshot. Every instant is known exactly, so that the promises can
//! be checked of each answer.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use super::{super::*, Fault};

/// Steps of the longest schedule; the mean is half as many.
pub const STEPS: usize = 400;

const MAX_STALENESS_AGE: Duration = Duration::from_millis(100);
const KEYS: u8 = 3;
/// The key whose values are flags: they are asked for by each call that is answered.
const FLAGS: u8 = KEYS;

type State = CacheState<u8, u64, SimulatedRead>;

/// A read by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SimulatedRead(u64);

impl ReadHandle for SimulatedRead {
    type Read = Self;

    fn upgrade(&self) -> Option<Self> {
        Some(*self)
    }
}

impl Weigh for u64 {
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// A read under way.
struct Read {
    key: u8,
    freshness: Freshness,
    id: ReadId,
    is_refresh: bool,
    /// When it had its permit.
    began: Option<BootInstant>,
    /// The version of its snapshot.
    version: Option<u64>,
    calls: Vec<Call>,
}

#[derive(Clone, Copy)]
struct Call {
    demand: Demand,
    /// By the clock that counts sleep.
    arrived: Duration,
    /// It joined the read; otherwise it asks again when the read has ended.
    joined: bool,
    /// The newest answer for the key when it arrived.
    newest: BootInstant,
}

pub struct Model {
    state: State,
    flags: State,
    fault: Option<Fault>,
    /// Time, sleep included.
    now: Duration,
    slept: Duration,
    /// The time of each commit.
    commits: Vec<Duration>,
    reads: BTreeMap<SimulatedRead, Read>,
    last_read: u64,
    /// The newest moment that was answered, by key, unless the entry was evicted since.
    newest: [BootInstant; 4],
    /// The moment of the last outcome, by key, as long as it must be cached.
    cached: [Option<BootInstant>; 4],
}

impl Model {
    pub fn new(fault: Option<Fault>) -> Self {
        let state = |fault, refresh_after| {
            let size = CacheSize {
                bytes: 1 << 20,
                bytes_per_entry: 1 << 10,
                has_large_entries: false,
            };
            let bounds = StalenessBounds {
                max_staleness: MAX_STALENESS_AGE,
                refresh_after,
            };
            let mut state = State::new(size, bounds);
            state.fault = fault;
            state
        };
        let is_of_flags = fault == Some(Fault::AgeIgnored);
        Self {
            state: state(fault.filter(|_| !is_of_flags), MAX_STALENESS_AGE * 3 / 4),
            flags: state(fault.filter(|_| is_of_flags), MAX_STALENESS_AGE / 2),
            fault,
            now: Duration::from_secs(1),
            slept: Duration::ZERO,
            commits: Vec::new(),
            reads: BTreeMap::new(),
            last_read: 0,
            newest: [BootInstant(Duration::ZERO); 4],
            cached: [None; 4],
        }
    }

    pub fn run(mut self, steps: &[(u8, u8)]) -> Result<(), String> {
        for (step, argument) in steps {
            self.now += Duration::from_micros(100);
            match step % 16 {
                0 | 1 => self.commits.push(self.now),
                2..=4 => self.ask(argument % (KEYS + 1), Freshness::Bounded)?,
                5 => self.ask(argument % KEYS, Freshness::Latest)?,
                6..=8 => self.advance_read(*argument),
                9..=11 => self.end_read(*argument, true)?,
                12 => self.end_read(*argument, argument % 4 != 0)?,
                13 => self.give_up(*argument),
                14 if argument % 4 == 0 => self.evict(argument / 4 % (KEYS + 1)),
                14 => {
                    let slept = Duration::from_millis(u64::from(*argument) / 2);
                    self.now += slept;
                    self.slept += slept;
                }
                _ => self.now += Duration::from_millis(u64::from(*argument) / 4),
            }
        }
        Ok(())
    }

    /// The clock of the cache.
    fn clock(&self) -> BootInstant {
        if self.fault == Some(Fault::SleepNotCounted) {
            return BootInstant(self.now.saturating_sub(self.slept));
        }
        BootInstant(self.now)
    }

    const fn state(&self, key: u8) -> &State {
        if key == FLAGS {
            &self.flags
        } else {
            &self.state
        }
    }

    /// How many commits there were before a time.
    fn version_at(&self, time: Duration) -> u64 {
        self.commits.partition_point(|commit| *commit < time) as u64
    }

    fn ask(&mut self, key: u8, freshness: Freshness) -> Result<(), String> {
        let call = Call {
            demand: Demand::new(freshness, self.clock()),
            arrived: self.now,
            joined: false,
            newest: self.newest[usize::from(key)],
        };
        self.step(key, call)
    }

    fn step(&mut self, key: u8, call: Call) -> Result<(), String> {
        let begun = RefCell::new(None);
        let number = SimulatedRead(self.last_read + 1);
        let begin = |id| {
            *begun.borrow_mut() = Some(id);
            (number, number)
        };
        let now = self.clock();
        let next = self.state(key).step(&key, call.demand, || now, begin);
        if let Some(id) = begun.take() {
            self.begin(key, call.demand.freshness, id, false)?;
        }
        match next {
            Step::Answer {
                entry,
                is_refresh_due,
            } => {
                if is_refresh_due {
                    self.refresh(key, call.demand)?;
                }
                self.check(key, call, &entry)
            }
            Step::Join(read) => self.wait(
                read,
                Call {
                    joined: true,
                    ..call
                },
            ),
            Step::Wait(read) => self.wait(
                read,
                Call {
                    joined: false,
                    ..call
                },
            ),
        }
    }

    fn refresh(&mut self, key: u8, demand: Demand) -> Result<(), String> {
        let begun = RefCell::new(None);
        let number = SimulatedRead(self.last_read + 1);
        let begin = |id| {
            *begun.borrow_mut() = Some(id);
            (number, number)
        };
        let now = self.clock();
        self.state(key).begin_refresh(&key, demand, || now, begin);
        match begun.take() {
            Some(id) => self.begin(key, Freshness::Bounded, id, true),
            None => Ok(()),
        }
    }

    fn begin(
        &mut self,
        key: u8,
        freshness: Freshness,
        id: ReadId,
        is_refresh: bool,
    ) -> Result<(), String> {
        let mut others = self.reads.values();
        if others.any(|read| read.key == key && read.freshness == freshness) {
            return Err(format!("two reads of {key} at a time"));
        }
        let least = MAX_STALENESS_AGE * if key == FLAGS { 9 } else { 13 } / 20;
        if freshness == Freshness::Bounded
            && self.fault.is_none()
            && let Some(moment) = self.cached[usize::from(key)]
            && self.clock().0 < moment.0 + least
        {
            return Err(format!("{key} is read again too early"));
        }
        self.last_read += 1;
        let read = Read {
            key,
            freshness,
            id,
            is_refresh,
            began: None,
            version: None,
            calls: Vec::new(),
        };
        self.reads.insert(SimulatedRead(self.last_read), read);
        Ok(())
    }

    fn wait(&mut self, read: SimulatedRead, call: Call) -> Result<(), String> {
        let read = self.reads.get_mut(&read).ok_or("the read has ended")?;
        read.calls.push(call);
        Ok(())
    }

    fn pick(&self, argument: u8) -> Option<SimulatedRead> {
        let count = self.reads.len();
        self.reads
            .keys()
            .nth(usize::from(argument) % count.max(1))
            .copied()
    }

    /// The read gets its permit, and then its snapshot.
    fn advance_read(&mut self, argument: u8) {
        let (clock, version) = (self.clock(), self.commits.len() as u64);
        let Some(read) = self.pick(argument).and_then(|it| self.reads.get_mut(&it)) else {
            return;
        };
        if read.began.is_none() {
            read.began = Some(clock);
        } else if read.version.is_none() {
            read.version = Some(version);
        }
    }

    fn end_read(&mut self, argument: u8, succeeds: bool) -> Result<(), String> {
        let Some(number) = self.pick(argument) else {
            return Ok(());
        };
        let Some(read) = self.reads.remove(&number) else {
            return Ok(());
        };
        let brought = read.began.zip(read.version).filter(|_| succeeds);
        let entry = brought.map(|(began, version)| {
            let as_of = if self.fault == Some(Fault::MomentOfEnd) {
                self.clock()
            } else {
                began
            };
            let mut entry = CacheEntry::new(version, as_of);
            entry.published = self.clock();
            Arc::new(entry)
        });
        let state = self.state(read.key);
        state.end(&read.key, read.freshness, read.id, entry.clone());
        if let Some(entry) = &entry {
            let cached = &mut self.cached[usize::from(read.key)];
            *cached = (*cached).max(Some(entry.as_of));
        }
        for call in read.calls {
            if !call.joined {
                self.step(read.key, call)?;
            } else if let Some(entry) = &entry {
                self.check(read.key, call, entry)?;
            } else if let Some(entry) = self.state(read.key).fresh_entry(&read.key, call.demand) {
                self.check(read.key, call, &entry)?;
            }
        }
        Ok(())
    }

    /// A call is dropped, and a read that no call waits for any more with it.
    fn give_up(&mut self, argument: u8) {
        let Some(number) = self.pick(argument) else {
            return;
        };
        let Some(read) = self.reads.get_mut(&number) else {
            return;
        };
        read.calls.pop();
        if read.calls.is_empty() && !read.is_refresh {
            let (key, freshness, id) = (read.key, read.freshness, read.id);
            self.reads.remove(&number);
            self.state(key).end(&key, freshness, id, None);
        }
    }

    fn evict(&mut self, key: u8) {
        self.state(key).entries.remove(&key);
        self.newest[usize::from(key)] = BootInstant(Duration::ZERO);
        self.cached[usize::from(key)] = None;
    }

    /// The promises of an answer.
    fn check(&mut self, key: u8, call: Call, entry: &CacheEntry<u64>) -> Result<(), String> {
        let version = entry.value;
        let not_before = match call.demand.freshness {
            Freshness::Bounded => call.arrived.saturating_sub(MAX_STALENESS_AGE),
            Freshness::Latest | Freshness::Current => call.arrived,
        };
        if version < self.version_at(not_before) {
            return Err(format!("an answer for {key} is too old"));
        }
        if version < self.version_at(entry.as_of.0) {
            return Err(format!(
                "an answer for {key} lacks what its moment promises"
            ));
        }
        // An entry that was evicted meanwhile does not bind.
        let bound = call.newest.min(self.newest[usize::from(key)]);
        if entry.as_of < bound {
            return Err(format!("an answer for {key} goes back"));
        }
        let newest = &mut self.newest[usize::from(key)];
        *newest = (*newest).max(entry.as_of);
        Ok(())
    }
}
