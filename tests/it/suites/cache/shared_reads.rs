//! Calls at a time share one read, which ends when the last of them gives up.

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::*;
use crate::support::{Backend, account::account, get_as_user, sessions::until};

on_both_databases!(calls_at_a_time_share_one_read);

/// Inboxes of one kind: those of `support::account` have thirteen kinds by turns.
const fn inbox(round: u32) -> i64 {
    1 + 13 * round as i64
}

fn get(client: &Client, inbox: i64) -> JoinHandle<Result<(), Status>> {
    let client = client.clone();
    tokio::spawn(async move { client.get(get_as_user(1, inbox, 1)).await.map(drop) })
}

/// An account whose reads take so many seconds on PostgreSQL.
async fn slow(backend: Backend, seconds: f32) -> Database {
    let database = account(backend, 12).await;
    if backend == Backend::Postgres {
        database.slow_down(seconds).await;
    }
    database
}

/// How many statements a read of one inbox takes.
async fn of_one_read(server: &Server, client: &Client, first: u32) -> u64 {
    in_some_round(async |round| {
        let count = Count::begin(server).await;
        get(client, inbox(first + round)).await.unwrap().ok()?;
        count.statements().await
    })
    .await
}

async fn calls_at_a_time_share_one_read(backend: Backend) {
    let database = slow(backend, 0.2).await;
    let server = caching(&database, 60).start();
    let client = server.client().await;
    let of_one = in_some_round(async |round| {
        let count = Count::begin(&server).await;
        let calls = (0..50).map(|_| get(&client, inbox(round)));
        for answer in join_all(calls).await {
            answer.unwrap().ok()?;
        }
        count.statements().await
    })
    .await;
    assert_eq!(of_one, of_one_read(&server, &client, 10).await);
}

/// The call that began the read gives up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_gives_up_does_not_end_the_read_of_others() {
    let database = slow(Backend::Postgres, 1.0).await;
    let server = caching(&database, 60).start();
    let client = server.client().await;
    let of_one = of_one_read(&server, &client, 0).await;
    in_some_round(async |round| {
        let count = Count::begin(&server).await;
        let first = get(&client, inbox(2 + round));
        reads_hours(&database, true).await;
        let second = get(&client, inbox(2 + round));
        // On a busy machine it may arrive later, and then begins a read.
        tokio::time::sleep(Duration::from_millis(300)).await;
        first.abort();
        second.await.unwrap().ok()?;
        assert!(first.await.unwrap_err().is_cancelled());
        let cancelled = [("grpc_code", "CANCELLED")];
        assert_eq!(count.of("grpc_server_handled_total", &cancelled).await, 1);
        (count.statements().await? == of_one).then_some(())
    })
    .await;
}

/// It begins no further statement, and nothing of it is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_is_cancelled_when_all_its_calls_have_given_up() {
    let database = slow(Backend::Postgres, 1.0).await;
    let server = caching(&database, 60).start();
    let client = server.client().await;
    let of_one = of_one_read(&server, &client, 0).await;
    in_some_round(async |round| {
        let count = Count::begin(&server).await;
        let calls = [(); 3].map(|()| get(&client, inbox(2 + round)));
        reads_hours(&database, true).await;
        calls.iter().for_each(JoinHandle::abort);
        for call in calls {
            // The machine may be so slow that they have an answer.
            call.await.err()?;
        }
        reads_hours(&database, false).await;
        let of_cancelled = count.statements().await?;

        let count = Count::begin(&server).await;
        get(&client, inbox(2 + round)).await.unwrap().ok()?;
        // Were it still running, its statements would be among these.
        assert_eq!(count.statements().await?, of_one);
        println!("cache: a cancelled read ran {of_cancelled} statements of {of_one}");
        assert!(of_cancelled < of_one);
        Some(())
    })
    .await;
}

/// Waits until a session of the program reads the slow table, or none does.
async fn reads_hours(database: &Database, is_read: bool) {
    until("the slow statement", async || {
        let sleeping = database.sessions("wait_event = 'PgSleep'").await;
        (sleeping > 0) == is_read
    })
    .await;
}
