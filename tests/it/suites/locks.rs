//! Rails is never held up: a read gives its locks back within a bound, whatever
//! becomes of it and of the process. And who waits for a table that Rails has locked is
//! told in time.

mod rails;

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::task::JoinHandle;
use tonic_types::StatusExt;

use crate::support::{
    Backend, Client, Database, Program,
    client::{any_inbox as request, retried},
    cluster::Cluster,
    log::failed_reads,
    pgbouncer::PgBouncer,
    program::{Server, WAIT_TIMEOUT},
    proxy::Proxy,
};
use rails::{Rails, assert_refused_for_late_reads, assert_released, counted, load};

/// From BEGIN until the locks of a read are released. A busy machine may need longer for it, but
/// not each time.
const MAX_TRANSACTION_AGE: Duration = Duration::from_secs(5);

/// The same with what a busy machine may add. A read without its times would hold its locks for a
/// minute.
const LOCK_RELEASE_TIMEOUT: Duration = Duration::from_secs(5 + 15);

/// How often is tried what a busy machine may come too late for.
const MAX_ATTEMPTS: u32 = 20;

fn url_at(port: u16, database: &Database) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{}", database.name())
}

fn serving(url: &str) -> Program {
    Program::serving_at(url)
        .args(["--max-concurrent-reads", "32"])
        .args(["--max-queue-timeout", "1h"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_gets_its_lock_while_calls_go_on() {
    let database = Backend::Postgres.golden();
    let server = serving(&database.url()).start();
    let (end, callers) = load(&server.client().await);
    let mut rails = Rails::at(&database).await;
    rails.waits_until(4, "xact_start IS NOT NULL").await;
    let mut waits = Vec::new();
    for _ in 0..40 {
        waits.push(rails.adds_a_column().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end.cancel();
    let (answered, refused) = counted(callers).await;
    println!(
        "locks: a column was added 40 times while {answered} lists were served and {refused} refused"
    );
    assert_released(waits);
    assert!(answered > 40, "{answered}");
    assert_refused_for_late_reads(&server, refused);
}

/// PostgreSQL ends the one who waits longest, of those who wait for each other. The
/// migration has a table that reads need, and wants one that reads have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_of_several_tables_is_not_deadlocked_by_reads() {
    let database = Backend::Postgres.golden();
    let server = serving(&database.url()).start();
    let (end, callers) = load(&server.client().await);
    let mut rails = Rails::at(&database).await;
    rails.waits_until(4, "xact_start IS NOT NULL").await;
    let mut waits = Vec::new();
    for _ in 0..30 {
        rails
            .runs("BEGIN; ALTER TABLE channel_whatsapp ADD COLUMN novelty text")
            .await;
        // Some have the account, and wait for its channels.
        rails.waits_until(1, "wait_event_type = 'Lock'").await;
        let second = "ALTER TABLE accounts ADD COLUMN novelty text";
        waits.push(rails.runs(second).await);
        rails.runs("ROLLBACK").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end.cancel();
    let (answered, refused) = counted(callers).await;
    println!(
        "locks: 30 migrations of two tables while {answered} lists were served and {refused} refused"
    );
    assert_released(waits);
    assert!(answered > 0);
    assert_refused_for_late_reads(&server, refused);
}

/// A process that stands still in the middle of a read, seen from the database.
async fn a_frozen_read(what: &str, database: &Database, url: &str, pgbouncer: bool) {
    let mut program = serving(url);
    if pgbouncer {
        program = program.arg("--pgbouncer");
    }
    let server = program.start();
    let client = server.client().await;
    assert!(is_answered(&client).await);
    let mut rails = Rails::at(database).await;
    // On a slow machine the read may have given up its locks before it is stopped.
    for attempt in 1.. {
        assert!(attempt < MAX_ATTEMPTS, "no read held its locks in time");
        let Some(call) = waiting_for_inboxes(&mut rails, &client).await else {
            continue;
        };
        server.signal("STOP");
        rails.runs("COMMIT").await;
        let in_time = rails.adds_a_column_behind_a_read(what).await;
        server.signal("CONT");
        // Its connection is gone; the read begins anew.
        let answered = call.await.unwrap();
        assert_eq!(failed_reads(&server.log()), [""; 0], "{answered:?}");
        assert!(is_answered(&client).await);
        if in_time && answered.is_ok() {
            break;
        }
    }
}

async fn is_answered(client: &Client) -> bool {
    retried(|| client.get(request())).await.is_ok()
}

/// A read that is slow, and neither stopped nor cut off.
async fn a_slow_read(what: &str, database: &Database, url: &str, pgbouncer: bool) {
    let mut program = serving(url);
    if pgbouncer {
        program = program.arg("--pgbouncer");
    }
    let server = program.start();
    let client = server.client().await;
    assert!(is_answered(&client).await);
    let mut rails = Rails::at(database).await;
    database.slow_down(60.0).await;
    for attempt in 1.. {
        assert!(attempt < MAX_ATTEMPTS, "no read held its locks in time");
        let client = client.clone();
        let call: Call = tokio::spawn(async move { client.get(request()).await.map(drop) });
        let in_time = rails.meets(&call, "wait_event = 'PgSleep'").await
            && rails.adds_a_column_behind_a_read(what).await;
        let status = call.await.unwrap().unwrap_err();
        let reason = status.get_details_error_info().unwrap().reason;
        assert_eq!(reason, "STORE_UNAVAILABLE");
        if in_time {
            break;
        }
    }
    rails
        .runs("DROP VIEW working_hours; ALTER TABLE hours RENAME TO working_hours")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_read_keeps_no_lock() {
    let database = Backend::Postgres.golden();
    a_slow_read("slow", &database, &database.url(), false).await;
    let pgbouncer = PgBouncer::before(Cluster::shared(), 2, &[]);
    let url = url_at(pgbouncer.port, &database);
    a_slow_read("slow behind PgBouncer", &database, &url, true).await;
}

type Call = JoinHandle<Result<(), tonic::Status>>;

/// A call whose read has the account, and waits with its inboxes for their portals. `None` if it
/// has given up before that was seen.
async fn waiting_for_inboxes(rails: &mut Rails, client: &Client) -> Option<Call> {
    rails
        .runs("BEGIN; LOCK TABLE portals IN ACCESS EXCLUSIVE MODE")
        .await;
    let client = client.clone();
    let call = tokio::spawn(async move { client.get(request()).await.map(drop) });
    let waits = "pid IN (SELECT l.pid FROM pg_locks l
        WHERE NOT l.granted AND l.relation = to_regclass('portals'))";
    if rails.meets(&call, waits).await {
        return Some(call);
    }
    rails.runs("ROLLBACK").await;
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_process_keeps_no_lock() {
    let database = Backend::Postgres.golden();
    a_frozen_read("stopped", &database, &database.url(), false).await;
    let pgbouncer = PgBouncer::before(Cluster::shared(), 2, &[]);
    let url = url_at(pgbouncer.port, &database);
    a_frozen_read("stopped behind PgBouncer", &database, &url, true).await;
}

/// Nor does one that takes no more of an answer, which fills what lies between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_does_not_receive_rows_keeps_no_lock() {
    let database = Backend::Postgres.golden();
    database
        .execute("UPDATE inboxes SET greeting_message = repeat('x', 30000000) WHERE id = 1")
        .await;
    a_frozen_read("stopped within 30 MB", &database, &database.url(), false).await;
    let pgbouncer = PgBouncer::before(Cluster::shared(), 2, &[]);
    let url = url_at(pgbouncer.port, &database);
    a_frozen_read(
        "stopped within 30 MB behind PgBouncer",
        &database,
        &url,
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_process_keeps_no_lock() {
    let database = Backend::Postgres.golden();
    let proxy = Proxy::to(Cluster::shared().port).await;
    let server = serving(&url_at(proxy.port, &database)).start();
    let client = server.client().await;
    assert!(is_answered(&client).await);
    let mut rails = Rails::at(&database).await;
    for attempt in 1.. {
        assert!(attempt < MAX_ATTEMPTS, "no read held its locks in time");
        let Some(call) = waiting_for_inboxes(&mut rails, &client).await else {
            continue;
        };
        proxy.cut();
        rails.runs("COMMIT").await;
        let in_time = rails.adds_a_column_behind_a_read("cut off").await;
        is_answered_and_served_again(&client, call).await;
        if in_time {
            break;
        }
    }
}

/// The call whose connection to the database is cut fails before its deadline, and later calls are served.
async fn is_answered_and_served_again(client: &Client, call: Call) {
    let began = Instant::now();
    // The caller is told before its deadline of half a minute; other connections are found out
    // one by one.
    let call = call.await.unwrap();
    println!(
        "locks: cut off, the caller was told {:?} after {:?}",
        call.as_ref().map_err(tonic::Status::code),
        began.elapsed()
    );
    if let Err(status) = call {
        let reason = status.get_details_error_info().unwrap().reason;
        assert_eq!(reason, "STORE_UNAVAILABLE");
    }
    let mut attempts = 1;
    while client.get(request()).await.is_err() {
        attempts += 1;
        assert!(began.elapsed() < WAIT_TIMEOUT, "not served again");
    }
    println!(
        "locks: cut off, served again at try {attempts}, after {:?}",
        began.elapsed()
    );
}

/// A table that Rails has locked for long. Nobody waits for it for longer than told,
/// and nothing piles up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_behind_a_long_migration_are_answered_in_time() {
    let database = Backend::Postgres.golden();
    let server = serving(&database.url()).start();
    let client = server.client().await;
    assert!(is_answered(&client).await);
    let mut rails = Rails::at(&database).await;
    rails
        .runs("BEGIN; ALTER TABLE inboxes ADD COLUMN novelty text")
        .await;
    let (client_, mut most) = (&client, 0);
    let calls = stream::iter(0..150).map(|_| async move {
        let began = Instant::now();
        let status = client_.get(request()).await.unwrap_err();
        (
            status.get_details_error_info().unwrap().reason,
            began.elapsed(),
        )
    });
    let calls = calls.buffer_unordered(30).collect::<Vec<_>>();
    tokio::pin!(calls);
    let answers = loop {
        tokio::select! {
            answers = &mut calls => break answers,
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                most = most.max(rails.counts("true").await);
            }
        }
    };
    let longest = answers.iter().map(|(_, took)| *took).max().unwrap();
    println!(
        "locks: 150 calls for a locked table, 30 at a time: told after {longest:?} at most, \
         over {most} connections"
    );
    // By the time-out of the lock, and not by the deadline of a call.
    assert!(
        answers
            .iter()
            .all(|(reason, _)| reason == "STORE_UNAVAILABLE")
    );
    assert!((1..=16).contains(&most), "{most}");
    rails.runs("COMMIT").await;
    assert!(is_answered(&client).await);
    assert_eq!(rails.counts("wait_event_type = 'Lock'").await, 0);
    ends(server);
}

fn ends(server: Server) {
    assert_eq!(server.stop("TERM").0, Some(0));
}
