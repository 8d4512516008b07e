//! Ordinary callers, with the settings that there are by default: none is refused at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use tonic::{Code, Status};

use crate::support::{
    Backend, Client, Database, Program,
    client::{Answer, any_inbox as request},
    pb,
    program::Server,
    viewer,
};

on_both_databases!(sixteen_callers_are_served, sixty_four_streams_are_served);

/// How long a call waits for a read before it is refused.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(3);

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

/// The answer. A busy machine may be too slow for all; then a call is refused, but only after all
/// of the time that it may wait, and is made again.
async fn served<T, C>(call: impl Fn() -> C) -> Result<Answer<T>, Status>
where
    C: Future<Output = Result<Answer<T>, Status>>,
{
    loop {
        let began = Instant::now();
        match call().await {
            Err(status) if status.code() == Code::ResourceExhausted => {
                let took = began.elapsed();
                assert!(took >= QUEUE_TIMEOUT, "refused after {took:?}");
            }
            answer => return answer,
        }
    }
}

/// Each asks again as soon as it is answered, for a second.
async fn closed_loops(clients: Vec<Client>, lists: bool) {
    let end = Instant::now() + Duration::from_secs(1);
    let callers = clients.into_iter().map(|client| {
        tokio::spawn(async move {
            let mut count = 0;
            while Instant::now() < end {
                served(|| client.get(request())).await.unwrap();
                if lists {
                    served(|| client.list(list())).await.unwrap();
                }
                count += 1;
            }
            count
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
