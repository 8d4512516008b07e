//! PostgreSQL is slow, or has no connection left.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::{Connection as _, PgConnection};
use tokio::{join, task::block_in_place};
use tonic::Code;
use tonic_types::StatusExt;

use super::{
    NAME,
    caller::{
        Counter, MAX_CALL_AGE, STORE_READS, STORE_UNAVAILABLE, UNAVAILABLE, assert_none_failed,
        assert_within, callers, with_bound,
    },
};
use crate::support::{
    Backend, Database, Program, answers,
    client::{any_inbox, get_as_user},
    cluster::{Cluster, Setup},
    pb::{self, Freshness},
    program::WAIT_TIMEOUT,
    reason,
};

/// Longer than any statement may take.
const SLOW_SECONDS: f32 = 10.0;

/// Undoes `slow_down`, once no read is in the way.
async fn speed_up(database: &Database) {
    let sql = "DROP VIEW working_hours; ALTER TABLE hours RENAME TO working_hours";
    database.execute(sql).await;
}

/// A call that needs a read of its own.
fn latest_of(inbox: i64) -> pb::GetInboxRequest {
    pb::GetInboxRequest {
        freshness: Freshness::Latest.into(),
        ..get_as_user(1, inbox, 1)
    }
}

/// PostgreSQL itself ends a statement after three seconds.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_postgresql_fails_a_read_after_three_seconds() {
    let database = Backend::Postgres.golden();
    let server = with_bound(Program::serving(&database)).start();
    let [mut bounded, mut latest] = callers(&server).await;
    let reads = Counter::begin(&server, STORE_READS, &UNAVAILABLE).await;
    database.slow_down(SLOW_SECONDS).await;
    let (kept, failed) = join!(
        bounded.until_refused(STORE_UNAVAILABLE),
        latest.until_refused(STORE_UNAVAILABLE)
    );
    println!("faults: PostgreSQL is slow: refused {kept}");
    println!("faults: PostgreSQL is slow: the latest is refused {failed}");
    assert!(kept.answered > 0);
    for span in [kept, failed] {
        assert_within(span.took, Duration::from_secs(4));
    }
    reads.rises_by(1).await;
    speed_up(&database).await;
    let (back, latest) = join!(
        bounded.until_answered(STORE_UNAVAILABLE),
        latest.until_answered(STORE_UNAVAILABLE)
    );
    println!("faults: PostgreSQL is quick again: answered {back}");
    println!("faults: PostgreSQL is quick again: the latest is answered {latest}");
    for span in [back, latest] {
        assert_within(span.after, Duration::from_secs(4));
    }
}

/// More calls than reads that may run: those that wait for three seconds are refused unread.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_behind_slow_reads_are_refused_as_overload() {
    const CALLS: i64 = 6;
    let database = Backend::Postgres.golden();
    let server = with_bound(Program::serving(&database))
        .args(["--max-concurrent-reads", "1"])
        .start();
    let client = server.client().await;
    client.get(any_inbox()).await.unwrap();
    let waited = &[("reason", "queue_timeout")];
    let refusals = Counter::begin(&server, "leadchat_inbox_reads_refused_total", waited).await;
    database.slow_down(SLOW_SECONDS).await;
    let calls = (1..=CALLS).map(|inbox| {
        let (client, request) = (client.clone(), latest_of(inbox));
        async move {
            let began = Instant::now();
            let call = tokio::time::timeout(MAX_CALL_AGE, client.get(request)).await;
            let status = call.expect("a call has no end").err();
            (status.expect("it is too slow"), began.elapsed())
        }
    });
    let mut overloaded = 0;
    for (status, took) in join_all(calls).await {
        println!(
            "faults: PostgreSQL is slow for many: {} after {took:.2?}",
            reason(&status)
        );
        match status.code() {
            Code::ResourceExhausted => {
                assert_eq!(reason(&status), "OVERLOADED");
                assert!(took >= Duration::from_millis(2900), "{took:?}");
                assert_within(took, Duration::from_secs(3));
                overloaded += 1;
            }
            code => {
                assert_eq!((code, &*reason(&status)), STORE_UNAVAILABLE);
                assert_within(took, Duration::from_secs(7));
            }
        }
        assert!(status.get_details_retry_info().is_some());
    }
    assert!(overloaded > 0);
    refusals.rises_by(1).await;
    speed_up(&database).await;
    let recovered = Instant::now();
    callers(&server).await;
    println!(
        "faults: PostgreSQL is quick again for many: {:.2?}",
        recovered.elapsed()
    );
    assert_within(recovered.elapsed(), Duration::from_secs(4));
}

