//! Watches over accounts: one poller for each watched account, whatever the number of watches.
//!
//! A poller reads its account again, and hands the state to its watches if it differs. There is
//! one read at a time over all accounts, and then a rest of three times its length. So watches take
//! a quarter of one connection at most. Where the store tells when anything has changed, a
//! poller reads only then. A poller ends with its last watch. Rights and visibility are not
//! known here.

mod poller;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};

use super::{
    changes::{Changes, DataVersionNumber},
    poll_source::PollSource,
};
use crate::{
    domain::{
        directory::{AccountWatch, AccountWatches, Answer, DirectoryError},
        freshness::{BootInstant, Clock, ReadOptions},
        id::AccountId,
    },
    metrics::watches::WatchMetrics,
};
use poller::Poller;

/// After each read, pollers rest for so many times its length.
const REST_PER_READ: u32 = 3;

/// The longest time in which each watched account is read once. An account that would make
/// it longer is not watched.
const MAX_ROUND_INTERVAL: Duration = Duration::from_secs(30);

/// The limits of watched accounts.
#[derive(Clone, Copy, Debug)]
pub struct WatchBounds {
    pub max_staleness: Duration,
    /// The most memory of all states of watched accounts.
    pub bytes: usize,
}

/// The watched accounts.
pub struct AccountPollers<S: PollSource>(Arc<Pollers<S>>);

struct Pollers<S> {
    source: Arc<S>,
    clock: Clock,
    bounds: WatchBounds,
    /// One read at a time.
    poll_permits: Arc<Semaphore>,
    polled: Mutex<HashMap<AccountId, Polled>>,
    /// There while anything is watched, if the source can tell of changes.
    changes: Mutex<Weak<Changes>>,
    /// How long the last read took, if it failed.
    failed: Mutex<Duration>,
    metrics: WatchMetrics,
}

/// A watched account.
struct Polled {
    newest: watch::Sender<PolledState>,
    changes: Option<Arc<Changes>>,
    /// How long its last read took that did not fail.
    took: Duration,
    bytes: usize,
}

/// The newest state of an account.
struct PolledState {
    answer: Answer,
    /// When its read had ended. Only a read that began later replaces the state: of two reads that
    /// overlap, the one that began first may show the later state.
    read_ended: BootInstant,
    /// When its poller began to read last, whatever came of it.
    polled: BootInstant,
    /// The number of the store when its read began, if there is one.
    version: Option<DataVersionNumber>,
    /// Set once there will be no newer state.
    end: Option<DirectoryError>,
}

/// One watch of an account.
pub struct PolledWatch {
    newest: watch::Receiver<PolledState>,
    changes: Option<Arc<Changes>>,
    /// The latest moment that it has shown.
    shown: BootInstant,
}

impl PolledState {
    /// The moment that it is of: the last one at which nothing had changed.
    fn as_of(&self, changes: Option<&Changes>) -> BootInstant {
        let unchanged = changes.zip(self.version);
        let unchanged = unchanged.and_then(|(changes, version)| changes.last_moment_of(version));
        unchanged.map_or(self.answer.as_of, |moment| moment.max(self.answer.as_of))
    }
}

impl PolledWatch {
    fn as_of(&self) -> BootInstant {
        self.newest.borrow().as_of(self.changes.as_deref())
    }
}

impl AccountWatch for PolledWatch {
    fn newest(&mut self) -> Result<Answer, DirectoryError> {
        let state = self.newest.borrow_and_update();
        if let Some(end) = state.end {
            return Err(end);
        }
        // A moment that was shown stays right: states come in their order.
        self.shown = state.as_of(self.changes.as_deref()).max(self.shown);
        Ok(Answer {
            as_of: self.shown,
            ..state.answer.clone()
        })
    }

