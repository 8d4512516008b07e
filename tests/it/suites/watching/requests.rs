//! Requests that are refused, each with its field or its reason.

use tonic_types::StatusExt;

use super::{ADMINISTRATOR, small, synced, user};
use crate::support::{
    Backend, Program, pb, reason,
    watch::{summary, watch},
};

on_both_databases!(a_viewer_that_may_see_nothing_is_refused);

fn known(inbox_id: i64, etag: &str) -> pb::KnownInbox {
    pb::KnownInbox {
        inbox_id,
        etag: etag.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_fields_are_named() {
    let database = small(Backend::Sqlite).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let of = |known: Vec<pb::KnownInbox>| pb::WatchInboxesRequest {
        known,
        ..watch(user(ADMINISTRATOR))
    };
    let requests = [
        (
            pb::WatchInboxesRequest::default(),
            vec!["account_id", "viewer"],
        ),
        (of(vec![known(0, "a")]), vec!["known[0].inbox_id"]),
        (
            of(vec![known(1, "a"), known(-1, "a"), known(1, "b")]),
            vec!["known[1].inbox_id", "known[2].inbox_id"],
        ),
        (of(vec![known(1, &"x".repeat(65))]), vec!["known[0].etag"]),
        (
            of((1..=5001).map(|id| known(id, "")).collect()),
            vec!["known"],
        ),
    ];
    for (request, fields) in requests {
        let status = client.watch(request).await.err().unwrap();
        assert_eq!(reason(&status), "INVALID_REQUEST");
        let request = status.get_details_bad_request().unwrap();
        let violations = request.field_violations.iter().map(|it| it.field.as_str());
        assert_eq!(violations.collect::<Vec<_>>(), fields);
    }
    // The most that may be named, each with an etag longer than those of the service.
    let etag = "x".repeat(40);
    let request = of((1..=5000).map(|id| known(id, &etag)).collect());
    let held = request.known.iter().map(|known| {
        let inbox = pb::Inbox {
            id: known.inbox_id,
            etag: known.etag.clone(),
            ..Default::default()
        };
        (known.inbox_id, inbox)
    });
    let held = held.collect();
    let mut watch = client.watch_holding(request, held).await.unwrap();
    let batch = watch.batch().await.unwrap();
    assert_eq!(batch.len(), 5000);
    assert_eq!(summary(&batch[4995..]), ["+1", "+2", "+3", "+4", "+5"]);
}

async fn a_viewer_that_may_see_nothing_is_refused(backend: Backend) {
    let database = small(backend).await;
    let server = Program::serving(&database).with_admin().start();
    let client = server.client().await;
    let of = |account_id, user_id| pb::WatchInboxesRequest {
        account_id,
        ..watch(user(user_id))
    };
    // A stranger, a missing account, a missing user.
    let mut statements = Vec::new();
    for request in [of(1, 3), of(99, 1), of(1, 99)] {
        let before = server.statements().await;
        let status = client.watch(request).await.err().unwrap();
        assert_eq!(reason(&status), "ACCESS_DENIED");
        statements.push(server.statements().await - before);
    }
    // They cost the same.
    assert!(
        statements.windows(2).all(|pair| pair[0] == pair[1]),
        "{statements:?}"
    );
    database
        .execute("UPDATE accounts SET status = 1 WHERE id = 1")
        .await;
    let status = client.watch(of(1, ADMINISTRATOR)).await.err().unwrap();
    assert_eq!(reason(&status), "ACCOUNT_SUSPENDED");
    database
        .execute("UPDATE accounts SET status = 0 WHERE id = 1")
        .await;
    synced(&server, of(1, ADMINISTRATOR)).await;
    // Nobody is watched any more.
    for name in ["leadchat_inbox_watched_accounts", "leadchat_inbox_watches"] {
        server.eventually_counted(name, &[], 0).await;
    }
}
