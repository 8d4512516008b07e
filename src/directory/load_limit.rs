//! Limits how many reads of the store run at a time.
//!
//! Reads are what is scarce: each takes a connection and keeps a processor busy. A fair
//! semaphore gives permits first come first served. The task of a read owns its permit
//! until the read has ended, also where its caller has given up. Health, reflection and
//! refusals never wait here. This module does not know what is read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};

use crate::{
    domain::directory::DirectoryError,
    metrics::reads::{Counted, NoPermit, ReadMetrics},
};

/// Reads that wait for a permit; one more is refused.
const MAX_QUEUED_READS: usize = 1024;

/// Of this many reads, one may be a refresh, which no call waits for.
const READS_PER_REFRESH: usize = 4;

/// Of this many reads, one may be of a whole account: else a few large accounts would hold
/// up all other reads.
const READS_PER_ACCOUNT_READ: usize = 2;

/// Permits for reads, and the queue for them.
pub struct LoadLimit {
    permits: Arc<Semaphore>,
    refresh_permits: Arc<Semaphore>,
    account_permits: Arc<Semaphore>,
    queue: Semaphore,
    /// The longest wait for a permit.
    max_queue_timeout: Duration,
    metrics: ReadMetrics,
}

/// Permission for one read.
#[derive(Debug)]
pub struct ReadPermit {
    /// `None` beside the limit.
    _read: Option<OwnedSemaphorePermit>,
    /// Of a read for watches.
    _poll: Option<Arc<OwnedSemaphorePermit>>,
    /// Of reads of its kind.
    _share: Option<OwnedSemaphorePermit>,
    _running: Counted,
}

impl LoadLimit {
    /// `max_reads` permits, and never more than there are connections; `connections` has
    /// their number, at least one.
    pub fn new(
        max_reads: usize,
        max_queue_timeout: Duration,
        connections: watch::Receiver<usize>,
        metrics: ReadMetrics,
    ) -> Self {
        let reads = move |connections: usize| -> usize { max_reads.min(connections).max(1) };
        let share = move |divisor: usize| {
            move |connections: usize| usize::max(reads(connections) / divisor, 1)
        };
        Self {
            permits: semaphore(connections.clone(), {
                let max = metrics.max.clone();
                move |connections| {
                    let reads = reads(connections);
                    max.set(i64::try_from(reads).unwrap_or(i64::MAX));
                    reads
                }
            }),
            refresh_permits: semaphore(connections.clone(), share(READS_PER_REFRESH)),
            account_permits: semaphore(connections, share(READS_PER_ACCOUNT_READ)),
            queue: Semaphore::new(MAX_QUEUED_READS),
            max_queue_timeout,
            metrics,
        }
    }

    /// Waits for a permit, for half of the time until `deadline` at most: enough is left
    /// for the read itself. Dropping the future leaves the queue.
    pub async fn acquire(&self, deadline: Instant) -> Result<ReadPermit, DirectoryError> {
        self.acquire_with(deadline, None).await
    }

    /// The same for a read of a whole account, of which fewer run at a time.
    pub async fn acquire_for_account(
        &self,
        deadline: Instant,
    ) -> Result<ReadPermit, DirectoryError> {
        self.acquire_with(deadline, Some(&self.account_permits))
            .await
    }

    async fn acquire_with(
        &self,
        deadline: Instant,
        share: Option<&Arc<Semaphore>>,
    ) -> Result<ReadPermit, DirectoryError> {
        let _queued = self.queue.try_acquire().map_err(|_| {
            self.metrics.no_permit(NoPermit::QueueFull);
            DirectoryError::Overloaded
        })?;
        let _waiting = Counted::one(&self.metrics.waiting);
        let now = tokio::time::Instant::now().into_std();
        let timeout = deadline.saturating_duration_since(now) / 2;
        let timeout = timeout.min(self.max_queue_timeout);
        let permits = async {
            let share = match share {
                Some(share) => Some(Arc::clone(share).acquire_owned().await?),
                None => None,
            };
            let read = Arc::clone(&self.permits).acquire_owned().await?;
            Ok::<_, AcquireError>(self.permit(read, share))
        };
        match tokio::time::timeout(timeout, permits).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                self.metrics.no_permit(NoPermit::QueueTimeout);
                Err(DirectoryError::Overloaded)
            }
        }
    }

    fn permit(
        &self,
        read: OwnedSemaphorePermit,
        share: Option<OwnedSemaphorePermit>,
    ) -> ReadPermit {
        ReadPermit {
            _read: Some(read),
            _poll: None,
            _share: share,
            _running: Counted::one(&self.metrics.running),
        }
    }

    /// A permit beside the limit for a read for watches, which has one of its own: many calls must
    /// not hold it up.
    pub fn poll_permit(&self, permit: Arc<OwnedSemaphorePermit>) -> ReadPermit {
        ReadPermit {
            _read: None,
            _poll: Some(permit),
            _share: None,
            _running: Counted::one(&self.metrics.running),
        }
    }

    /// A permit for a refresh, if one is free now: calls come first.
    pub fn try_acquire_refresh(&self) -> Option<ReadPermit> {
        let refresh = Arc::clone(&self.refresh_permits).try_acquire_owned().ok()?;
        let read = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(self.permit(read, Some(refresh)))
    }
}

/// As many permits as are allowed with the connections that there are.
fn semaphore(
    mut connections: watch::Receiver<usize>,
    allowed: impl Fn(usize) -> usize + Send + 'static,
) -> Arc<Semaphore> {
    let mut given = allowed(*connections.borrow_and_update());
    let permits = Arc::new(Semaphore::new(given));
    let follower = Arc::downgrade(&permits);
    tokio::spawn(async move {
        while connections.changed().await.is_ok() {
            let Some(permits) = follower.upgrade() else {
                return;
            };
            let required = allowed(*connections.borrow_and_update());
            if required > given {
                permits.add_permits(required - given);
            } else if let Ok(taken) = permits.acquire_many(count(given - required)).await {
                taken.forget();
            }
            given = required;
        }
    });
    permits
}

/// A number of permits as the semaphore takes it.
fn count(permits: usize) -> u32 {
    u32::try_from(permits).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
