//! Several hosts of one database, tried in turn as libpq tries them.

use std::{net::TcpListener, time::Instant};

use futures_util::future::join_all;

use crate::support::{
    Client, Program, answers,
    canary::PASSWORD,
    client::any_inbox,
    cluster::{Cluster, Setup, free_port},
    log::late_reads,
    program::{Server, WAIT_TIMEOUT, eventually},
    proxy::Proxy,
    viewer,
};

const NAME: &str = "leadchat";

fn filled() -> Cluster {
    let cluster = Cluster::start();
    answers::fill(&cluster, NAME);
    cluster
}

fn standby_of(primary: &Cluster) -> Cluster {
    let standby = Cluster::with(&Setup {
        replica_of: Some(primary.port),
        ..Setup::default()
    });
    assert_eq!(standby.psql(NAME, "SELECT pg_is_in_recovery()").trim(), "t");
    standby
}

/// A URL with these ports of this machine.
fn url(ports: &[u16], parameters: &str) -> String {
    let hosts = ports.iter().map(|port| format!("127.0.0.1:{port}"));
    let hosts = hosts.collect::<Vec<_>>().join(",");
    format!("postgres://postgres@{hosts}/{NAME}?{parameters}")
}

fn is_connected_to(cluster: &Cluster) -> bool {
    let sql = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'leadchat-inbox'";
    cluster.psql("postgres", sql).trim() == "t"
}

async fn serves(server: &Server) {
    let client = server.client().await;
    assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
}

