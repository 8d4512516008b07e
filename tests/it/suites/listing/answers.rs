//! Inboxes that do not fit into a page come with the next one.

use prost::Message;

use super::{ACCOUNT, ADMINISTRATOR, large, page};
use crate::support::{Backend, Database, Program, pb};

on_both_databases!(
    a_page_ends_before_three_mebibytes,
    a_batch_ends_before_three_mebibytes
);

/// The largest answer that comes by default.
const THREE_MEBIBYTES: usize = 3 << 20;

/// Thirty inboxes of about 250 kB, and one of 4 MB, which is left out of it.
async fn heavy(backend: Backend) -> Database {
    let database = large(backend, 31).await;
    let (text, huge) = ("x".repeat(250_000), "y".repeat(4_000_000));
    database
        .execute(&format!(
            "UPDATE inboxes SET greeting_message = '{text}', name = 'inbox ' || (100 + id);
            UPDATE inboxes SET greeting_message = '{huge}' WHERE id = 15"
        ))
        .await;
    database
}

async fn a_page_ends_before_three_mebibytes(backend: Backend) {
    let database = heavy(backend).await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let mut request = page(ADMINISTRATOR, 1000, "");
    request.detail = pb::InboxDetail::Full.into();
    let (mut ids, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let answer = client.list(request.clone()).await.unwrap();
        let shown = answer.message.inboxes;
        assert!(!shown.is_empty());
        sizes.push(answer.bytes.len());
        ids.extend(shown.iter().map(|inbox| inbox.id));
        request.page_token = answer.message.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, (1..=31).collect::<Vec<_>>());
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(
        sizes.iter().all(|size| *size <= THREE_MEBIBYTES),
        "{sizes:?}"
    );
    // Not by half a page too early.
    assert!(sizes[0] > THREE_MEBIBYTES - 260_000, "{sizes:?}");
    client.ask_again(&server).await;
}

async fn a_batch_ends_before_three_mebibytes(backend: Backend) {
    let database = heavy(backend).await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let mut batch = pb::BatchGetInboxesRequest {
        account_id: ACCOUNT,
        viewer: Some(ADMINISTRATOR),
        inbox_ids: (1..=40).rev().collect(),
        ..Default::default()
    };
    let (mut ids, mut not_found, mut calls) = (Vec::new(), Vec::new(), 0);
    while !batch.inbox_ids.is_empty() {
        let answer = client.batch(batch.clone()).await.unwrap();
        calls += 1;
        assert!(answer.bytes.len() <= THREE_MEBIBYTES);
        assert_eq!(answer.bytes.len(), answer.message.encoded_len());
        ids.extend(answer.message.inboxes.iter().map(|inbox| inbox.id));
        not_found.extend(answer.message.not_found);
        batch.inbox_ids = answer.message.remaining_ids;
    }
    assert_eq!(ids, (1..=31).rev().collect::<Vec<_>>());
    assert_eq!(not_found, (32..=40).rev().collect::<Vec<_>>());
    assert_eq!(calls, 3);

    let order = pb::BatchGetInboxesRequest {
        inbox_ids: vec![2, 1, 99, 3],
        ..batch
    };
    let answer = client.batch(order).await.unwrap().message;
    assert_eq!(
        answer
            .inboxes
            .iter()
            .map(|inbox| inbox.id)
            .collect::<Vec<_>>(),
        [2, 1, 3]
    );
    assert_eq!((answer.not_found, answer.remaining_ids), (vec![99], vec![]));
    client.ask_again(&server).await;
}
