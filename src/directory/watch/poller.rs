//! The task of one watched account.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::sleep,
};
use tracing::debug;

use super::{Polled, PolledState, Pollers, REST_PER_READ, publish};
use crate::{
    directory::{changes::Changes, poll_source::PollSource},
    domain::{
        directory::{Answer, DirectoryError},
        id::AccountId,
    },
};

/// The interval between two reads of an account where no answer may be remembered.
const UNCACHED_INTERVAL: Duration = Duration::from_secs(1);

/// How much longer than the bound a state may be served while the store does not answer.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The delay until the next try, after a read has failed.
const RETRY_DELAY: Duration = Duration::from_millis(500);

pub struct Poller<S: PollSource> {
    pollers: Arc<Pollers<S>>,
    account: AccountId,
    newest: watch::Sender<PolledState>,
    changes: Option<Arc<Changes>>,
}

impl<S: PollSource> Poller<S> {
    pub fn new(pollers: Arc<Pollers<S>>, account: AccountId, polled: &Polled) -> Self {
        Self {
            pollers,
            account,
            newest: polled.newest.clone(),
            changes: polled.changes.clone(),
        }
    }

    /// Polls until the last watch has ended, or until the store has been away for too long.
    pub async fn run(self) {
        let mut ending = Ending {
            poller: &self,
            end: Some(DirectoryError::Unexpected),
        };
        let mut poll = pin!(self.poll());
        loop {
            tokio::select! {
                () = self.newest.closed() => {
                    if self.pollers.forget_unwatched(self.account) {
                        ending.end = None;
                        return;
                    }
                }
                () = sleep(self.time_until_outage()) => {
                    if self.time_until_outage().is_zero() {
                        debug!(account = self.account.0, "watches end: the store does not answer");
                        ending.end = Some(DirectoryError::Unavailable);
                        return;
                    }
                }
                () = &mut poll => poll.set(self.poll()),
            }
        }
    }

    /// Waits until a read is due and may run, reads, and rests.
    async fn poll(&self) {
        self.due().await;
        self.settle();
        let Ok(permit) = Arc::clone(&self.pollers.poll_permits).acquire_owned().await else {
            return;
        };
        let version = self.changes.as_ref().and_then(|changes| changes.newest());
        let began = self.pollers.clock.now();
        self.newest.send_if_modified(|state| {
            state.polled = began;
            false
        });
        // A task of its own, so that the read and its rest go on where the last watch has ended.
        let pollers = Arc::clone(&self.pollers);
        let earlier = self.newest.borrow().answer.clone();
        let read = tokio::spawn(read_and_rest(pollers, self.account, earlier, permit));
        let panicked = (Err(DirectoryError::Unexpected), Duration::ZERO);
        let (answer, took) = read.await.unwrap_or(panicked);
        let read_ended = self.pollers.clock.now();
        self.pollers.note(self.account, took, answer.is_ok());
        match answer {
            Ok(answer) => {
                if publish(&self.newest, answer, read_ended, version) {
                    self.pollers.weigh(self.account, &self.newest);
                }
            }
            Err(error) => {
                self.pollers.metrics.poll_failed();
                debug!(account = self.account.0, %error, "a watched account was not read");
                sleep(RETRY_DELAY).await;
            }
        }
    }

    /// Keeps the moment until which the state was the newest one.
    fn settle(&self) {
        self.newest.send_if_modified(|state| {
            state.answer.as_of = state.as_of(self.changes.as_deref());
            false
        });
    }

    /// Waits until anything may have changed.
    async fn due(&self) {
        let (version, polled) = {
            let state = self.newest.borrow();
            (state.version, state.polled.max(state.answer.as_of))
        };
        let max_staleness = self.pollers.bounds.max_staleness;
        let interval = if max_staleness.is_zero() {
            UNCACHED_INTERVAL
        } else {
            max_staleness / 2
        };
        let age = self.pollers.clock.now().0.saturating_sub(polled.0);
        let interval = sleep(interval.saturating_sub(age));
        match &self.changes {
            // Flags change without a change of the store.
            Some(changes) if self.pollers.source.has_flags() => tokio::select! {
                () = changes.differs_from(version) => {}
                () = interval => {}
            },
            Some(changes) => changes.differs_from(version).await,
            None => interval.await,
        }
    }

    /// The time until the state is too old to be served any longer.
    fn time_until_outage(&self) -> Duration {
        let as_of = self.newest.borrow().as_of(self.changes.as_deref());
        let age = self.pollers.clock.now().0.saturating_sub(as_of.0);
        let interval = self.pollers.longest_interval();
        let longest = self.pollers.bounds.max_staleness + interval + OUTAGE_TIMEOUT;
        longest.saturating_sub(age)
    }
}

/// Reads an account, and says how long it took. The next read, of any account, has to wait for
/// the rest after it.
async fn read_and_rest<S: PollSource>(
    pollers: Arc<Pollers<S>>,
    account: AccountId,
    earlier: Answer,
    permit: OwnedSemaphorePermit,
) -> (Result<Answer, DirectoryError>, Duration) {
    let began = pollers.clock.now();
    // The read keeps it to its end, also where nobody waits for that any more.
    let permit = Arc::new(permit);
    let answer = pollers.source.again(account, &earlier, Arc::clone(&permit));
    let answer = answer.await;
    let took = pollers.clock.now().0.saturating_sub(began.0);
    tokio::spawn(async move {
        sleep(took * REST_PER_READ).await;
        drop(permit);
    });
    (answer, took)
}

/// Ends the watches of an account with its poller, also where that panics.
struct Ending<'a, S: PollSource> {
    poller: &'a Poller<S>,
    end: Option<DirectoryError>,
}

impl<S: PollSource> Drop for Ending<'_, S> {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            self.poller.pollers.end(self.poller.account, end);
        }
    }
}
