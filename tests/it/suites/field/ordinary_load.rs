//! Ordinary callers, with the settings that there are by default: none is refused.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{
    Backend, Client, Database, Program, client::any_inbox as request, pb, program::Server, viewer,
};

on_both_databases!(sixteen_callers_are_served, sixty_four_streams_are_served);

const SECOND: Duration = Duration::from_secs(1);

fn list() -> pb::ListInboxesRequest {
    pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        page_size: 100,
        ..Default::default()
    }
}

/// With the settings that there are by default, but for the log.
fn serving(database: &Database) -> Server {
    Program::serving(database).env("RUST_LOG", "info").start()
}

/// Each asks again as soon as it is answered, for a second.
async fn closed_loops(clients: Vec<Client>, lists: bool) {
    let end = Instant::now() + SECOND;
    let callers = clients.into_iter().map(|client| {
        tokio::spawn(async move {
            let mut served = 0;
            while Instant::now() < end {
                client.get(request()).await.unwrap();
                if lists {
                    client.list(list()).await.unwrap();
                }
                served += 1;
            }
            served
        })
    });
    let served = join_all(callers).await.into_iter().map(Result::unwrap);
    let served: Vec<u32> = served.collect();
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
