//! Connections that end without a word: the peer is gone, and nothing says so.

use std::time::{Duration, Instant};

use prost::Message;
use tokio::{join, time::sleep};
use tonic::{Code, Request};

use super::caller::{
    STORE_UNAVAILABLE, assert_none_failed, assert_within, callers, with_bound, within_bound,
};
use crate::support::{
    Backend, Client, Program,
    client::any_inbox,
    cluster::Cluster,
    pb::{self, Freshness},
    program::WAIT_TIMEOUT,
    proxy::Proxy,
    reason,
    sessions::until,
};

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

/// The server pings after 20 seconds, and gives up 10 seconds later.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// The link of a caller is cut. Its calls end at their deadline, and the server closes its
/// connections; other callers are served.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_vanished_is_disconnected() {
    const CONNECTIONS: u32 = 10;
    const CALL_TIMEOUT: Duration = Duration::from_secs(2);
    let database = Backend::Sqlite.golden();
    let server = with_bound(Program::serving(&database)).start();
    let [mut bounded, mut latest] = callers(&server).await;
    let before = server.sockets();
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let proxy = Proxy::to(port.parse().unwrap()).await;
    let mut vanishing = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = Client::connect(&format!("127.0.0.1:{}", proxy.port)).await;
        client.get(any_inbox()).await.unwrap();
        vanishing.push(client);
    }
    assert!(server.sockets() >= before + vanishing.len());
    // A silent peer is given up by its silence, or by a ping of HTTP/2's.
    let silent = async || {
        let scrape = server.scrape().await;
        let of = |why| scrape.value("leadchat_inbox_connections_ended_total", &[("why", why)]);
        of("idle") + of("peer")
    };
    let open = "leadchat_inbox_connections";
    let open_before = server.scrape().await.value(open, &[]);
    let silent_before = silent().await;
    let log_bytes = server.log_bytes();
    proxy.cut();
    let cut = Instant::now();
    let mut request = Request::new(any_inbox().encode_to_vec());
    request.set_timeout(CALL_TIMEOUT);
    let (answer, ended, served) = join!(
        async {
            let answer = vanishing[0].raw::<pb::GetInboxResponse>(GET, request).await;
            (answer.unwrap_err().code(), cut.elapsed())
        },
        async {
            while server.sockets() > before {
                assert!(cut.elapsed() < WAIT_TIMEOUT, "connections stay");
                sleep(Duration::from_millis(50)).await;
            }
            cut.elapsed()
        },
        bounded.is_answered_for(PEER_TIMEOUT)
    );
    assert_none_failed(&server, log_bytes);
    let (code, after) = answer;
    println!("faults: the link of a caller is cut: {code:?} by its library after {after:.2?}");
    println!("faults: the link of a caller is cut: disconnected after {ended:.2?}");
    println!("faults: the link of a caller is cut: for others {served}");
    // The library of a client names its own time-out in one way or the other.
    assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&code));
    assert_within(after, CALL_TIMEOUT);
    assert_within(ended, PEER_TIMEOUT);
    assert!(ended >= Duration::from_secs(5), "{ended:?}");
    latest.until_answered(STORE_UNAVAILABLE).await;
    until("all are counted", async || {
        silent().await >= silent_before + f64::from(CONNECTIONS)
    })
    .await;
    let others = |it| it <= open_before - f64::from(CONNECTIONS);
    server.eventually_scraped(open, &[], others).await;
    within_bound(&server).await;
    // By another connection it is served.
    server.client().await.get(any_inbox()).await.unwrap();
    drop(vanishing);
}

/// The link to PostgreSQL is cut: between two reads, and during one.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_connection_to_postgresql_is_replaced() {
    const ROUNDS: usize = 20;
    let database = Backend::Postgres.golden();
    let shared = Cluster::shared();
    let proxy = Proxy::to(shared.port).await;
    let own = format!("127.0.0.1:{}/", shared.port);
    let url = database
        .url()
        .replace(&own, &format!("127.0.0.1:{}/", proxy.port));
    let server = with_bound(Program::serving_at(&url)).start();
    let [mut bounded, mut latest] = callers(&server).await;
    proxy.cut();
    let (idle, kept) = join!(
        latest.until_answered(STORE_UNAVAILABLE),
        bounded.until_answered(STORE_UNAVAILABLE)
    );
    println!("faults: an idle link to PostgreSQL is cut: the latest is answered {idle}");
    println!("faults: an idle link to PostgreSQL is cut: answered {kept}");
    assert_within(idle.after, Duration::from_secs(2));

    // A read sleeps in the database, and its answer never arrives.
    database.slow_down(0.7).await;
    let client = server.client().await;
    let request = pb::GetInboxRequest {
        freshness: Freshness::Latest.into(),
        ..any_inbox()
    };
    let is_read = async || database.sessions("wait_event = 'PgSleep'").await > 0;
    // Reads of more than 2.5 seconds: one that is cut off, and no other.
    let long = async || {
        let scrape = server.scrape().await;
        let quick = [("le", "2.5")];
        scrape.value("leadchat_inbox_store_read_seconds_count", &[])
            - scrape.value("leadchat_inbox_store_read_seconds_bucket", &quick)
    };
    let mut is_cut = false;
    for _ in 0..ROUNDS {
        let long_before = long().await;
        let began = Instant::now();
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.get(request).await.map(drop) }
        });
        while !call.is_finished() && !is_read().await {}
        proxy.cut();
        let outcome = call.await.unwrap();
        let took = began.elapsed();
        println!("faults: a link to PostgreSQL is cut during a read: {outcome:?} after {took:.2?}");
        assert_within(took, Duration::from_secs(7));
        match outcome {
            // Otherwise it had its answer before.
            Ok(()) if took > Duration::from_secs(3) => {
                is_cut = long().await > long_before;
                if is_cut {
                    break;
                }
            }
            Ok(()) => {}
            // A busy machine may be late with the new connection.
            Err(status) => {
                let refusal = (status.code(), &*reason(&status));
                assert_eq!(refusal, STORE_UNAVAILABLE);
            }
        }
    }
    assert!(is_cut, "no read was cut off, and took its time");
    // Its transaction does not stay open in PostgreSQL.
    until("no transaction is open", async || {
        database.sessions("state <> 'idle'").await == 0
    })
    .await;
    let back = bounded.until_answered(STORE_UNAVAILABLE).await;
    println!("faults: a link to PostgreSQL was cut: answered {back}");
    within_bound(&server).await;
}
