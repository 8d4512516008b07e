//! How long an answer is waited for.
//!
//! A cancelled read should not hold a connection. It is not stopped in the middle of a
//! statement, which would spoil the connection. PostgreSQL gives each statement the time
//! that was left when the read began, and none is begun once the caller is gone. SQLite
//! has no time-out; its statements wait for no lock.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::metrics::reads::StatementCounter;

/// The deadline of a read, and whether its caller has left.
pub struct ReadContext {
    deadline: Option<Instant>,
    cancelled: CancellationToken,
    requires_primary: bool,
    statements: Option<StatementCounter>,
}

impl ReadContext {
    /// Of a read that a hot standby may answer.
    pub const fn new(deadline: Instant, cancelled: CancellationToken) -> Self {
        Self {
            deadline: Some(deadline),
            cancelled,
            requires_primary: false,
            statements: None,
        }
    }

    /// The same, or refused by a hot standby.
    #[must_use]
    pub fn requiring_primary(self, requires_primary: bool) -> Self {
        Self {
            requires_primary,
            ..self
        }
    }

    /// The same, with its statements counted.
    #[must_use]
    pub fn counting(self, statements: StatementCounter) -> Self {
        Self {
            statements: Some(statements),
            ..self
        }
    }

    /// For as long as it takes.
    pub(in crate::store) fn unlimited() -> Self {
        Self {
            deadline: None,
            cancelled: CancellationToken::new(),
            requires_primary: false,
            statements: None,
        }
    }

    pub(in crate::store) const fn requires_primary(&self) -> bool {
        self.requires_primary
    }

    /// Returns when the call is cancelled.
    pub(in crate::store) async fn cancelled_by_caller(&self) {
        self.cancelled.cancelled().await;
    }

    pub(in crate::store) fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// A statement is sent for rows.
    pub(in crate::store) fn count_statement(&self) {
        if let Some(statements) = &self.statements {
            statements.sent();
        }
    }

    /// For how long a statement may run, and no longer than this.
    pub(in crate::store) fn remaining(&self, longest: Duration) -> Duration {
        /// The call reaches its deadline before the database's time-out.
        const EXTRA_TIMEOUT: Duration = Duration::from_millis(50);

        let now = tokio::time::Instant::now().into_std();
        self.deadline.map_or(longest, |deadline| {
            longest.min(deadline.saturating_duration_since(now) + EXTRA_TIMEOUT)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_TIMEOUT: Duration = Duration::from_secs(5);

    fn until(wait: Duration) -> ReadContext {
        let now = tokio::time::Instant::now().into_std();
        ReadContext::new(now + wait, CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_has_the_time_that_is_left_and_a_moment() {
        let short = until(Duration::from_millis(300)).remaining(MAX_TIMEOUT);
        assert!(short > Duration::from_millis(300) && short < Duration::from_millis(400));
        assert_eq!(
            until(Duration::from_secs(30)).remaining(MAX_TIMEOUT),
            MAX_TIMEOUT
        );
        assert_eq!(ReadContext::unlimited().remaining(MAX_TIMEOUT), MAX_TIMEOUT);
        // PostgreSQL would take none at all for no limit.
        let over = until(Duration::ZERO);
        tokio::time::advance(MAX_TIMEOUT).await;
        assert!(over.remaining(MAX_TIMEOUT) > Duration::ZERO);
    }
}
