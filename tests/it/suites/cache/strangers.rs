//! Memory discloses nothing of hidden inboxes and foreign accounts: calls take as many
//! statements as for missing ones, however often they ask and whatever is in the cache.

use std::collections::BTreeSet;

use super::*;
use crate::support::{Backend, account::account, get_as_user};

on_both_databases!(hidden_and_missing_take_as_many_statements);

const ASKS: i64 = 200;
const MISSING_ACCOUNT: i64 = 999;

/// An agent without inboxes.
const AGENT: i64 = 3;

async fn hidden_and_missing_take_as_many_statements(backend: Backend) {
    // Thirteen each.
    let database = account(backend, 40).await;
    database
        .execute(
            "INSERT INTO users (id, name, created_at, updated_at)
                VALUES (3, 'a', '2026-01-01', '2026-01-01');
            INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                VALUES (1, 3, 0, '2026-01-01', '2026-01-01')",
        )
        .await;
    let server = caching(&database, 60).start();
    let client = server.client().await;

    // Another viewer has asked for the same inboxes.
    for inbox in 1..=ASKS {
        client.get(get_as_user(1, inbox, 1)).await.unwrap();
    }
    let hidden = |ask| get_as_user(1, 1 + ask, AGENT);
    let missing = |ask| get_as_user(1, 1_000_000 + ask, AGENT);
    let cold = [
        counts(&server, &client, hidden, 0..ASKS).await,
        counts(&server, &client, missing, 0..ASKS).await,
    ];
    assert_eq!(cold[0], cold[1]);
    assert!(!cold[0].contains(&0) && cold[0].len() == 1, "{cold:?}");
    let none = BTreeSet::from([0]);
    assert_eq!(counts(&server, &client, hidden, 0..ASKS).await, none);
    assert_eq!(counts(&server, &client, missing, 0..ASKS).await, none);

    // With the whole account in the cache, neither takes any the first time.
    client.all(1, viewer::user(1)).await;
    let more = ASKS..ASKS + 100;
    assert_eq!(counts(&server, &client, hidden, more.clone()).await, none);
    assert_eq!(counts(&server, &client, missing, more).await, none);

    // A stranger is not answered from it, but as if there were no such account.
    let stranger = |ask| get_as_user(1, 1, 5_000 + ask);
    let nowhere = |ask| get_as_user(MISSING_ACCOUNT, 1, 5_000 + ask);
    let foreign = counts(&server, &client, stranger, 0..ASKS).await;
    assert!(!foreign.contains(&0) && foreign.len() == 1, "{foreign:?}");
    assert_eq!(counts(&server, &client, nowhere, 0..ASKS).await, foreign);
    assert_eq!(counts(&server, &client, stranger, 0..ASKS).await, none);
    assert_eq!(counts(&server, &client, nowhere, 0..ASKS).await, none);
    println!(
        "cache {}: hidden and missing take {:?} statements, strangers {foreign:?}, then none",
        backend.name(),
        cold[0]
    );

    let mut of_lists = Vec::new();
    for account_id in [1, MISSING_ACCOUNT] {
        let mut counts = BTreeSet::new();
        for user in 7_000..7_050 {
            let list = pb::ListInboxesRequest {
                account_id,
                viewer: Some(viewer::user(user)),
                ..Default::default()
            };
            let count = Count::begin(&server).await;
            assert!(client.list(list).await.is_err());
            counts.extend(count.statements().await);
        }
        of_lists.push(counts);
    }
    assert_eq!(of_lists[0], of_lists[1]);
    assert!(!of_lists[0].contains(&0) && of_lists[0].len() == 1);
}

/// How many statements calls take that are refused.
async fn counts(
    server: &Server,
    client: &Client,
    request: impl Fn(i64) -> pb::GetInboxRequest,
    asks: std::ops::Range<i64>,
) -> BTreeSet<u64> {
    let mut counts = BTreeSet::new();
    for ask in asks {
        let count = Count::begin(server).await;
        assert!(client.get(request(ask)).await.is_err());
        counts.extend(count.statements().await);
    }
    counts
}
