//! Answers with several owners: their order, those that do not fit, and the statements that
//! they cost.

use super::{accounts, everywhere, found, rows, within};
use crate::support::{Backend, Program, get_inbox, pb, pb::find_inboxes_request::Key, viewer};

on_both_databases!(
    several_inboxes_own_an_address,
    results_that_do_not_fit_are_named,
    statements_are_as_many_for_many_accounts,
);

async fn several_inboxes_own_an_address(backend: Backend) {
    let database = backend.empty();
    accounts(&database, 1..=3).await;
    rows(
        &database,
        backend,
        &[
            (30, 1, "FacebookPage", "page_id, instagram_id", "'p', 'ig'"),
            (20, 2, "FacebookPage", "page_id, instagram_id", "'p', 'ig'"),
            (
                10,
                3,
                "Instagram",
                "instagram_id, access_token, expires_at",
                "'ig', 't', '2030-01-01'",
            ),
        ],
    )
    .await;
    // Two inboxes on one channel, and a channel of another class with its id.
    database
        .execute(
            "INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
                VALUES (5, 1, 30, 'Channel::FacebookPage', 'n', '2026-01-01', '2026-01-01'),
                    (6, 1, 30, 'Channel::Instagram', 'n', '2026-01-01', '2026-01-01')",
        )
        .await;
    let server = Program::caching(&database)
        .arg("--local-role")
        .arg("administrator")
        .start();
    let client = server.client().await.asking_twice();
    let page = || Key::FacebookPageId("p".to_owned());
    assert_eq!(found(&client, everywhere(page())).await, [5, 30, 20]);
    assert_eq!(
        found(&client, within(1, viewer::service(), page())).await,
        [5, 30]
    );
    let instagram = Key::InstagramId("ig".to_owned());
    assert_eq!(found(&client, everywhere(instagram)).await, [5, 30, 20, 10]);
    let answer = client.find(everywhere(page())).await.unwrap().message;
    assert!(answer.disclosed_as() == pb::Role::Administrator);
    // As any other call shows them.
    for inbox in answer.inboxes {
        let get = get_inbox(inbox.account_id, inbox.id, viewer::service());
        let got = client.get(get).await.unwrap().message.inbox;
        assert!(got == Some(inbox));
    }
    client.ask_again(&server).await;
}

async fn results_that_do_not_fit_are_named(backend: Backend) {
    let database = backend.empty();
    let large = "x".repeat(1 << 20);
    accounts(&database, 1..=5).await;
    for id in 1..=5 {
        let page = (id, id, "FacebookPage", "page_id", "'p'");
        rows(&database, backend, &[page]).await;
    }
    database
        .execute(&format!("UPDATE inboxes SET greeting_message = '{large}'"))
        .await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let request = everywhere(Key::FacebookPageId("p".to_owned()));
    let answer = client.find(request).await.unwrap();
    assert!(answer.bytes.len() < 3 << 20);
    let ids: Vec<_> = answer
        .message
        .inboxes
        .iter()
        .map(|inbox| inbox.id)
        .collect();
    assert_eq!(ids, [1, 2]);
    let remaining = answer.message.remaining.iter();
    let remaining: Vec<_> = remaining.map(|it| (it.account_id, it.inbox_id)).collect();
    assert_eq!(remaining, [(3, 3), (4, 4), (5, 5)]);
    client.ask_again(&server).await;
}

async fn statements_are_as_many_for_many_accounts(backend: Backend) {
    let mut counts = Vec::new();
    for many in [1, 50] {
        let database = backend.empty();
        accounts(&database, 1..=many).await;
        for id in 1..=many {
            let page = (id, id, "FacebookPage", "page_id", "'p'");
            rows(&database, backend, &[page]).await;
        }
        let server = Program::serving(&database).with_admin().start();
        let client = server.client().await;
        let key = || Key::FacebookPageId("p".to_owned());
        for (request, expected) in [
            (everywhere(key()), many),
            (within(1, viewer::service(), key()), 1),
        ] {
            let before = server.statements().await;
            let ids = found(&client, request).await;
            assert_eq!(ids.len(), usize::try_from(expected).unwrap());
            counts.push(server.statements().await - before);
        }
    }
    println!("statements {} FindInboxes: {counts:?}", backend.name());
    assert_eq!(counts[0..2], counts[2..4]);
    assert!(counts.iter().all(|count| *count <= 12), "{counts:?}");
}
