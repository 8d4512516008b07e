//! Whether the answers of a history can be explained by what was committed.
//!
//! The outcome of a transaction takes effect at one instant between the sending of its
//! COMMIT and the acknowledgement. So at an instant p, all that was acknowledged before is
//! in the state, and nothing that was sent after. Those under way may be in or not, in any
//! combination. An answer is correct if an instant and a combination explain all of it.
//!
//! | rule | of an answer with read time r, of a call sent at t and answered at v |
//! |---|---|
//! | I1 | one instant p in [r, v] explains rights and content together |
//! | I2 | all that was acknowledged before r is in it: p is not before r |
//! | I3 | BOUNDED: t - r is at most B and an allowance |
//! | I4 | LATEST: p is not before t, and r by an allowance at most |
//! | I5, I6, I7 | watches (`watch_checker`) |
//! | I8 | a request is read once in a time, LATEST apart (`reads`) |
//!
//! t is taken by the client before it sends, so the server's own t is later. The server
//! promises r >= t - B for its own t, and hence for the client's. A slow machine makes the
//! server's t later, and the difference smaller: the rule never refuses wrongly. v is taken
//! after the answer has come, so it is not before the snapshot either. A read time is
//! shown as it was or earlier (`Clock::wall_time`), which makes [r, v] longer.
//!
//! An answer that is an error has no read time. Then r is the earliest that I3 or I4
//! permits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::model::{Outcome, Request, Unit};

pub const MILLISECOND: i64 = 1_000_000;

/// By I3 and I4: a pause between two readings of clocks makes a read time earlier.
pub const READ_TIME_ALLOWANCE: i64 = 50 * MILLISECOND;

/// Transactions that may be under way at an instant: more than there are writers.
const MAX_UNDER_WAY: usize = 12;

/// A transaction that was not rolled back. Times are nanoseconds of one wall clock.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Before COMMIT was sent.
    pub sent: i64,
    /// After it was acknowledged; `None` if the outcome is unknown.
    pub acknowledged: Option<i64>,
    pub writes: Vec<(Unit, i64)>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub request: Request,
    pub replica: usize,
    pub is_latest: bool,
    /// Before the call was sent.
    pub sent: i64,
    /// After the answer had come.
    pub received: i64,
    /// Of an error, there is none.
    pub read_time: Option<i64>,
    pub outcome: Outcome,
}

/// The state before the first transaction, and the transactions. A unit is written by one
/// writer alone, one transaction after the other, and so are its versions in order.
#[derive(Clone, Default)]
pub struct History {
    pub initial: BTreeMap<Unit, i64>,
    pub transactions: Vec<Transaction>,
}

/// The rule that an answer breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// I1.
    NoInstant,
    /// I2.
    BeforeReadTime,
    /// I3.
    TooOld,
    /// I4.
    NotTheLatest,
    /// I5.
    WentBack,
    /// I6.
    NotTheEnd,
    /// I7.
    NotVisible,
}

/// The versions of every unit, to be searched.
pub struct Checker {
    /// `MAX_STALENESS`, in nanoseconds.
    bound: i64,
    initial: BTreeMap<Unit, i64>,
    /// In the order in which they were written.
    versions: HashMap<Unit, Vec<Version>>,
    accounts: BTreeSet<i64>,
    pub(super) inboxes: BTreeSet<i64>,
    /// Before the first transaction.
    pub(super) first: i64,
}

#[derive(Clone, Copy)]
struct Version {
    transaction: usize,
    sent: i64,
    /// `i64::MAX` if the outcome is unknown.
    acknowledged: i64,
    value: i64,
}

impl Checker {
    pub fn new(history: &History, bound: i64) -> Self {
        let mut versions: HashMap<Unit, Vec<Version>> = HashMap::new();
        for (transaction, it) in history.transactions.iter().enumerate() {
            for (unit, value) in &it.writes {
                versions.entry(*unit).or_default().push(Version {
                    transaction,
                    sent: it.sent,
                    acknowledged: it.acknowledged.unwrap_or(i64::MAX),
                    value: *value,
                });
            }
        }
        for of_unit in versions.values_mut() {
            of_unit.sort_by_key(|version| version.sent);
        }
        let units = || history.initial.keys().chain(versions.keys());
        let account = |unit: &Unit| match unit {
            Unit::Status(account) => Some(*account),
            _ => None,
        };
        let inbox = |unit: &Unit| match unit {
            Unit::Home(inbox) => Some(*inbox),
            _ => None,
        };
        Self {
            bound,
            initial: history.initial.clone(),
            accounts: units().filter_map(account).collect(),
            inboxes: units().filter_map(inbox).collect(),
            first: history
                .transactions
                .iter()
                .map(|it| it.sent)
                .min()
                .unwrap_or(0)
                - 1,
            versions,
        }
    }

