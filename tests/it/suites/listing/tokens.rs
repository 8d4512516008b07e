//! Page tokens hold for the request that they were made for, and no other.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{ADMINISTRATOR, large, page};
use crate::support::{Backend, Program, pb, viewer};

pub fn refusal(outcome: Result<impl Sized, Status>) -> (Code, String) {
    let status = outcome.err().expect("an error");
    // Whatever is wrong with the request, its field is named.
    assert_eq!(
        status.get_details_bad_request().is_some(),
        status.code() == Code::InvalidArgument
    );
    (
        status.code(),
        status.get_details_error_info().unwrap().reason,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_hold_for_their_request_alone() {
    let database = Backend::Sqlite.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let first = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(7)),
        detail: pb::InboxDetail::Full.into(),
        page_size: 1,
        page_token: String::new(),
        channel_kinds: vec![pb::ChannelKind::Email.into(), pb::ChannelKind::Api.into()],
        name_prefix: "More".to_owned(),
        ..Default::default()
    };
    let token = client
        .list(first.clone())
        .await
        .unwrap()
        .message
        .next_page_token;
    let next = pb::ListInboxesRequest {
        page_token: token.clone(),
        ..first.clone()
    };

    // The same request; also spelled differently, and with another page size.
    for same in [
        next.clone(),
        pb::ListInboxesRequest {
            page_size: 50,
            ..next.clone()
        },
        pb::ListInboxesRequest {
            detail: 0,
            ..next.clone()
        },
        pb::ListInboxesRequest {
            name_prefix: "mORE".to_owned(),
            ..next.clone()
        },
        pb::ListInboxesRequest {
            channel_kinds: [next.channel_kinds.clone(), next.channel_kinds.clone()].concat(),
            ..next.clone()
        },
    ] {
        assert!(client.list(same).await.is_ok());
    }
    // Another one.
    for other in [
        pb::ListInboxesRequest {
            account_id: 2,
            ..next.clone()
        },
        pb::ListInboxesRequest {
            viewer: Some(viewer::user(1)),
            ..next.clone()
        },
        pb::ListInboxesRequest {
            viewer: Some(viewer::bot(7)),
            ..next.clone()
        },
        pb::ListInboxesRequest {
            viewer: Some(viewer::service()),
            ..next.clone()
        },
        pb::ListInboxesRequest {
            detail: pb::InboxDetail::Basic.into(),
            ..next.clone()
        },
        pb::ListInboxesRequest {
            channel_kinds: vec![],
            ..next.clone()
        },
        pb::ListInboxesRequest {
            channel_kinds: vec![pb::ChannelKind::Email.into()],
            ..next.clone()
        },
        pb::ListInboxesRequest {
            name_prefix: String::new(),
            ..next.clone()
        },
        pb::ListInboxesRequest {
            name_prefix: "Mor".to_owned(),
            ..next.clone()
        },
    ] {
        let refused = refusal(client.list(other).await);
        assert_eq!(
            refused,
            (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned())
        );
    }
    client.ask_again(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_carry_no_authority() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let first = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(7)),
        page_size: 1,
        ..Default::default()
    };
    let page_token = client
        .list(first.clone())
        .await
        .unwrap()
        .message
        .next_page_token;
    let next = pb::ListInboxesRequest {
        page_token,
        ..first
    };
    // Another replica takes it.
    let other = Program::serving(&database)
        .without_env("SECRET_KEY_BASE")
        .start();
    assert!(other.client().await.list(next.clone()).await.is_ok());
    database
        .execute("UPDATE account_users SET role = 0 WHERE user_id = 7 AND account_id = 1")
        .await;
    assert!(
        client
            .list(next.clone())
            .await
            .unwrap()
            .message
            .inboxes
            .is_empty()
    );
    database
        .execute("DELETE FROM account_users WHERE user_id = 7 AND account_id = 1")
        .await;
    assert_eq!(refusal(client.list(next).await).0, Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_tokens_are_refused() {
    let database = large(Backend::Sqlite, 3).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let token = client
        .list(page(ADMINISTRATOR, 1, ""))
        .await
        .unwrap()
        .message
        .next_page_token;
    let mut damaged: Vec<String> = (1..token.len())
        .map(|end| token[..end].to_owned())
        .collect();
    for at in 0..token.len() {
        for other in ["A", "b", "0", "_", "=", "é", " "] {
            damaged.push(format!("{}{other}{}", &token[..at], &token[at + 1..]));
        }
    }
    damaged.extend([format!("{token}A"), "x".to_owned(), "A".repeat(100_000)]);
    for damaged in damaged {
        if damaged != token {
            let refused = refusal(client.list(page(ADMINISTRATOR, 1, &damaged)).await);
            assert_eq!(
                refused,
                (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned()),
                "{damaged}"
            );
        }
    }
    assert!(!server.log().contains("panic"));
}
