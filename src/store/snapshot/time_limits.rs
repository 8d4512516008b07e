//! For how long a read on PostgreSQL may hold its locks.
//!
//! A read holds ACCESS SHARE locks on its tables until its transaction ends. ALTER
//! TABLE wants ACCESS EXCLUSIVE and waits for them, and everything Rails does next on
//! that table waits behind it. So a transaction is over within
//! [`LONGEST_TRANSACTION`]: on every PostgreSQL, through PgBouncer too, and whatever
//! becomes of this process.
//!
//! * All statements together have that time less [`SILENCE`], and each of them has
//!   [`FIRST`] at most.
//! * If this process stops or is cut off between two statements, PostgreSQL ends the
//!   transaction by `idle_in_transaction_session_timeout`. If it stops taking rows,
//!   `tcp_user_timeout` does, which Unix sockets do not have: there, locks are held
//!   until the process goes on.
//! * A lock is waited for only while the read is young. When a migration and a read
//!   wait for each other, PostgreSQL cancels whoever notices after `deadlock_timeout`
//!   (1 s), which would be the migration. The read gives up earlier and begins anew,
//!   without locks.
//!
//! What the times are for is known here, and nothing of rows.

use std::time::{Duration, Instant};

use super::context::Patience;

/// From BEGIN until its locks are released. (From PostgreSQL 17 on, the one setting
/// `transaction_timeout` would do.)
pub(in crate::store) const LONGEST_TRANSACTION: Duration = Duration::from_secs(5);

/// How long each lock is waited for at most.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// For how long a read waits for locks at all, from BEGIN on: less than
/// `deadlock_timeout`, which begins when somebody waits for the read.
const YOUNG: Duration = Duration::from_millis(900);

/// A remainder of `YOUNG` this short is not spent on waiting.
const LEAST_LOCK: Duration = Duration::from_millis(100);

/// How long this process may be silent within a transaction.
const SILENCE: Duration = Duration::from_secs(1);

/// The longest that one statement may take, as set when the read begins.
const FIRST: Duration = Duration::from_secs(3);

/// A statement that would have less time than this is not begun.
const LEAST: Duration = Duration::from_millis(50);

/// The time of one transaction.
pub(in crate::store) struct Pace {
    began: Instant,
    /// What the database gives each statement at present.
    in_force: Duration,
    /// The same for each lock.
    lock: Duration,
}

/// There is no time for another statement.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct Over;

impl Pace {
    /// For a transaction that begins now.
    pub fn new(patience: &Patience) -> Self {
        Self {
            began: now(),
            in_force: patience.at_most(FIRST),
            lock: patience.at_most(LOCK_TIMEOUT),
        }
    }

    /// What begins the transaction, in one round trip. Nothing of it outlasts the
    /// transaction, so that it harms nobody with whom PgBouncer shares a session.
    pub fn begin(&self) -> String {
        let (statement, lock) = (self.in_force.as_millis(), self.lock.as_millis());
        let silence = SILENCE.as_millis();
        format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
             SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}; \
             SET LOCAL idle_in_transaction_session_timeout = {silence}; \
             SET LOCAL tcp_user_timeout = {silence}"
        )
    }

    /// What has to be said before the next statement: mostly nothing. Where a read is
    /// slow, it gets half of what is left from then on, so that it is seldom said
    /// again.
    pub fn next(&mut self) -> Result<Option<String>, Over> {
        /// PostgreSQL would take none at all for no limit.
        const NONE: Duration = Duration::from_millis(1);

        let spent = now().saturating_duration_since(self.began);
        let mut said = Vec::new();
        let left = LONGEST_TRANSACTION.saturating_sub(SILENCE + spent);
        if self.in_force > left {
            self.in_force = left / 2;
            if self.in_force < LEAST {
                return Err(Over);
            }
            let statement = self.in_force.as_millis();
            said.push(format!("SET LOCAL statement_timeout = {statement}"));
        }
        let left = YOUNG.saturating_sub(spent);
        if self.lock > left && self.lock > NONE {
            self.lock = if left > LEAST_LOCK { left / 2 } else { NONE };
            let lock = self.lock.as_millis();
            said.push(format!("SET LOCAL lock_timeout = {lock}"));
        }
        Ok(Some(said.join("; ")).filter(|said| !said.is_empty()))
    }

    /// How long an answer to the next statement is waited for: longer than the
    /// database takes, unless it cannot be heard any more.
    pub fn hearing(&self) -> Duration {
        self.in_force + SILENCE
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a setting, if anything is.
    fn said(settings: &str, name: &str) -> Option<Duration> {
        let setting = settings
            .split("; ")
            .find_map(|setting| setting.strip_prefix("SET LOCAL ")?.strip_prefix(name))?;
        let number = setting.strip_prefix(" = ").unwrap().parse().unwrap();
        Some(Duration::from_millis(number))
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_read_says_its_times_once() {
        let mut pace = Pace::new(&Patience::endless());
        assert_eq!(said(&pace.begin(), "statement_timeout"), Some(FIRST));
        assert_eq!(said(&pace.begin(), "lock_timeout"), Some(LOCK_TIMEOUT));
        for _ in 0..10 {
            tokio::time::advance(Duration::from_millis(39)).await;
            assert_eq!(pace.next(), Ok(None));
        }
    }

    /// Whenever a statement begins, and however long it takes.
    #[tokio::test(start_paused = true)]
    async fn no_statement_outlasts_the_whole_and_no_lock_is_waited_for_late() {
        for pause in [1, 10, 60, 333, 890] {
            let began = now();
            let mut pace = Pace::new(&Patience::endless());
            let (mut in_force, mut lock) = (FIRST, LOCK_TIMEOUT);
            let (mut statements, mut times) = (0, 0);
            while let Ok(next) = pace.next() {
                if let Some(next) = next {
                    in_force = said(&next, "statement_timeout").unwrap_or(in_force);
                    lock = said(&next, "lock_timeout").unwrap_or(lock);
                    times += 1;
                }
                statements += 1;
                // As if it took all of its time, and then fell silent.
                assert!(now() + in_force + SILENCE <= began + LONGEST_TRANSACTION);
                let is_brief = lock <= Duration::from_millis(1);
                assert!(!lock.is_zero() && (is_brief || now() + lock <= began + YOUNG));
                tokio::time::advance(Duration::from_millis(pause)).await;
            }
            assert!(statements > 3 && times < 12, "{statements}, {times}");
        }
    }
}
