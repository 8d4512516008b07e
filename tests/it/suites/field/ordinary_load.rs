//! Ordinary callers, with the settings that there are by default: none is refused.
//!
//! Only the longest wait for a read is set, since a busy machine may need more than the three
//! seconds of its default, which `config` and `limits::load` show.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{
    Backend, Client, Database, Program,
    client::any_inbox as request,
    pb,
    program::{Server, WAIT_TIMEOUT},
    viewer,
};

on_both_databases!(sixteen_callers_are_served, sixty_four_streams_are_served);

fn list() -> pb::ListInboxesRequest {
    pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        page_size: 100,
        ..Default::default()
    }
}

/// With the settings that there are by default, but for the log and the wait.
fn serving(database: &Database) -> Server {
    Program::serving(database)
        .env("RUST_LOG", "info")
        .args(["--max-queue-timeout", "1h"])
        .start()
}

/// Each asks again as soon as it is answered, for a second. No call is refused.
async fn closed_loops(clients: Vec<Client>, lists: bool) {
    let end = Instant::now() + Duration::from_secs(1);
    let callers = clients.into_iter().map(|client| {
        tokio::spawn(async move {
            let mut count = 0;
            while Instant::now() < end {
                client.get(request()).await.unwrap();
                if lists {
                    client.list(list()).await.unwrap();
                }
                count += 1;
            }
            count
        })
    });
    let served = tokio::time::timeout(WAIT_TIMEOUT, join_all(callers)).await;
    let served = served.expect("calls are answered");
    let served: Vec<u32> = served.into_iter().map(Result::unwrap).collect();
    println!("calls served, by caller: {served:?}");
    assert!(served.iter().all(|served| *served > 0));
}

async fn sixteen_callers_are_served(backend: Backend) {
    let database = backend.golden();
    let server = serving(&database);
    closed_loops(join_all((0..16).map(|_| server.client())).await, true).await;
}

async fn sixty_four_streams_are_served(backend: Backend) {
    let database = backend.golden();
    let server = serving(&database);
    closed_loops(vec![server.client().await; 64], false).await;
}