/// Until a call is answered; how many were not before.
async fn served_again(client: &Client) -> usize {
    let end = Instant::now() + WAIT_TIMEOUT;
    for failed in 0.. {
        if client.get(any_inbox()).await.is_ok() {
            return failed;
        }
        assert!(Instant::now() < end, "not served again");
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_are_tried_in_order() {
    let cluster = filled();
    let (port, closed) = (cluster.port, free_port());
    let parts = |host: &str, port: &str| {
        Program::serving_at("")
            .without_env("DATABASE_URL")
            .env("POSTGRES_HOST", host)
            .env("POSTGRES_PORT", port)
            .env("POSTGRES_DATABASE", NAME)
            .env("POSTGRES_USERNAME", "postgres")
    };
    let query = format!("host=nowhere.invalid,127.0.0.1&port={port}&user=postgres");
    for program in [
        parts("localhost,127.0.0.1", &port.to_string()),
        parts("nowhere.invalid,127.0.0.1", &port.to_string()),
        parts("127.0.0.1,127.0.0.1", &format!("{closed},{port}")),
        Program::serving_at(&url(&[closed, port], "")),
        Program::serving_at(&format!("postgres:///{NAME}?{query}")),
        Program::serving_at(&format!("postgres://postgres@/{NAME}"))
            .env("PGHOST", "/nowhere,127.0.0.1")
            .env("PGPORT", &port.to_string()),
    ] {
        serves(&program.start()).await;
    }
    let said = Program::serving_at(&url(&[closed, closed], "")).refusal();
    let refused = format!("127.0.0.1:{closed}: connection refused");
    assert!(said.contains(&format!("{refused}; {refused}")), "{said}");

    // The other commands, too.
    for command in ["check", "grants"] {
        let url = url(&[closed, port], "");
        let output = Program::new(&[command])
            .env("DATABASE_URL", &url)
            .env("FRONTEND_URL", "https://h")
            .output();
        assert_eq!(output.status.code(), Some(0), "{command}");
    }
    let said = Program::new(&["migrate"])
        .env("DATABASE_URL", &url(&[closed, port], ""))
        .refusal();
    assert!(said.contains("Rails'"), "{said}");
}

/// One that says nothing is passed over, within the time that a start has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unresponsive_host_is_skipped() {
    let cluster = filled();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().port();
    let began = Instant::now();
    serves(&Program::serving_at(&url(&[silent, cluster.port], "")).start()).await;
    println!("hosts: past a silent one in {:?}", began.elapsed());
}

/// A host that answers and refuses is an error of the settings, as with libpq.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_refuses_the_user_is_not_skipped() {
    let refusing = Cluster::with(&Setup {
        hba: vec!["host all all 127.0.0.1/32 scram-sha-256"],
        ..Setup::default()
    });
    let cluster = filled();
    let url = url(&[refusing.port, cluster.port], "");
    let said =
        Program::serving_at(&url.replace("postgres@", &format!("postgres:{PASSWORD}@"))).refusal();
    let refused = format!("127.0.0.1:{}: it refuses the user", refusing.port);
    assert!(said.contains(&refused), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_has_the_required_role() {
    let primary = filled();
    primary.psql(NAME, "CREATE ROLE reader SUPERUSER LOGIN");
    // As the SQL of `grants` makes it: that says nothing of the host.
    primary.psql(
        NAME,
        "ALTER ROLE reader SET default_transaction_read_only = on",
    );
    let standby = standby_of(&primary);
    eventually("the role is on the standby", || {
        let sql = "SELECT count(*) FROM pg_roles WHERE rolname = 'reader' AND rolcanlogin";
        standby.psql("postgres", sql).trim() == "1"
    })
    .await;
    let ports = [[standby.port, primary.port], [primary.port, standby.port]];
    for (target, of_standby_first, of_primary_first) in [
        ("any", &standby, &primary),
        ("read-write", &primary, &primary),
        ("primary", &primary, &primary),
        ("read-only", &standby, &standby),
        ("standby", &standby, &standby),
        ("prefer-standby", &standby, &standby),
    ] {
        for (ports, expected) in ports.iter().zip([of_standby_first, of_primary_first]) {
            let url = url(ports, &format!("target_session_attrs={target}"));
            let url = url.replace("postgres@", "reader@");
            let server = Program::serving_at(&url).start();
            serves(&server).await;
            for cluster in [&primary, &standby] {
                let is_expected = cluster.port == expected.port;
                assert_eq!(
                    is_connected_to(cluster),
                    is_expected,
                    "{target} of {ports:?}"
                );
            }
            drop(server);
            eventually("its connections are gone", || {
                !is_connected_to(&primary) && !is_connected_to(&standby)
            })
            .await;
        }
    }
    for (port, target, says) in [
        (primary.port, "standby", "it is not a standby"),
        (standby.port, "read-write", "it is a standby"),
    ] {
        let url = url(&[port], &format!("target_session_attrs={target}"));
        let said = Program::serving_at(&url).refusal();
        assert!(said.contains(says), "{said}");
    }
    let url = url(&[primary.port], "target_session_attrs=prefer-standby");
    serves(&Program::serving_at(&url).start()).await;
}

/// When the first host goes away, connections are made to the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_goes_away_is_left_for_another() {
    let (first, second) = (filled(), filled());
    let server = Program::serving_at(&url(&[first.port, second.port], "")).start();
    let client = server.client().await;
    assert!(client.get(any_inbox()).await.is_ok());
    assert!(!is_connected_to(&second));
    drop(first);
    // Mostly no call notices: its connection is found dead, and the next one is elsewhere.
    let failed = served_again(&client).await;
    let late = late_reads(&server.log());
    assert!(failed - late < 3, "{failed}, {late} of which were late");
    assert!(is_connected_to(&second));
    assert!(server.log().contains("switched to another database host"));
    serves(&server).await;
}

/// The same where only new connections fail; and when they are had again, they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_gives_no_connection_is_left_until_it_does() {
    let (first, second) = (filled(), filled());
    // A read of working hours sleeps, so that concurrent reads need further connections.
    first.psql(
        NAME,
        "ALTER TABLE working_hours RENAME TO hours; CREATE VIEW working_hours AS
            SELECT * FROM hours WHERE (SELECT CAST(pg_sleep(0.2) AS text)) IS NOT NULL",
    );
    let proxy = Proxy::to(first.port).await;
    let port = proxy.port;
    let server = Program::serving_at(&url(&[port, second.port], "")).start();
    let client = server.client().await;
    assert!(client.get(any_inbox()).await.is_ok());
    drop(proxy);
    let logged = |times| {
        server
            .log()
            .matches("switched to another database host")
            .count()
            == times
    };
    let end = Instant::now() + WAIT_TIMEOUT;
    while !logged(1) {
        assert!(Instant::now() < end, "no other host is used");
        join_all((0..8).map(|_| client.get(any_inbox()))).await;
    }
    assert!(is_connected_to(&second));
    let _proxy = Proxy::at(port, first.port).await;
    // Open connections stay where they are; when they are closed, the first host is tried
    // again.
    eventually("the first host is returned to", || {
        second.psql(
            NAME,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'leadchat-inbox'",
        );
        let client = client.clone();
        tokio::spawn(async move { client.get(any_inbox()).await.map(drop) });
        logged(2)
    })
    .await;
    serves(&server).await;
}

/// A standby takes over from its primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_is_connected_to() {
    let primary = filled();
    let standby = standby_of(&primary);
    let ports = [primary.port, standby.port];
    let server = Program::serving_at(&url(&ports, "target_session_attrs=read-write")).start();
    let client = server.client().await;
    assert!(client.get(any_inbox()).await.is_ok());
    drop(primary);
    // It is a standby still.
    assert!(client.get(any_inbox()).await.is_err());
    standby.psql("postgres", "SELECT pg_promote()");
    println!(
        "hosts: {} calls failed meanwhile",
        served_again(&client).await
    );
    assert!(is_connected_to(&standby));
    let log = server.log();
    assert!(log.contains("no database host can be used"), "{log}");
}
