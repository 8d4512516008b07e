//! How fresh an answer is, and what it says of that: on both databases, and on a hot
//! standby.

use std::time::{Duration, SystemTime};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    Backend, Client, Program, answers,
    client::any_inbox,
    cluster::Cluster,
    get_as_user,
    pb::{self, Freshness, find_inboxes_request::Key},
    program::Server,
    reason, viewer,
};

on_both_databases!(
    an_answer_says_of_when_it_is,
    an_unknown_freshness_is_an_invalid_field,
    a_page_token_holds_for_any_freshness,
);

const NAME: &str = "leadchat";

/// A primary with the oracle's rows, a hot standby of it, and a server of the standby.
pub(super) fn served_standby() -> (Cluster, Cluster, Server) {
    let primary = Cluster::start();
    answers::fill(&primary, NAME);
    let standby = primary.standby();
    let server = Program::serving_at(&standby.url(NAME)).start();
    (primary, standby, server)
}

/// A call of each method, and its outcome: the time of the read.
async fn read_times(client: &Client, freshness: i32) -> Vec<Result<SystemTime, Status>> {
    let find = |account_id| pb::FindInboxesRequest {
        account_id,
        viewer: Some(viewer::service()),
        key: Some(Key::FacebookPageId("1".to_owned())),
        freshness,
        ..Default::default()
    };
    let get = pb::GetInboxRequest {
        freshness,
        ..any_inbox()
    };
    let list = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        freshness,
        ..Default::default()
    };
    let batch = pb::BatchGetInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        inbox_ids: vec![1, 2],
        freshness,
        ..Default::default()
    };
    vec![
        client.get(get).await.map(|it| it.read_time()),
        client.list(list).await.map(|it| it.read_time()),
        client.batch(batch).await.map(|it| it.read_time()),
        client.find(find(Some(1))).await.map(|it| it.read_time()),
        client.find(find(None)).await.map(|it| it.read_time()),
    ]
}

/// The time lies between the call and its answer, as this server caches nothing.
async fn an_answer_says_of_when_it_is(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for freshness in [
        Freshness::Unspecified,
        Freshness::Bounded,
        Freshness::Latest,
    ] {
        let began = SystemTime::now();
        let times = read_times(&client, freshness.into()).await;
        let end = SystemTime::now();
        assert_eq!(times.len(), 5);
        let mut last = began;
        for time in times {
            let time = time.unwrap();
            // Two clocks are compared; neither is set meanwhile.
            assert!(time >= last - Duration::from_millis(1) && time <= end);
            last = time;
        }
    }
}

async fn an_unknown_freshness_is_an_invalid_field(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let outcomes = read_times(&server.client().await, 3).await;
    for outcome in outcomes {
        let status = outcome.unwrap_err();
        assert_eq!(reason(&status), "INVALID_REQUEST");
        let request = status.get_details_bad_request().unwrap();
        let fields: Vec<_> = request
            .field_violations
            .iter()
            .map(|it| &it.field)
            .collect();
        assert_eq!(fields, ["freshness"]);
    }
}

async fn a_page_token_holds_for_any_freshness(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let mut list = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        page_size: 3,
        ..Default::default()
    };
    let first = client.list(list.clone()).await.unwrap().message;
    list.page_token = first.next_page_token;
    let second = client.list(list.clone()).await.unwrap().content();
    list.freshness = Freshness::Latest.into();
    assert!(client.list(list).await.unwrap().content() == second);
}

/// The time is not that of the end, where a read takes long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_is_that_before_the_read() {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for _ in 0..20 {
        let lock = database.lock_table("working_hours").await;
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.get(any_inbox()).await });
        database.until_sessions_wait(1).await;
        let waiting = SystemTime::now();
        drop(lock);
        match call.await.unwrap() {
            Ok(answer) => return assert!(answer.read_time() < waiting),
            // The lock was held for longer than a read waits for it.
            Err(status) => assert_eq!(status.code(), Code::Unavailable),
        }
    }
    panic!("no read got its lock");
}

/// A standby may lag behind. Then the latest is refused, whether or not the viewer belongs
/// to the account; and given once it is a primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_latest_is_not_had_from_a_standby() {
    let (primary, standby, server) = served_standby();
    let client = server.client().await;
    for answer in read_times(&client, Freshness::Bounded.into()).await {
        answer.unwrap();
    }
    let mut refusals: Vec<_> = read_times(&client, Freshness::Latest.into())
        .await
        .into_iter()
        .map(Result::unwrap_err)
        .collect();
    // A stranger, a missing account, a missing inbox.
    for (account, inbox, user) in [(1, 1, 999), (999, 1, 1), (1, 999_999, 1)] {
        let get = pb::GetInboxRequest {
            freshness: Freshness::Latest.into(),
            ..get_as_user(account, inbox, user)
        };
        refusals.push(client.get(get).await.unwrap_err());
    }
    for refusal in &refusals {
        assert_eq!(refusal.code(), Code::FailedPrecondition);
        assert_eq!(reason(refusal), "LATEST_ON_STANDBY");
        assert_eq!(refusal.details(), refusals[0].details());
    }

    drop(primary);
    tokio::task::block_in_place(|| standby.psql(NAME, "SELECT pg_promote()"));
    standby.psql(NAME, "UPDATE inboxes SET name = 'promoted' WHERE id = 1");
    let latest = async || {
        let get = pb::GetInboxRequest {
            freshness: Freshness::Latest.into(),
            ..any_inbox()
        };
        client.get(get).await
    };
    let inbox = latest().await.unwrap().message.inbox.unwrap();
    assert_eq!(inbox.name, "promoted");
}
