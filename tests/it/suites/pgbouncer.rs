//! A PgBouncer in transaction mode stands before the database: two sessions for all
//! calls, and a transaction in any of them.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all, stream};
use tonic_types::StatusExt;

use super::{
    cancellation::statements_end_with_their_deadline,
    schema_changes::load::{self, Load, whatever_changes},
};
use crate::support::{
    Backend, Client, Database, Program,
    answers::{self, answers, assert_same},
    client::{any_inbox as request, retried},
    cluster::Cluster,
    log::{answered_anew, failed_reads, late_reads},
    pgbouncer::PgBouncer,
    program::WAIT_TIMEOUT,
    viewer,
};

/// For all callers.
const SESSIONS: u32 = 2;

fn serving(pgbouncer: &PgBouncer, database: &str) -> Program {
    Program::serving_at(&pgbouncer.url(database)).arg("--pgbouncer")
}

/// Transactions so far, and clients and sessions at present.
fn counted(pgbouncer: &PgBouncer, database: &str) -> (u64, usize, usize) {
    let of = |command: &str, column: usize| {
        let rows = pgbouncer.console(command).into_iter();
        rows.filter(|row| row.get(column).is_some_and(|it| it == database))
            .collect::<Vec<_>>()
    };
    let stats = of("SHOW STATS", 0);
    let transactions = stats.first().map_or(0, |row| row[1].parse().unwrap());
    (
        transactions,
        of("SHOW CLIENTS", 2).len(),
        of("SHOW SERVERS", 2).len(),
    )
}

/// Every call of many, some at a time.
async fn call(client: &Client, calls: usize) -> Duration {
    let began = Instant::now();
    let answers = stream::iter(0..calls).map(|number| async move {
        if number % 10 == 0 {
            assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
        } else {
            let mut request = request();
            request.viewer = Some([viewer::user(1), viewer::service()][number % 2]);
            retried(|| client.get(request)).await.unwrap();
        }
    });
    answers.buffer_unordered(12).collect::<Vec<()>>().await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_of_the_database_itself() {
    let cluster = Cluster::shared();
    let pgbouncer = PgBouncer::before(cluster, SESSIONS, &[]);
    let database = Database::unique();
    answers::fill(cluster, database.name());
    let itself = Program::serving(&database).start();
    let those = answers(&itself.client().await).await;
    let server = serving(&pgbouncer, database.name()).start();
    let these = answers(&server.client().await).await;
    println!("pgbouncer: {} answers, byte for byte", these.len());
    assert_same(&those, &these);
    // As by its variable.
    drop(server);
    let server = Program::serving_at(&pgbouncer.url(database.name()))
        .env("PGBOUNCER", "true")
        .start();
    assert!(server.client().await.get(request()).await.is_ok());
    assert!(server.log().contains("pgbouncer=true"));
}

/// In whatever session a transaction runs, and whoever ran one there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_serve_all_calls_and_keep_nothing() {
    let cluster = Cluster::shared();
    // Each transaction takes another session where it can.
    let pgbouncer = PgBouncer::before(cluster, SESSIONS, &["server_round_robin = 1"]);
    let database = Database::unique();
    answers::fill(cluster, database.name());
    let server = serving(&pgbouncer, database.name())
        .args(["--max-concurrent-reads", "32"])
        .args(["--max-queue-timeout", "1h"])
        .start();
    let client = server.client().await;
    let took = call(&client, 1000).await;
    assert_eq!(failed_reads(&server.log()), [""; 0]);
    let (transactions, clients, sessions) = counted(&pgbouncer, database.name());
    println!(
        "pgbouncer: 1000 calls in {took:?}, {transactions} transactions of {clients} connections \
         in {sessions} sessions"
    );
    assert!(transactions >= 1000, "{transactions}");
    assert!(clients > 4, "{clients}");
    assert_eq!(sessions, 2);
    for _ in 0..4 {
        let left = "SELECT (SELECT count(*) FROM pg_prepared_statements),
            current_setting('statement_timeout'), current_setting('lock_timeout'),
            current_setting('idle_in_transaction_session_timeout'),
            current_setting('tcp_user_timeout')";
        let left = cluster.psql_at(pgbouncer.port, database.name(), left);
        assert_eq!(left.trim(), "0|0|0|0|0");
    }
}

