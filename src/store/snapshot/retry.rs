//! How often a read that the database ended is begun anew, and after what pause.
//!
//! A database ends reads through no fault of theirs: a standby has to replay what is
//! in their way, a migration holds a table, a server is started again. Nothing was
//! said of them yet, so they begin anew. What is read is not known here.

use std::time::{Duration, Instant};

use tracing::debug;

use crate::store::error::{CutOff, StoreError};

/// For how long a read begins anew for what a standby replays. Counting would not
/// do: changes come in rows, and a slow read meets more of them than a quick one.
const REPLAY: Duration = Duration::from_secs(5);

/// How long what a standby replays is let pass: this at first, then twice as long
/// each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

/// How often a read waits anew for a locked table.
const LOCKS: u32 = 2;

/// How often a read goes on by another connection. What a server did not survive is
/// not tried on the next one.
const CONNECTIONS: u32 = 1;

/// Those of one read.
pub(in crate::store) struct Retries {
    began: Instant,
    pause: Duration,
    locks: u32,
    connections: u32,
}

impl Retries {
    /// Of a read that begins now.
    pub fn new() -> Self {
        Self {
            began: now(),
            pause: SHORTEST_PAUSE,
            locks: 0,
            connections: 0,
        }
    }

    /// Whether a read that was cut off begins anew; returns when it is to.
    pub async fn allow(&mut self, cause: CutOff, reason: &str) -> bool {
        let allowed = match cause {
            CutOff::Conflict => now().saturating_duration_since(self.began) < REPLAY,
            CutOff::Lock => self.locks < LOCKS,
            CutOff::Connection => self.connections < CONNECTIONS,
        };
        if !allowed {
            return false;
        }
        debug!(reason, "a read begins anew");
        match cause {
            CutOff::Conflict => {
                tokio::time::sleep(self.pause).await;
                self.pause = LONGEST_PAUSE.min(self.pause * 2);
            }
            // A lock was waited for already.
            CutOff::Lock => self.locks += 1,
            CutOff::Connection => self.connections += 1,
        }
        true
    }
}

/// What a look at a database comes to that is not yet served, begun anew as any read.
pub(in crate::store) async fn retried<T, L>(mut look: impl FnMut() -> L) -> Result<T, StoreError>
where
    L: Future<Output = Result<T, StoreError>>,
{
    let mut retries = Retries::new();
    loop {
        match look().await {
            Err(StoreError::CutOff { cause, reason }) if retries.allow(cause, &reason).await => {}
            looked => return looked.map_err(StoreError::without_tries),
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks there are when each takes so long, and all but the last are
    /// cut off, each for the next of these reasons.
    async fn looks(causes: &[CutOff], each: Duration) -> Result<usize, usize> {
        let mut looks = 0;
        let looked = retried(|| {
            let cause = causes.get(looks).copied();
            looks += 1;
            async move {
                tokio::time::sleep(each).await;
                let reason = String::new();
                cause.map_or(Ok(()), |cause| Err(StoreError::CutOff { cause, reason }))
            }
        });
        match looked.await {
            Ok(()) => Ok(looks),
            Err(StoreError::Unavailable(_)) => Err(looks),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_standby_replays_is_let_pass_for_five_seconds() {
        let second = Duration::from_secs(1);
        assert_eq!(looks(&[CutOff::Conflict; 20], Duration::ZERO).await, Ok(21));
        assert_eq!(looks(&[CutOff::Conflict; 4], second).await, Ok(5));
        assert_eq!(looks(&[CutOff::Conflict; 20], second).await, Err(5));
    }

    #[tokio::test(start_paused = true)]
    async fn causes_are_counted_apart() {
        let all = [
            CutOff::Conflict,
            CutOff::Conflict,
            CutOff::Connection,
            CutOff::Lock,
            CutOff::Conflict,
            CutOff::Lock,
        ];
        assert_eq!(looks(&all, Duration::ZERO).await, Ok(7));
        assert_eq!(looks(&[CutOff::Lock; 3], Duration::ZERO).await, Err(3));
        assert_eq!(
            looks(&[CutOff::Connection; 2], Duration::ZERO).await,
            Err(2)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_otherwise_is_told_at_once() {
        let failed = retried(|| async { Err::<(), _>(StoreError::Fault(String::new())) });
        assert!(matches!(failed.await, Err(StoreError::Fault(_))));
    }
}