/// The default of `--database-connections`.
const DATABASE_CONNECTIONS: f64 = 16.0;

/// A cluster with few connections, which `reader` and `other` take from each other.
fn with_few_connections() -> Cluster {
    let cluster = Cluster::with(&Setup {
        lines: vec!["max_connections = 12", "superuser_reserved_connections = 4"],
        ..Setup::default()
    });
    answers::fill(&cluster, NAME);
    let roles = "CREATE ROLE reader LOGIN; CREATE ROLE other LOGIN;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader";
    cluster.psql(NAME, roles);
    cluster
}

/// Sessions of another user, as many as there can be.
struct Others {
    url: String,
    sessions: Vec<PgConnection>,
}

impl Others {
    fn new(cluster: &Cluster) -> Self {
        let url = cluster.url(NAME).replace("postgres@", "other@");
        let sessions = Vec::new();
        Self { url, sessions }
    }

    /// Opens sessions until none is left.
    async fn take_all(&mut self) {
        loop {
            match PgConnection::connect(&self.url).await {
                Ok(session) => self.sessions.push(session),
                Err(error) => {
                    let code = error
                        .as_database_error()
                        .and_then(sqlx::error::DatabaseError::code);
                    assert_eq!(code.as_deref(), Some("53300"), "{error}");
                    return;
                }
            }
        }
    }
}

/// Other clients take all connections: first those that are left, then those of the service.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_without_connections_is_waited_for() {
    let cluster = with_few_connections();
    let url = cluster.url(NAME).replace("postgres@", "reader@");
    let server = with_bound(Program::serving_at(&url)).start();
    let [mut bounded, mut latest] = callers(&server).await;
    let mut others = Others::new(&cluster);
    others.take_all().await;
    // The service has at least one, which its reads share.
    let before = server.log_bytes();
    let (kept, shared) = join!(
        bounded.is_answered_for(Duration::from_secs(4)),
        latest.is_answered_for(Duration::from_secs(4))
    );
    assert_none_failed(&server, before);
    println!("faults: PostgreSQL has no further connection: {kept}");
    println!("faults: PostgreSQL has no further connection: the latest: {shared}");
    let client = server.client().await;
    let began = Instant::now();
    let available = "leadchat_inbox_store_connections_available";
    while server.scrape().await.value(available, &[]) >= DATABASE_CONNECTIONS {
        join_all((1..=8).map(|inbox| client.get(latest_of(inbox)))).await;
        assert!(began.elapsed() < WAIT_TIMEOUT, "no shortage is shown");
    }

    let reads = Counter::begin(&server, STORE_READS, &UNAVAILABLE).await;
    let of_reader = "FROM pg_stat_activity WHERE usename = 'reader'";
    let began = Instant::now();
    loop {
        let ended = format!("SELECT count(pg_terminate_backend(pid)) {of_reader}");
        let ended = block_in_place(|| cluster.psql(NAME, &ended));
        others.take_all().await;
        if ended.trim() == "0" {
            break;
        }
        assert!(
            began.elapsed() < WAIT_TIMEOUT,
            "the service keeps a connection"
        );
    }
    let (kept, failed) = join!(
        bounded.until_refused(STORE_UNAVAILABLE),
        latest.until_refused(STORE_UNAVAILABLE)
    );
    println!("faults: PostgreSQL has no connection: refused {kept}");
    println!("faults: PostgreSQL has no connection: the latest is refused {failed}");
    for span in [kept, failed] {
        assert_within(span.took, Duration::from_secs(2));
    }
    reads.rises_by(1).await;
    drop(others);
    let (back, latest) = join!(
        bounded.until_answered(STORE_UNAVAILABLE),
        latest.until_answered(STORE_UNAVAILABLE)
    );
    println!("faults: PostgreSQL has connections again: answered {back}");
    println!("faults: PostgreSQL has connections again: the latest is answered {latest}");
    for span in [back, latest] {
        assert_within(span.after, Duration::from_secs(2));
    }
}
