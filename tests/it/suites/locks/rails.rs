//! Rails beside the service: its migrations, and callers meanwhile.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinHandle;
use tonic_types::StatusExt;

use super::{Call, LOCK_RELEASE_TIMEOUT, MAX_TRANSACTION_AGE};
use crate::support::{
    Client, Database,
    log::{failed_reads, late_reads},
    pb,
    program::{Server, WAIT_TIMEOUT},
    viewer,
};

/// The statements of Rails against the database.
pub(super) struct Rails(PgConnection);

impl Rails {
    pub(super) async fn at(database: &Database) -> Self {
        Self(PgConnection::connect(&database.url()).await.unwrap())
    }

    /// How long it took.
    pub(super) async fn runs(&mut self, sql: &str) -> Duration {
        let began = Instant::now();
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.0).await.unwrap();
        began.elapsed()
    }

    pub(super) async fn adds_a_column(&mut self) -> Duration {
        let took = self
            .runs("ALTER TABLE accounts ADD COLUMN novelty text")
            .await;
        self.runs("ALTER TABLE accounts DROP COLUMN novelty").await;
        took
    }

    /// The same while a read is under way: whether it had to wait for the read at all, and had its
    /// lock in time, by the clock of the database.
    pub(super) async fn adds_a_column_behind_a_read(&mut self, what: &str) -> bool {
        let began = "(SELECT min(extract(epoch FROM xact_start)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'leadchat-inbox')";
        let began = self.milliseconds(began).await;
        let took = self.adds_a_column().await;
        let ended = self
            .milliseconds("extract(epoch FROM clock_timestamp())")
            .await;
        let age = began.map(|began| Duration::from_millis(ended.unwrap().abs_diff(began)));
        println!("locks: {what}, the migration had its lock after {took:?}, {age:?} after BEGIN");
        assert!(took < LOCK_RELEASE_TIMEOUT, "{took:?}");
        took > Duration::from_millis(500) && age.is_some_and(|age| age <= MAX_TRANSACTION_AGE)
    }

    pub(super) async fn milliseconds(&mut self, seconds: &str) -> Option<i64> {
        let sql = AssertSqlSafe(format!("SELECT CAST({seconds} * 1000 AS bigint)"));
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.0)
            .await
            .unwrap()
    }

    pub(super) async fn counts(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'leadchat-inbox' AND {sql}"
        ));
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.0)
            .await
            .unwrap()
    }

    pub(super) async fn waits_until(&mut self, so_many: i64, sql: &str) {
        let end = Instant::now() + WAIT_TIMEOUT;
        while self.counts(sql).await < so_many {
            assert!(Instant::now() < end, "waited in vain: {sql}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The same while a call is under way: whether it was still, when it was so.
    pub(super) async fn meets(&mut self, call: &Call, sql: &str) -> bool {
        while !call.is_finished() {
            if self.counts(sql).await > 0 {
                return !call.is_finished();
            }
        }
        false
    }
}

/// Lists until it is told to end; those that wait too long are counted.
pub(super) fn load(
    client: &Client,
) -> (
    tokio_util::sync::CancellationToken,
    Vec<JoinHandle<(usize, usize)>>,
) {
    let end = tokio_util::sync::CancellationToken::new();
    let callers = (0..8).map(|_| {
        let (client, end) = (client.clone(), end.clone());
        tokio::spawn(async move {
            let (mut answered, mut refused) = (0, 0);
            while !end.is_cancelled() {
                let list = pb::ListInboxesRequest {
                    account_id: 1,
                    viewer: Some(viewer::user(1)),
                    ..Default::default()
                };
                match client.list(list).await {
                    Ok(_) => answered += 1,
                    Err(status) => {
                        let reason = status.get_details_error_info().unwrap().reason;
                        assert_eq!(reason, "STORE_UNAVAILABLE");
                        refused += 1;
                    }
                }
            }
            (answered, refused)
        })
    });
    let callers = callers.collect();
    (end, callers)
}

pub(super) async fn counted(callers: Vec<JoinHandle<(usize, usize)>>) -> (usize, usize) {
    let mut sum = (0, 0);
    for caller in callers {
        let (answered, refused) = caller.await.unwrap();
        sum = (sum.0 + answered, sum.1 + refused);
    }
    sum
}

/// That a migration among quick reads had its lock each time, and on any machine mostly in time.
pub(super) fn assert_released(mut waits: Vec<Duration>) {
    waits.sort();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("locks: a migration had its lock after {median:?} at the median, {longest:?} at most");
    assert!(median <= MAX_TRANSACTION_AGE, "{waits:?}");
    assert!(longest < LOCK_RELEASE_TIMEOUT, "{waits:?}");
}

/// That no call was refused but for a read that was late.
pub(super) fn assert_refused_for_late_reads(server: &Server, refused: usize) {
    let log = server.log();
    assert_eq!(failed_reads(&log), [""; 0]);
    assert_eq!(late_reads(&log), refused);
}