/// The sessions are ended, and PgBouncer takes others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_sessions_come_and_go() {
    let cluster = Cluster::shared();
    let pgbouncer = PgBouncer::before(cluster, 2 * SESSIONS, &["server_lifetime = 1"]);
    let database = load::filled(Backend::Postgres).await;
    let server = serving(&pgbouncer, database.name())
        .args(["--max-concurrent-reads", "32"])
        .args(["--max-queue-timeout", "1h"])
        .start();
    let client = server.client().await;
    // A slow machine may not open all of them within the second for which a read waits.
    let end = Instant::now() + 2 * WAIT_TIMEOUT;
    while counted(&pgbouncer, database.name()).1 < 8 {
        assert!(Instant::now() < end, "connections are not opened");
        join_all((0..8).map(|_| client.get(request()))).await;
    }
    let before = server.log().len();
    let load = Load::begin(&client);
    // One of them in the middle of what it does.
    let one = format!(
        "SELECT count(*) FROM (SELECT pid FROM pg_stat_activity WHERE datname = '{}'
            AND state IN ('active', 'idle in transaction') LIMIT 1) p
            WHERE pg_terminate_backend(pid)",
        database.name()
    );
    let anew = || answered_anew(&server.log()[before..]);
    let mut ended = 0;
    // Some end only after what they did, which no read feels.
    while ended < 10 || anew() < 5 {
        assert!(Instant::now() < end, "{ended}, {}", anew());
        tokio::task::block_in_place(|| {
            cluster.psql_at(pgbouncer.port, "pgbouncer", "RECONNECT");
        });
        if !load.goes_on().await {
            break;
        }
        let one = tokio::task::block_in_place(|| cluster.psql("postgres", &one));
        ended += one.trim().parse::<usize>().unwrap();
        // Until whatever was under way has an answer, so that no call is hit twice,
        // however slow the machine is.
        if !(load.goes_on().await && load.goes_on().await) {
            break;
        }
    }
    let (calls, anew) = (load.end().await, anew());
    let log = &server.log()[before..];
    let late = late_reads(log);
    println!(
        "pgbouncer: {calls} calls; {ended} sessions were ended, {anew} calls were answered by a \
         read that had begun anew, {late} reads were late"
    );
    for line in log.lines().filter(|line| line.contains("read failed")) {
        println!("{line}");
    }
    assert_eq!(failed_reads(log), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_tables_change_behind_it() {
    let pgbouncer = PgBouncer::before(Cluster::shared(), SESSIONS, &[]);
    whatever_changes(Backend::Postgres, |database| {
        serving(&pgbouncer, database.name())
    })
    .await;
}

/// A statement that takes too long is ended by the database, for the caller's sake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_hold_through_it() {
    let pgbouncer = PgBouncer::before(Cluster::shared(), SESSIONS, &[]);
    let database = Backend::Postgres.golden();
    let server = serving(&pgbouncer, database.name()).start();
    statements_end_with_their_deadline(&server, &database, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_is_reported_through_it() {
    let pgbouncer = PgBouncer::before(Cluster::shared(), SESSIONS, &[]);
    let database = Backend::Postgres.golden();
    let server = serving(&pgbouncer, database.name()).start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());
    let lock = database.lock_table("inboxes").await;
    let began = Instant::now();
    let status = client.get(request()).await.unwrap_err();
    let took = began.elapsed();
    println!("pgbouncer: a locked table, told after {took:?}");
    // By the time-out of the lock, and not by the deadline of the call.
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "STORE_UNAVAILABLE"
    );
    lock.release().await;
    assert!(retried(|| client.get(request())).await.is_ok());
}

/// Nobody reads by the statements of others, for want of a word.
#[test]
fn an_undeclared_pooler_is_refused_in_one_line() {
    let cluster = Cluster::shared();
    let database = Backend::Postgres.golden();
    let ignoring = "ignore_startup_parameters = extra_float_digits,options";
    for lines in [
        vec![],
        vec![ignoring],
        vec![ignoring, "pool_mode = session"],
    ] {
        let pgbouncer = PgBouncer::before(cluster, SESSIONS, &lines);
        let url = pgbouncer
            .url(database.name())
            .replace("postgres@", "u:hunter2@");
        for program in [
            Program::serving_at(&url),
            Program::new(&["migrate"]).env("DATABASE_URL", &url),
            // Serving works through PgBouncer, migrations do not.
            Program::new(&["migrate"])
                .env("DATABASE_URL", &url)
                .env("PGBOUNCER", "true"),
        ] {
            let said = program.refusal();
            assert!(said.contains("DATABASE_URL"), "{said}");
            assert!(
                said.contains("needs --pgbouncer or PGBOUNCER=true"),
                "{said}"
            );
            assert!(said.contains("`migrate` the database itself"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        // Said, it is served in any mode.
        let server = serving(&pgbouncer, database.name()).start();
        drop(server);
    }
}

#[test]
fn refusals_of_pgbouncer_are_described() {
    let database = Backend::Postgres.golden();
    let pgbouncer = PgBouncer::before(Cluster::shared(), SESSIONS, &[]);
    let options = serving(&pgbouncer, database.name()).env("PGOPTIONS", "-c geqo=off");
    let said = options.refusal();
    assert!(said.contains("PGOPTIONS"), "{said}");
    let said = serving(&pgbouncer, "nowhere").refusal();
    assert!(said.contains("no such database"), "{said}");
    let by_statement = PgBouncer::before(Cluster::shared(), SESSIONS, &["pool_mode = statement"]);
    let said = serving(&by_statement, database.name()).refusal();
    assert!(said.contains("has no transactions"), "{said}");
}
