//! A PgBouncer in transaction mode stands before the database: two sessions for all
//! calls, and a transaction in any of them.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all, stream};
use prost::Message;
use tonic::Code;
use tonic_types::StatusExt;

use super::schema_changes::load::{self, Load, whatever_changes};
use crate::support::{
    Backend, Client, Database, Program,
    answers::{self, answers, assert_same},
    client::any_inbox as request,
    cluster::Cluster,
    pgbouncer::PgBouncer,
    plain::{self, framed},
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
            client.get(request).await.unwrap();
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
        .arg("--max-concurrent-reads")
        .arg("32")
        .start();
    let client = server.client().await;
    let took = call(&client, 1000).await;
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
        .arg("--max-concurrent-reads")
        .arg("32")
        .start();
    let client = server.client().await;
    // A slow machine may not open all of them within the second for which a read waits.
    let end = Instant::now() + Duration::from_mins(5);
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
    let anew = || server.log()[before..].matches("begins anew").count();
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
    let log = server.log();
    let told: Vec<_> = log[before..]
        .lines()
        .filter(|line| line.contains("read failed"))
        .collect();
    assert_eq!(told, Vec::<&str>::new());
    let (calls, anew) = (load.end().await, anew());
    println!("pgbouncer: {calls} calls; {ended} sessions were ended, {anew} reads began anew");
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
async fn deadlines_reach_the_database_through_it() {
    /// Far below what a statement has without a deadline.
    const SOON: i64 = 1500;
    let pgbouncer = PgBouncer::before(Cluster::shared(), SESSIONS, &[]);
    let database = Backend::Postgres.golden();
    let server = serving(&pgbouncer, database.name()).start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());
    database.slow_down(20.0).await;
    // Milliseconds for which it has been under way, as the database itself says.
    let age = "SELECT CAST(extract(epoch FROM clock_timestamp() - query_start) * 1000 AS bigint)
            AS id FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let mut oldest = None;
    // On a slow machine a deadline may pass before this statement is reached.
    for _ in 0..20 {
        let address = server.address.clone();
        let call = tokio::spawn(async move {
            let body = framed(&request().encode_to_vec());
            let path = "/leadchat.inbox.v1.InboxService/GetInbox";
            plain::call(&address, path, &[("grpc-timeout", "300m")], body).await
        });
        loop {
            let is_answered = call.is_finished();
            let ages = database.numbers(age).await;
            oldest = oldest.max(ages.iter().max().copied());
            if is_answered && ages.is_empty() {
                break;
            }
            assert!(oldest < Some(SOON), "it runs on for {oldest:?} ms");
        }
        let status = call.await.unwrap().status();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        if oldest.is_some() {
            break;
        }
    }
    println!("pgbouncer: a statement of 20 s was seen for {oldest:?} ms at most");
    assert!(oldest.is_some(), "the statement was never seen");
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
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "STORE_UNAVAILABLE"
    );
    let took = began.elapsed();
    println!("pgbouncer: a locked table, told after {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    lock.release().await;
    assert!(client.get(request()).await.is_ok());
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
            // What is served through PgBouncer is not migrated through it.
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
