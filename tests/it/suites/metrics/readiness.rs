//! `/livez` and `/readyz`, and the bounds of their port.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Backend, Program, answers,
    client::any_inbox,
    cluster::Cluster,
    program::{Server, WAIT_TIMEOUT},
    redis::Redis,
    scrape::ask,
    viewer,
};

/// The database of the cluster.
const NAME: &str = "ready";

/// Connections of operators at a time.
const MAX_CONNECTIONS: usize = 32;

async fn eventually_ready(server: &Server, code: u16) -> String {
    let wait = async {
        loop {
            let (answered, text) = server.get("/readyz?verbose").await;
            if answered == code {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = timeout(WAIT_TIMEOUT, wait).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {code}"))
}

/// A server is ready while its database answers. It lives all the same, and takes calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_follows_the_database() {
    let cluster = Cluster::start();
    answers::fill(&cluster, NAME);
    let server = Program::serving_at(&cluster.url(NAME)).with_admin().start();
    let mut processes = cluster.processes();
    let text = eventually_ready(&server, 200).await;
    assert!(
        text.contains("[+]store ok\n") && text.ends_with("\nready\n"),
        "{text}"
    );
    assert_eq!(server.scrape().await.count("leadchat_inbox_ready", &[]), 1);
    tokio::task::block_in_place(|| processes.pause());
    let text = eventually_ready(&server, 503).await;
    assert!(
        text.contains("[-]store failed: does not answer\n"),
        "{text}"
    );
    assert_eq!(
        server.get("/readyz").await,
        (503, "not ready: store\n".to_owned())
    );
    assert_eq!(server.get("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(
        server.scrape().await.count("leadchat_inbox_store_up", &[]),
        0
    );
    processes.resume();
    eventually_ready(&server, 200).await;
}

/// Redis is said, and does not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_its_redis_is_ready() {
    let database = Backend::Sqlite.golden();
    let redis = Redis::start(&[]);
    let program = Program::serving(&database).with_admin();
    let server = program.env("REDIS_URL", &redis.url()).start();
    eventually_ready(&server, 200).await;
    server
        .eventually_scraped("leadchat_inbox_redis_up", &[], |it| it >= 1.0)
        .await;
    redis.kill();
    let client = server.client().await;
    let is_down = async {
        while server
            .get("/readyz?verbose")
            .await
            .1
            .contains("[+]redis ok")
        {
            // Some of these inboxes have flags.
            client.all(1, viewer::user(1)).await;
        }
    };
    timeout(WAIT_TIMEOUT, is_down).await.unwrap();
    let (code, text) = server.get("/readyz?verbose").await;
    assert_eq!(code, 200);
    assert!(
        text.contains("[-]redis failed: does not answer\n"),
        "{text}"
    );
    let failed = [("result", "failed")];
    assert!(
        server
            .scrape()
            .await
            .count("leadchat_inbox_redis_reads_total", &failed)
            > 0
    );
}

/// A server that stops is not ready from the signal on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drains_is_not_ready() {
    let database = Backend::Sqlite.golden();
    let program = Program::serving(&database).with_admin();
    let server = program.args(["--drain-wait", "1h"]).start();
    eventually_ready(&server, 200).await;
    server.signal("TERM");
    let text = eventually_ready(&server, 503).await;
    assert!(
        text.contains("[-]draining failed: shutting down\n"),
        "{text}"
    );
    server.client().await.get(any_inbox()).await.unwrap();
    assert_eq!(server.stop("TERM").0, Some(0));
}

/// The port knows three paths, and one method.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_port_says_nothing_else() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).with_admin().start();
    for path in ["/", "/debug", "/metrics/", "/readyz/verbose", "/livez%00"] {
        assert_eq!(server.get(path).await, (404, String::new()), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(
            ask(server.admin(), method, "/metrics").await.0,
            405,
            "{method}"
        );
    }
    assert_eq!(
        ask(server.admin(), "HEAD", "/livez").await,
        (200, String::new())
    );
}

/// Clients that hold connections keep others out, which are answered when there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_operators_are_few() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).with_admin().start();
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        held.push(TcpStream::connect(server.admin()).await.unwrap());
    }
    let mut surplus = TcpStream::connect(server.admin()).await.unwrap();
    let request = b"GET /livez HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n";
    surplus.write_all(request).await.unwrap();
    // The service goes on beside it.
    server.client().await.get(any_inbox()).await.unwrap();
    let early = timeout(Duration::from_millis(300), surplus.read(&mut [0])).await;
    assert!(early.is_err(), "one more was served: {early:?}");
    drop(held.pop());
    let mut answer = String::new();
    let answered = timeout(WAIT_TIMEOUT, surplus.read_to_string(&mut answer));
    answered.await.expect("it is still kept out").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// An address that is in use is a mistake of the settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_reported() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).with_admin().start();
    let other = Program::serving(&database).env("ADMIN_LISTEN", server.admin());
    let refusal = other.refusal();
    assert!(
        refusal.contains("ADMIN_LISTEN (--admin-listen): cannot listen on"),
        "{refusal}"
    );
}