    /// The first rule that the answer breaks.
    pub fn check(&self, answer: &Answer) -> Result<(), Violation> {
        let (earliest, too_early) = if answer.is_latest {
            (answer.sent, Violation::NotTheLatest)
        } else {
            (answer.sent - self.bound, Violation::TooOld)
        };
        let allowed = earliest - READ_TIME_ALLOWANCE;
        let (from, too_early) = match answer.read_time {
            Some(read_time) if read_time < allowed => return Err(too_early),
            Some(read_time) if answer.is_latest => (read_time.max(earliest), too_early),
            Some(read_time) => (read_time, Violation::BeforeReadTime),
            None if answer.is_latest => (earliest, too_early),
            None => (allowed, too_early),
        };
        let Answer {
            request, outcome, ..
        } = answer;
        let is_explained = |from, to| self.earliest(request, outcome, from, to).is_some();
        if is_explained(from, answer.received) {
            Ok(())
        } else if is_explained(self.first, from) {
            Err(too_early)
        } else {
            Err(Violation::NoInstant)
        }
    }

    /// The earliest instant of these that explains the outcome. The instants at which a
    /// commit was sent or acknowledged are enough: those in between permit no other
    /// combination.
    pub(super) fn earliest(
        &self,
        request: &Request,
        outcome: &Outcome,
        from: i64,
        to: i64,
    ) -> Option<i64> {
        let units = request.units(&self.accounts, &self.inboxes);
        let places = units.iter().enumerate().map(|(place, unit)| (*unit, place));
        let places: BTreeMap<Unit, usize> = places.collect();
        let versions: Vec<&[Version]> = units.iter().map(|unit| self.versions_of(*unit)).collect();
        // A writer's transactions come one after the other.
        let near = versions.iter().flat_map(|versions| {
            let first = versions.partition_point(|version| version.acknowledged < from);
            let end = versions.partition_point(|version| version.sent <= to);
            versions.get(first..end).unwrap_or_default()
        });
        let times = near.flat_map(|version| [version.sent, version.acknowledged]);
        let inside = times.filter(|time| (from..=to).contains(time));
        let instants: BTreeSet<i64> = inside.chain([from]).collect();
        let initial = |unit: &Unit| self.initial.get(unit).copied().unwrap_or_default();
        let initial: Vec<i64> = units.iter().map(initial).collect();
        let explains = |instant: &i64| {
            let values = Values::at(*instant, &initial, &versions);
            (0..values.combinations).any(|combination| {
                let state = |unit| values.value(places[&unit], combination);
                request.outcome(&self.inboxes, state) == *outcome
            })
        };
        let mut instants = instants.into_iter().filter(|_| from <= to);
        instants.find(explains)
    }

    fn versions_of(&self, unit: Unit) -> &[Version] {
        self.versions.get(&unit).map_or(&[], Vec::as_slice)
    }
}

/// The values of units that are possible at an instant.
struct Values {
    /// Of the transactions under way.
    combinations: usize,
    /// Of each unit: the value that is known, and those of transactions under way, each with
    /// its bit in a combination.
    of_units: Vec<(i64, Vec<(usize, i64)>)>,
}

impl Values {
    fn at(instant: i64, initial: &[i64], versions: &[&[Version]]) -> Self {
        let mut under_way = Vec::new();
        let mut of_unit = |(initial, versions): (&i64, &&[Version])| {
            let sent = versions.partition_point(|version| version.sent <= instant);
            let mut known = *initial;
            let mut possible = Vec::new();
            // Transactions of one writer: the last that is known, and those after it.
            for version in versions[..sent].iter().rev() {
                if version.acknowledged < instant {
                    known = version.value;
                    break;
                }
                let place = under_way.iter().position(|it| *it == version.transaction);
                let bit = place.unwrap_or_else(|| {
                    under_way.push(version.transaction);
                    under_way.len() - 1
                });
                possible.push((bit, version.value));
            }
            (known, possible)
        };
        let of_units = initial.iter().zip(versions).map(&mut of_unit).collect();
        assert!(under_way.len() <= MAX_UNDER_WAY, "too many at once");
        Self {
            combinations: 1 << under_way.len(),
            of_units,
        }
    }

    fn value(&self, place: usize, combination: usize) -> i64 {
        let (known, possible) = &self.of_units[place];
        let committed = possible.iter();
        let mut committed = committed.filter(|(bit, _)| combination >> bit & 1 == 1);
        committed.next().map_or(*known, |(_, value)| *value)
    }
}
