//! Invalid requests: every field that is wrong is named.

use std::collections::BTreeSet;

use tonic::Code;

use super::violations;
use crate::support::{Backend, Program, client::any_inbox as request, pb, viewer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_requests_name_their_fields() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let get = async |request| client.get(request).await.err();
    let nobody = pb::Viewer { principal: None };
    for (request, fields) in [
        (
            pb::GetInboxRequest::default(),
            vec!["account_id", "inbox_id", "viewer"],
        ),
        (
            pb::GetInboxRequest {
                account_id: -1,
                ..request()
            },
            vec!["account_id"],
        ),
        (
            pb::GetInboxRequest {
                inbox_id: 0,
                ..request()
            },
            vec!["inbox_id"],
        ),
        (
            pb::GetInboxRequest {
                inbox_id: i64::MIN,
                ..request()
            },
            vec!["inbox_id"],
        ),
        (
            pb::GetInboxRequest {
                viewer: None,
                ..request()
            },
            vec!["viewer"],
        ),
        (
            pb::GetInboxRequest {
                viewer: Some(nobody),
                ..request()
            },
            vec!["viewer"],
        ),
        (
            pb::GetInboxRequest {
                viewer: Some(viewer::user(0)),
                ..request()
            },
            vec!["viewer.user_id"],
        ),
        (
            pb::GetInboxRequest {
                viewer: Some(viewer::bot(-7)),
                ..request()
            },
            vec!["viewer.agent_bot_id"],
        ),
        (
            pb::GetInboxRequest {
                detail: 3,
                ..request()
            },
            vec!["detail"],
        ),
        (
            pb::GetInboxRequest {
                detail: -1,
                account_id: 0,
                ..request()
            },
            vec!["account_id", "detail"],
        ),
    ] {
        assert_eq!(violations(&get(request).await.unwrap()), names(&fields));
    }

    // The shape comes before the account, the account before the inbox.
    let shape = pb::GetInboxRequest {
        account_id: 999,
        inbox_id: -1,
        ..request()
    };
    assert_eq!(get(shape).await.unwrap().code(), Code::InvalidArgument);
    let account = pb::GetInboxRequest {
        account_id: 999,
        inbox_id: 999_999,
        ..request()
    };
    assert_eq!(get(account).await.unwrap().code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_lists_and_batches_name_their_fields() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let list = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        page_size: -1,
        channel_kinds: vec![1, 0, 99, 13],
        ..Default::default()
    };
    let status = client.list(list).await.err().unwrap();
    assert_eq!(
        violations(&status),
        names(&["channel_kinds[1]", "channel_kinds[2]", "page_size"])
    );

    let batch = |inbox_ids: Vec<i64>| pb::BatchGetInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        inbox_ids,
        ..Default::default()
    };
    for (inbox_ids, fields) in [
        (vec![], vec!["inbox_ids"]),
        ((1..=101).collect(), vec!["inbox_ids"]),
        (
            vec![1, 2, 1, 0, 2],
            vec!["inbox_ids[2]", "inbox_ids[3]", "inbox_ids[4]"],
        ),
    ] {
        let status = client.batch(batch(inbox_ids)).await.err().unwrap();
        assert_eq!(violations(&status), names(&fields));
    }
    assert!(client.batch(batch((1..=100).collect())).await.is_ok());
    // However much is wrong, the details stay small.
    let status = client.batch(batch(vec![-5; 100_000])).await.err().unwrap();
    assert!(status.details().len() < 4096, "{}", status.details().len());
}

fn names(fields: &[&str]) -> BTreeSet<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}
