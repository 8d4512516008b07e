//! A PgBouncer in transaction mode stands before the database: two sessions for all
//! calls, and a transaction in any of them.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use prost::Message;
use tonic::Code;
use tonic_types::StatusExt;

use super::schema_changes::load::whatever_changes;
use crate::support::{
    Backend, Client, Database, Program,
    answers::{self, answers, assert_same},
    cluster::Cluster,
    pb,
    pgbouncer::PgBouncer,
    plain::{self, framed},
    viewer,
};

/// For all callers.
const SESSIONS: u32 = 2;

fn name(database: &Database) -> &str {
    let Database::Postgres { name } = database else {
        panic!()
    };
    name
}

fn serving(pgbouncer: &PgBouncer, database: &str) -> Program {
    Program::serving_at(&pgbouncer.url(database)).arg("--pgbouncer")
}

fn request() -> pb::GetInboxRequest {
    pb::GetInboxRequest {
        account_id: 1,
        inbox_id: 1,
        viewer: Some(viewer::user(1)),
        detail: 0,
    }
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
    answers::fill(cluster, name(&database));
    let itself = Program::serving(&database).start();
    let those = answers(&itself.client().await).await;
    let server = serving(&pgbouncer, name(&database)).start();
    let these = answers(&server.client().await).await;
    println!("pgbouncer: {} answers, byte for byte", these.len());
    assert_same(&those, &these);
    // As by its variable.
    drop(server);
    let server = Program::serving_at(&pgbouncer.url(name(&database)))
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
    answers::fill(cluster, name(&database));
    let server = serving(&pgbouncer, name(&database))
        .arg("--max-concurrent-calls")
        .arg("32")
        .env("RUST_LOG", "info")
        .start();
    let client = server.client().await;
    let took = call(&client, 1000).await;
    let (transactions, clients, sessions) = counted(&pgbouncer, name(&database));
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
        let left = cluster.psql_at(pgbouncer.port, name(&database), left);
        assert_eq!(left.trim(), "0|0|0|0|0");
    }
}

/// The sessions are ended, and PgBouncer takes others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_sessions_come_and_go() {
    let cluster = Cluster::shared();
    let pgbouncer = PgBouncer::before(cluster, SESSIONS, &["server_lifetime = 1"]);
    let database = Database::unique();
    answers::fill(cluster, name(&database));
    let server = serving(&pgbouncer, name(&database))
        .arg("--max-concurrent-calls")
        .arg("32")
        .env("RUST_LOG", "info,leadchat_inbox::store=debug")
        .start();
    let client = server.client().await;
    let calls = tokio::spawn(async move { call(&client, 700).await });
    let mut ended = 0;
    // One of them in the middle of what it does; so seldom that no call is hit twice.
    let one = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
            WHERE datname = '{}' AND state <> 'idle' LIMIT 1) p",
        name(&database)
    );
    while !calls.is_finished() {
        let (one, port) = (one.clone(), pgbouncer.port);
        ended += tokio::task::spawn_blocking(move || {
            cluster.psql_at(port, "pgbouncer", "RECONNECT");
            let ended = cluster.psql("postgres", &one);
            ended.trim().parse::<usize>().unwrap()
        })
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let log = server.log();
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("read failed"))
        .collect();
    assert_eq!(told, Vec::<&str>::new());
    let took = calls.await.unwrap();
    let anew = log.matches("begins anew").count();
    println!(
        "pgbouncer: 700 calls in {took:?}; {ended} sessions were ended, {anew} reads began anew"
    );
    assert!(ended > 3 && anew > 0, "{ended}, {anew}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_tables_change_behind_it() {
    let pgbouncer = PgBouncer::before(Cluster::shared(), SESSIONS, &[]);
    whatever_changes(Backend::Postgres, |database| {
        serving(&pgbouncer, name(database))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_reach_the_database_through_it() {
    let cluster = Cluster::shared();
    let pgbouncer = PgBouncer::before(cluster, SESSIONS, &[]);
    let database = Backend::Postgres.golden();
    let server = serving(&pgbouncer, name(&database)).start();
    let client = server.client().await;
    assert!(client.get(request()).await.is_ok());
    let lock = Lock::take(&database).await;
    let began = Instant::now();
    let body = framed(&request().encode_to_vec());
    let path = "/leadchat.inbox.v1.InboxService/GetInbox";
    let short = plain::call(&server.address, path, &[("grpc-timeout", "300m")], body).await;
    let status = short.status();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
    let status = client.get(request()).await.unwrap_err();
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "STORE_UNAVAILABLE"
    );
    let took = began.elapsed();
    println!("pgbouncer: a locked table, told after {took:?}");
    lock.give_back().await;
    assert!(client.get(request()).await.is_ok());
}

/// A table that nobody else may read for a while.
struct Lock(sqlx::PgConnection);

impl Lock {
    async fn take(database: &Database) -> Self {
        use sqlx::Connection;

        let mut connection = sqlx::PgConnection::connect(&database.url()).await.unwrap();
        let take = "BEGIN; LOCK TABLE inboxes IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(take).execute(&mut connection).await.unwrap();
        Self(connection)
    }

    async fn give_back(mut self) {
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut self.0)
            .await
            .unwrap();
    }
}

/// Nobody reads by the statements of others, for want of a word.
#[test]
fn who_does_not_say_so_is_refused_in_one_line() {
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
            .url(name(&database))
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
        let server = serving(&pgbouncer, name(&database)).start();
        drop(server);
    }
}

#[test]
fn what_pgbouncer_refuses_is_said_in_words() {
    let database = Backend::Postgres.golden();
    let pgbouncer = PgBouncer::before(Cluster::shared(), SESSIONS, &[]);
    let options = serving(&pgbouncer, name(&database)).env("PGOPTIONS", "-c geqo=off");
    let said = options.refusal();
    assert!(said.contains("PGOPTIONS"), "{said}");
    let said = serving(&pgbouncer, "nowhere").refusal();
    assert!(said.contains("no such database"), "{said}");
    let by_statement = PgBouncer::before(Cluster::shared(), SESSIONS, &["pool_mode = statement"]);
    let said = serving(&by_statement, name(&database)).refusal();
    assert!(said.contains("has no transactions"), "{said}");
}
