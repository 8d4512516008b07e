//! A database that gives fewer connections than the service would use.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::{
    Backend, Client, Database, Program,
    client::{any_inbox as request, retried},
    cluster::Cluster,
    log::failed_reads,
    program::{Server, eventually},
    sessions::until,
};

const WARNING: &str = "the database allows no more connections";

/// A database, and the URL of a role of its own that may have so many connections.
struct Limited {
    database: Database,
    role: String,
    url: String,
}

impl Limited {
    async fn to(connections: i32) -> Self {
        let database = Backend::Postgres.golden();
        let name = database.name();
        let role = format!("limited_of_{name}");
        database
            .execute(&format!(
                "CREATE ROLE {role} LOGIN CONNECTION LIMIT {connections};
                GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
            ))
            .await;
        let url = Cluster::shared()
            .url(name)
            .replacen("postgres@", &format!("{role}@"), 1);
        assert!(url.contains(&role), "{url}");
        Self {
            database,
            role,
            url,
        }
    }

    /// Which asks for more connections every second.
    fn program(&self) -> Program {
        Program::serving_at(&self.url)
            .args(["--connection-retry-interval", "1s"])
            .args(["--max-queue-timeout", "1h"])
    }

    /// The connections that the role has.
    async fn connections(&self) -> i64 {
        let role = &self.role;
        let count = format!("SELECT count(*) AS id FROM pg_stat_activity WHERE usename = '{role}'");
        self.database.numbers(&count).await[0]
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let Self { database, role, .. } = self;
        let Database::Postgres { name } = database else {
            return;
        };
        let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
        Cluster::shared().psql(name, &drop);
    }
}

/// Eight callers, with ten milliseconds between their calls. None fails.
async fn eight_callers(client: &Client, calls: usize) {
    let callers = (0..8).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            for _ in 0..calls {
                let answer = retried(|| client.get(request())).await;
                answer.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
}

/// The numbers of connections that the server made do with, as it says them.
fn logged(server: &Server) -> Vec<i32> {
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains(WARNING));
    let numbers = lines.map(|line| {
        let (_, number) = line.split_once("connections=").unwrap();
        number.split_whitespace().next().unwrap().parse().unwrap()
    });
    numbers.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_a_connection_is_free() {
    for limit in [2, 3, 1] {
        let limited = Limited::to(limit).await;
        let server = limited
            .program()
            .args(["--max-concurrent-reads", "8"])
            .start();
        let client = server.client().await;
        // On a busy machine some of them may not have been opened when they are counted.
        until(
            "all connections are used, and the shortage is logged",
            async || {
                eight_callers(&client, 5).await;
                logged(&server).last() == Some(&limit)
                    && limited.connections().await == i64::from(limit)
            },
        )
        .await;
        eight_callers(&client, 5).await;
        // Each number is logged once.
        let logged = logged(&server);
        assert!(
            logged.windows(2).all(|pair| pair[0] != pair[1]),
            "{logged:?}"
        );
        assert!(logged.iter().all(|number| *number <= limit), "{logged:?}");
        assert_eq!(failed_reads(&server.log()), [""; 0]);
        drop(server);
    }
}

/// More is asked for now and then, and used once it is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_are_used_once_they_are_given() {
    let limited = Limited::to(1).await;
    let server = limited
        .program()
        .args(["--max-concurrent-reads", "4"])
        .start();
    let client = server.client().await;
    eight_callers(&client, 5).await;
    assert_eq!(limited.connections().await, 1);
    let role = &limited.role;
    let lift = format!("ALTER ROLE {role} CONNECTION LIMIT 3");
    limited.database.execute(&lift).await;
    until("three connections are used", async || {
        eight_callers(&client, 5).await;
        limited.connections().await == 3
    })
    .await;
    assert_eq!(failed_reads(&server.log()), [""; 0]);
    drop(server);
}

/// The check reads with as few as one, and says that all is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_makes_do_with_one_connection() {
    let limited = Limited::to(1).await;
    let output = Program::new(&["check"])
        .env("DATABASE_URL", &limited.url)
        .env("FRONTEND_URL", "https://chat.example.test")
        .output();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("It would serve well."), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}

/// Connections of the role that others hold are reported at start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_a_connection_says_so() {
    let limited = Limited::to(0).await;
    let refusal = limited.program().refusal();
    assert!(
        refusal.contains("it allows no more connections"),
        "{refusal}"
    );
}

/// Several reads that meet the limit at once, on connections that are held: each goes on
/// when another one's is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_wait_for_the_connections_of_others() {
    let limited = Limited::to(2).await;
    limited.database.slow_down(0.2).await;
    let role = &limited.role;
    limited
        .database
        .execute(&format!(
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
    let server = limited
        .program()
        .args(["--max-concurrent-reads", "8"])
        .start();
    let client = server.client().await;
    let calls = (0..8).map(|_| retried(|| client.get(request())));
    for call in join_all(calls).await {
        call.unwrap();
    }
    assert_eq!(failed_reads(&server.log()), [""; 0]);
}

/// Calls that have a permit, and are cancelled while they wait for the connection of another one,
/// begin no read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_while_it_waits_for_a_connection_reads_nothing() {
    const LEAVING: usize = 20;
    let limited = Limited::to(1).await;
    let (database, role) = (&limited.database, &limited.role);
    database.slow_down(2.5).await;
    let grant = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    database.execute(&grant).await;
    let is_read = async || database.sessions("wait_event = 'PgSleep'").await == 1;
    // On a slow machine the read may have ended before all others have left.
    for _ in 0..10 {
        // Each with a permit of its own, until it is known that there is one connection.
        let server = limited
            .program()
            .args(["--max-concurrent-reads", "32"])
            .args(["--database-connections", "32"])
            .start();
        let count = |text: &str| server.log().matches(text).count();
        // Each read begins with its account.
        let begun = || count("FROM accounts t WHERE t.id = $1");
        let cancelled = || count("cancelled code=\"CANCELLED\"");
        let client = server.client().await;
        let reading = tokio::spawn({
            let client = client.clone();
            async move { client.get(request()).await.map(drop) }
        });
        while !reading.is_finished() && !is_read().await {}
        let before = begun();
        let leaving = (0..LEAVING).map(|_| {
            let timeout = Duration::from_millis(600);
            tokio::time::timeout(timeout, client.get(request()))
        });
        let left = join_all(leaving).await;
        assert!(left.iter().all(|left| !matches!(left, Ok(Ok(_)))));
        while !reading.is_finished() && cancelled() < LEAVING {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let have_left = cancelled() == LEAVING && is_read().await && begun() == before;
        let _ = reading.await.unwrap();
        if have_left {
            // That they had a permit: without it, none would have asked for a connection.
            eventually("the shortage is logged", || count(WARNING) > 0).await;
            // Longer than the pool waits until it asks for a connection again.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            assert_eq!(begun(), before, "reads were begun");
            return;
        }
    }
    panic!("the reads never outlasted those who left");
}
