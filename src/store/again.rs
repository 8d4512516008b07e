//! Looks at a database before it is served, which may be cut off as any read may:
//! by a standby that has to replay something, say. They begin anew, and none is
//! waited for without end.

use std::time::Duration;

use super::error::{OpenError, StoreError};

/// How long each may take.
const LONGEST: Duration = Duration::from_secs(20);

/// How long what a standby replays is let pass, from time to time.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

/// Why a look came to nothing.
pub(super) trait Reason {
    /// Whether it may come to something when it is begun anew.
    fn is_passing(&self) -> bool;
    fn silence() -> Self;
}

impl Reason for StoreError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::CutOff { .. })
    }

    fn silence() -> Self {
        Self::Unavailable("nothing is heard of it".to_owned())
    }
}

impl Reason for OpenError {
    fn is_passing(&self) -> bool {
        matches!(self, Self::SchemaUnreadable(reason) if reason.is_passing())
    }

    fn silence() -> Self {
        Self::SchemaUnreadable(StoreError::silence())
    }
}

/// What a look comes to, at the last.
pub(super) async fn again<T, R: Reason, L>(mut look: impl FnMut() -> L) -> Result<T, R>
where
    L: Future<Output = Result<T, R>>,
{
    let mut pauses = PAUSES.into_iter();
    loop {
        let looked = tokio::time::timeout(LONGEST, look()).await;
        match (looked.unwrap_or_else(|_| Err(R::silence())), pauses.next()) {
            (Err(reason), Some(pause)) if reason.is_passing() => tokio::time::sleep(pause).await,
            (looked, _) => return looked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::CutOff;

    fn cut_off() -> StoreError {
        StoreError::CutOff {
            cause: CutOff::Conflict,
            reason: String::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_cut_off_begins_anew_and_not_for_ever() {
        for (cuts, expected) in [(0, Some(1)), (4, Some(5)), (5, None)] {
            let mut looks = 0;
            let looked = again(|| {
                looks += 1;
                let look = looks;
                async move {
                    if look <= cuts {
                        Err(cut_off())
                    } else {
                        Ok(look)
                    }
                }
            });
            assert_eq!(looked.await.ok(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_otherwise_and_what_is_silent_is_told() {
        let failed = again(|| async { Err::<(), _>(OpenError::SchemaOld) });
        assert!(matches!(failed.await, Err(OpenError::SchemaOld)));
        let silent = again(std::future::pending::<Result<(), StoreError>>);
        assert!(matches!(silent.await, Err(StoreError::Unavailable(_))));
    }
}