    async fn changed(&mut self) {
        // It fails once the poller has ended, which it does with the last watch, or with an
        // end in its state.
        if self.newest.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl<S: PollSource> AccountPollers<S> {
    pub fn new(source: S, bounds: WatchBounds, clock: Clock, metrics: WatchMetrics) -> Self {
        let pollers = Arc::new(Pollers {
            source: Arc::new(source),
            clock,
            bounds,
            poll_permits: Arc::new(Semaphore::new(1)),
            polled: Mutex::default(),
            changes: Mutex::default(),
            failed: Mutex::default(),
            metrics,
        });
        let watched = Arc::downgrade(&pollers);
        pollers
            .metrics
            .read_oldest_age(move || Some(watched.upgrade()?.oldest_age()));
        Self(pollers)
    }
}

impl<S: PollSource> AccountWatches for AccountPollers<S> {
    type Watch = PolledWatch;

    async fn watch(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> Result<PolledWatch, DirectoryError> {
        let pollers = &self.0;
        let is_fresh = |watch: &PolledWatch| watch.as_of() >= options.arrived;
        if let Some((watch, _)) = pollers
            .present(account)
            .filter(|(watch, _)| is_fresh(watch))
        {
            return Ok(watch);
        }
        let mut read_options = options;
        loop {
            let answer = pollers.source.first(account, read_options).await?;
            let read_ended = pollers.clock.now();
            match pollers.present(account) {
                Some((watch, newest)) => {
                    if publish(&newest, answer, read_ended, None) {
                        pollers.weigh(account, &newest);
                    }
                    if is_fresh(&watch) {
                        return Ok(watch);
                    }
                }
                None => {
                    if let Some(watch) = pollers.add(account, answer, read_ended)? {
                        return Ok(watch);
                    }
                }
            }
            // The read overlapped with another one, whose state may be the later one.
            read_options.arrived = read_ended;
        }
    }
}

impl<S: PollSource> Pollers<S> {
    /// A watch of an account that is watched, and its newest state.
    fn present(&self, account: AccountId) -> Option<(PolledWatch, watch::Sender<PolledState>)> {
        let polled = self.lock();
        let polled = polled.get(&account)?;
        Some((polled.watch(), polled.newest.clone()))
    }

    /// A watch of an account that was just read, with a new poller. `None` if the account is
    /// watched meanwhile.
    fn add(
        self: &Arc<Self>,
        account: AccountId,
        answer: Answer,
        read_ended: BootInstant,
    ) -> Result<Option<PolledWatch>, DirectoryError> {
        // To weigh a large account takes a while.
        let bytes = weight(&answer);
        let took = read_ended.0.saturating_sub(answer.as_of.0);
        let mut polled = self.lock();
        if polled.contains_key(&account) {
            return Ok(None);
        }
        let (reads, all_bytes) = totals(&polled);
        if round_of(reads + took) > MAX_ROUND_INTERVAL || all_bytes + bytes > self.bounds.bytes {
            return Err(DirectoryError::TooManyWatches);
        }
        let state = PolledState {
            polled: answer.as_of,
            answer,
            read_ended,
            version: None,
            end: None,
        };
        let new = Polled {
            newest: watch::Sender::new(state),
            changes: self.changes(),
            took,
            bytes,
        };
        let watch = new.watch();
        let poller = Poller::new(Arc::clone(self), account, &new);
        polled.insert(account, new);
        self.count(&polled);
        drop(polled);
        tokio::spawn(poller.run());
        Ok(Some(watch))
    }

    /// Tells of changes while any account is watched.
    fn changes(&self) -> Option<Arc<Changes>> {
        let mut present = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changes) = present.upgrade() {
            return Some(changes);
        }
        let changes = Arc::new(Changes::of(&self.source, self.clock)?);
        *present = Arc::downgrade(&changes);
        Some(changes)
    }

    /// Notes how long a read took.
    fn note(&self, account: AccountId, took: Duration, is_ok: bool) {
        let failed = if is_ok { Duration::ZERO } else { took };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        let mut polled = self.lock();
        if let Some(polled) = polled.get_mut(&account).filter(|_| is_ok) {
            polled.took = took;
        }
        self.count(&polled);
    }

    /// Notes how large a state is that differs from the one before.
    fn weigh(&self, account: AccountId, newest: &watch::Sender<PolledState>) {
        let answer = newest.borrow().answer.clone();
        let bytes = weight(&answer);
        let mut polled = self.lock();
        if let Some(polled) = polled.get_mut(&account) {
            polled.bytes = bytes;
        }
        self.count(&polled);
    }

    /// The time after which each account was read again, unless all reads fail: a round, and one
    /// read that fails.
    fn longest_interval(&self) -> Duration {
        let (reads, _) = totals(&self.lock());
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        round_of(reads + *failed)
    }

    /// Forgets an account unless a watch is left. True if it is forgotten.
    fn forget_unwatched(&self, account: AccountId) -> bool {
        let mut polled = self.lock();
        let is_watched = polled
            .get(&account)
            .is_some_and(|polled| polled.newest.receiver_count() > 0);
        if !is_watched {
            polled.remove(&account);
            self.count(&polled);
        }
        !is_watched
    }

    /// Ends all watches of an account.
    fn end(&self, account: AccountId, end: DirectoryError) {
        let mut polled = self.lock();
        if let Some(ended) = polled.remove(&account) {
            ended.newest.send_modify(|state| state.end = Some(end));
        }
        self.count(&polled);
    }

    fn count(&self, polled: &HashMap<AccountId, Polled>) {
        let (reads, bytes) = totals(polled);
        self.metrics.watched(polled.len(), bytes, round_of(reads));
    }

    /// The age of the oldest state that watches are served by.
    fn oldest_age(&self) -> Duration {
        let now = self.clock.now().0;
        let polled = self.lock();
        let ages = polled.values().map(|polled| {
            let as_of = polled.newest.borrow().as_of(polled.changes.as_deref());
            now.saturating_sub(as_of.0)
        });
        ages.max().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Polled>> {
        self.polled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Polled {
    fn watch(&self) -> PolledWatch {
        PolledWatch {
            newest: self.newest.subscribe(),
            changes: self.changes.clone(),
            shown: BootInstant(Duration::ZERO),
        }
    }
}

/// Hands a state to the watches of its account, unless the read overlapped with that of the present
/// one. They wake if it differs, which is returned. `version` is `None` for a read of a call.
fn publish(
    newest: &watch::Sender<PolledState>,
    mut answer: Answer,
    read_ended: BootInstant,
    version: Option<DataVersionNumber>,
) -> bool {
    // To compare large accounts takes a while, and the watches need not wait for it.
    let earlier = newest.borrow().answer.clone();
    answer.share(&earlier);
    newest.send_if_modified(|state| {
        if answer.as_of < state.read_ended {
            return false;
        }
        if !state.answer.is_same(&earlier) {
            answer.share(&state.answer);
        }
        let differs = !answer.is_same(&state.answer);
        state.answer = answer;
        state.read_ended = read_ended;
        // The same content is that of the same number.
        state.version = version.or(state.version.filter(|_| !differs));
        differs
    })
}

/// How long the last reads of all accounts took that did not fail, and the memory of their states.
fn totals(polled: &HashMap<AccountId, Polled>) -> (Duration, usize) {
    let polled = polled.values();
    polled.fold((Duration::ZERO, 0), |(took, bytes), polled| {
        (took + polled.took, bytes + polled.bytes)
    })
}

/// How long it takes until each account was read once, rests included.
fn round_of(reads: Duration) -> Duration {
    reads * (1 + REST_PER_READ)
}

fn weight(answer: &Answer) -> usize {
    answer.account.as_ref().map_or(0, |account| account.size())
}

#[cfg(test)]
mod tests;
