//! How long an answer is waited for.
//!
//! A read that nobody waits for any more is not worth its connection. It is not
//! stopped in the middle of a statement, which would spoil the connection: the
//! database ends a statement soon after the deadline, and none is begun once the
//! caller is gone.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// A caller's, while it waits.
#[derive(Clone)]
pub struct Patience {
    deadline: Option<Instant>,
    gone: CancellationToken,
}

impl Patience {
    /// Until the deadline, or until `gone` says that nobody waits.
    pub const fn new(deadline: Instant, gone: CancellationToken) -> Self {
        Self {
            deadline: Some(deadline),
            gone,
        }
    }

    /// For as long as it takes.
    pub(super) fn endless() -> Self {
        Self {
            deadline: None,
            gone: CancellationToken::new(),
        }
    }

    /// Returns when nobody waits any more.
    pub(super) async fn ended(&self) {
        self.gone.cancelled().await;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.gone.is_cancelled()
    }

    /// For how long a statement may run, and no longer than this.
    pub(super) fn at_most(&self, longest: Duration) -> Duration {
        /// The caller is told of its deadline before the database tells of its
        /// own.
        const GRACE: Duration = Duration::from_millis(50);

        let now = tokio::time::Instant::now().into_std();
        self.deadline.map_or(longest, |deadline| {
            longest.min(deadline.saturating_duration_since(now) + GRACE)
        })
    }
}
