//! For how long a read on PostgreSQL may hold its locks.
//!
//! A read holds ACCESS SHARE locks on its tables until its transaction ends. ALTER
//! TABLE wants ACCESS EXCLUSIVE and waits for them, and everything Rails does next on
//! that table waits behind it. So a transaction is over within
//! [`MAX_TRANSACTION_AGE`]: on every PostgreSQL, through PgBouncer too, and whatever
//! becomes of this process.
//!
//! * All statements together have that time less [`IDLE_TIMEOUT`], and each of them has
//!   [`STATEMENT_TIMEOUT`] at most.
//! * If this process stops or is cut off between two statements, PostgreSQL ends the
//!   transaction by `idle_in_transaction_session_timeout`. If it stops taking rows,
//!   `tcp_user_timeout` does, which Unix sockets do not have: there, locks are held
//!   until the process goes on.
//! * A lock is waited for only while the read is young. When a migration and a read wait
//!   for each other, PostgreSQL cancels the one that notices after `deadlock_timeout` (1
//!   s), which would be the migration. The read gives up earlier and is repeated, without
//!   locks.
//!
//! This module knows the time-outs and no rows.

use std::time::{Duration, Instant};

use super::context::ReadContext;

/// From BEGIN until its locks are released. (From PostgreSQL 17 on, the one setting
/// `transaction_timeout` would do.)
pub(in crate::store) const MAX_TRANSACTION_AGE: Duration = Duration::from_secs(5);

/// How long each lock is waited for at most.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// The time from BEGIN in which a read waits for locks: less than `deadlock_timeout`,
/// which begins when another session waits for the read.
const LOCK_WAIT_WINDOW: Duration = Duration::from_millis(900);

/// A remainder of `LOCK_WAIT_WINDOW` this short is not spent on waiting.
const MIN_LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// How long this process may be silent within a transaction.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that one statement may take, as set when the read begins.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// A statement that would have less time than this is not begun.
const MIN_STATEMENT_TIMEOUT: Duration = Duration::from_millis(50);

/// The time of one transaction.
pub(in crate::store) struct TimeLimits {
    began: Instant,
    /// The time-outs that are currently set in the database.
    statement_timeout: Duration,
    /// The same for each lock.
    lock_timeout: Duration,
}

/// There is no time for another statement.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct Exhausted;

impl TimeLimits {
    /// For a transaction that begins now.
    pub fn new(context: &ReadContext) -> Self {
        Self {
            began: now(),
            statement_timeout: context.remaining(STATEMENT_TIMEOUT),
            lock_timeout: context.remaining(LOCK_TIMEOUT),
        }
    }

    /// The statements that begin the transaction, in one round trip. Nothing of it
    /// outlasts the transaction, so that other clients of a PgBouncer session are
    /// unaffected.
    pub fn begin(&self) -> String {
        let (statement, lock_timeout) = (
            self.statement_timeout.as_millis(),
            self.lock_timeout.as_millis(),
        );
        let idle_timeout = IDLE_TIMEOUT.as_millis();
        format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
             SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock_timeout}; \
             SET LOCAL idle_in_transaction_session_timeout = {idle_timeout}; \
             SET LOCAL tcp_user_timeout = {idle_timeout}"
        )
    }

    /// The statements to run before the next one: usually none. Where a read is slow, it
    /// gets half of what is left from then on, so that it is seldom set again.
    pub fn next(&mut self) -> Result<Option<String>, Exhausted> {
        /// PostgreSQL would take none at all for no limit.
        const MIN_TIMEOUT: Duration = Duration::from_millis(1);

        let spent = now().saturating_duration_since(self.began);
        let mut changes = Vec::new();
        let left = MAX_TRANSACTION_AGE.saturating_sub(IDLE_TIMEOUT + spent);
        if self.statement_timeout > left {
            self.statement_timeout = left / 2;
            if self.statement_timeout < MIN_STATEMENT_TIMEOUT {
                return Err(Exhausted);
            }
            let statement = self.statement_timeout.as_millis();
            changes.push(format!("SET LOCAL statement_timeout = {statement}"));
        }
        let left = LOCK_WAIT_WINDOW.saturating_sub(spent);
        if self.lock_timeout > left && self.lock_timeout > MIN_TIMEOUT {
            self.lock_timeout = if left > MIN_LOCK_TIMEOUT {
                left / 2
            } else {
                MIN_TIMEOUT
            };
            let lock_timeout = self.lock_timeout.as_millis();
            changes.push(format!("SET LOCAL lock_timeout = {lock_timeout}"));
        }
        Ok(Some(changes.join("; ")).filter(|changes| !changes.is_empty()))
    }

    /// The time-out for the answer to the next statement: longer than the database takes,
    /// unless the connection is dead.
    pub fn response_timeout(&self) -> Duration {
        self.statement_timeout + IDLE_TIMEOUT
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a setting, if it is set.
    fn setting_in(settings: &str, name: &str) -> Option<Duration> {
        let setting = settings
            .split("; ")
            .find_map(|setting| setting.strip_prefix("SET LOCAL ")?.strip_prefix(name))?;
        let number = setting.strip_prefix(" = ").unwrap().parse().unwrap();
        Some(Duration::from_millis(number))
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_read_says_its_times_once() {
        let mut limits = TimeLimits::new(&ReadContext::unlimited());
        assert_eq!(
            setting_in(&limits.begin(), "statement_timeout"),
            Some(STATEMENT_TIMEOUT)
        );
        assert_eq!(
            setting_in(&limits.begin(), "lock_timeout"),
            Some(LOCK_TIMEOUT)
        );
        for _ in 0..10 {
            tokio::time::advance(Duration::from_millis(39)).await;
            assert_eq!(limits.next(), Ok(None));
        }
    }

    /// Whenever a statement begins, and however long it takes.
    #[tokio::test(start_paused = true)]
    async fn no_statement_outlasts_the_whole_and_no_lock_is_waited_for_late() {
        for pause in [1, 10, 60, 333, 890] {
            let began = now();
            let mut limits = TimeLimits::new(&ReadContext::unlimited());
            let (mut statement_timeout, mut lock_timeout) = (STATEMENT_TIMEOUT, LOCK_TIMEOUT);
            let (mut statements, mut times) = (0, 0);
            while let Ok(next) = limits.next() {
                if let Some(next) = next {
                    statement_timeout =
                        setting_in(&next, "statement_timeout").unwrap_or(statement_timeout);
                    lock_timeout = setting_in(&next, "lock_timeout").unwrap_or(lock_timeout);
                    times += 1;
                }
                statements += 1;
                // As if it took all of its time, and then fell silent.
                assert!(now() + statement_timeout + IDLE_TIMEOUT <= began + MAX_TRANSACTION_AGE);
                let is_brief = lock_timeout <= Duration::from_millis(1);
                assert!(
                    !lock_timeout.is_zero()
                        && (is_brief || now() + lock_timeout <= began + LOCK_WAIT_WINDOW)
                );
                tokio::time::advance(Duration::from_millis(pause)).await;
            }
            assert!(statements > 3 && times < 12, "{statements}, {times}");
        }
    }
}
