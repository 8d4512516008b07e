//! How often an interrupted read is attempted again, and after what delay.
//!
//! Databases end reads for reasons outside of the read: a standby replays conflicting
//! changes, a migration locks a table, a server restarts. They have not answered yet, so
//! they are repeated. This module does not know what is read.

use std::time::{Duration, Instant};

use tracing::debug;

use crate::store::error::{Interruption, StoreError};

/// The time in which a read is repeated for conflicts with a standby's replay. A number
/// would not do: changes come in series, and a slow read meets more of them than a fast
/// one.
const CONFLICT_WINDOW: Duration = Duration::from_secs(5);

/// How long what a standby replays is let pass: this at first, then twice as long
/// each time.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(10);
const MAX_RETRY_DELAY: Duration = Duration::from_millis(160);

/// How often a read waits anew for a locked table.
const MAX_LOCK_RETRIES: u32 = 2;

/// How often a read goes on by another connection. A read that crashed a server is not
/// retried on the next one.
const MAX_RECONNECTS: u32 = 1;

/// The retries of one read.
pub(in crate::store) struct RetryPolicy {
    began: Instant,
    delay: Duration,
    locks: u32,
    connections: u32,
}

impl RetryPolicy {
    /// Of a read that begins now.
    pub fn new() -> Self {
        Self {
            began: now(),
            delay: MIN_RETRY_DELAY,
            locks: 0,
            connections: 0,
        }
    }

    /// Whether an interrupted read is repeated; returns after the delay.
    pub async fn should_retry(&mut self, cause: Interruption, reason: &str) -> bool {
        let allowed = match cause {
            Interruption::Conflict => now().saturating_duration_since(self.began) < CONFLICT_WINDOW,
            Interruption::Lock => self.locks < MAX_LOCK_RETRIES,
            Interruption::Connection => self.connections < MAX_RECONNECTS,
        };
        if !allowed {
            return false;
        }
        debug!(reason, "retrying a read");
        match cause {
            Interruption::Conflict => {
                tokio::time::sleep(self.delay).await;
                self.delay = MAX_RETRY_DELAY.min(self.delay * 2);
            }
            // A lock was waited for already.
            Interruption::Lock => self.locks += 1,
            Interruption::Connection => self.connections += 1,
        }
        true
    }
}

/// The result of probing a database that is not served yet, retried like any read.
pub(in crate::store) async fn with_retries<T, L>(
    mut attempt: impl FnMut() -> L,
) -> Result<T, StoreError>
where
    L: Future<Output = Result<T, StoreError>>,
{
    let mut retry_policy = RetryPolicy::new();
    loop {
        match attempt().await {
            Err(StoreError::Interrupted { cause, reason })
                if retry_policy.should_retry(cause, &reason).await => {}
            attempted => return attempted.map_err(StoreError::into_final),
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of attempts when each takes so long, and all but the last are
    /// interrupted, each for the next of these reasons.
    async fn attempts(causes: &[Interruption], each: Duration) -> Result<usize, usize> {
        let mut attempts = 0;
        let attempted = with_retries(|| {
            let cause = causes.get(attempts).copied();
            attempts += 1;
            async move {
                tokio::time::sleep(each).await;
                let reason = String::new();
                cause.map_or(Ok(()), |cause| {
                    Err(StoreError::Interrupted { cause, reason })
                })
            }
        });
        match attempted.await {
            Ok(()) => Ok(attempts),
            Err(StoreError::Unavailable(_)) => Err(attempts),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn conflicts_of_a_standby_are_retried_for_five_seconds() {
        let second = Duration::from_secs(1);
        assert_eq!(
            attempts(&[Interruption::Conflict; 20], Duration::ZERO).await,
            Ok(21)
        );
        assert_eq!(attempts(&[Interruption::Conflict; 4], second).await, Ok(5));
        assert_eq!(
            attempts(&[Interruption::Conflict; 20], second).await,
            Err(5)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn causes_are_counted_apart() {
        let all = [
            Interruption::Conflict,
            Interruption::Conflict,
            Interruption::Connection,
            Interruption::Lock,
            Interruption::Conflict,
            Interruption::Lock,
        ];
        assert_eq!(attempts(&all, Duration::ZERO).await, Ok(7));
        assert_eq!(
            attempts(&[Interruption::Lock; 3], Duration::ZERO).await,
            Err(3)
        );
        assert_eq!(
            attempts(&[Interruption::Connection; 2], Duration::ZERO).await,
            Err(2)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn other_failures_are_returned_at_once() {
        let failed = with_retries(|| async { Err::<(), _>(StoreError::Unexpected(String::new())) });
        assert!(matches!(failed.await, Err(StoreError::Unexpected(_))));
    }
}
