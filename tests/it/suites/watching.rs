//! WatchInboxes: what is sent at first, what after each change, and how a watch ends.

mod changes;
mod ends;
mod limits;
mod polls;
mod requests;
mod slow;

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use crate::support::{Backend, Database, Program, pb, program::Server, viewer, watch::Watch};

const ADMINISTRATOR: i64 = 1;
/// A member of some of the inboxes.
const AGENT: i64 = 2;

/// Longer than any change takes to be seen.
const NO_EVENT_WINDOW: Duration = Duration::from_millis(1500);

/// A small account: five inboxes, of which the agent is a member of two.
pub(super) async fn small(backend: Backend) -> Database {
    let database = backend.empty();
    let now = "'2026-01-01', '2026-01-01'";
    let mut sql = format!(
        "INSERT INTO accounts (id, name, created_at, updated_at)
            VALUES (1, 'a', {now}), (2, 'b', {now});
        INSERT INTO users (id, name, created_at, updated_at)
            VALUES (1, 'u', {now}), (2, 'v', {now}), (3, 'w', {now});
        INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
            VALUES (1, 1, 1, {now}), (1, 2, 0, {now}), (2, 3, 1, {now});"
    );
    for id in 1..=5 {
        write!(
            sql,
            "INSERT INTO channel_api (id, account_id, identifier, hmac_token, created_at, updated_at)
                VALUES ({id}, 1, 'i{id}', 's{id}', {now});
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
                VALUES ({id}, 1, {id}, 'Channel::Api', 'inbox {id}', {now});"
        )
        .unwrap();
    }
    write!(
        sql,
        "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
            VALUES (2, 1, {now}), (2, 2, {now});"
    )
    .unwrap();
    database.execute(&sql).await;
    database
}

/// A server that polls often, and counts what it does.
pub(super) fn serving(database: &Database) -> Program {
    Program::serving(database)
        .env("MAX_STALENESS", "0.1")
        .with_admin()
}

/// An open watch that has had its first batch.
async fn synced(server: &Server, request: pb::WatchInboxesRequest) -> Watch {
    let mut watch = server.client().await.watch(request).await.unwrap();
    watch.batch().await.unwrap();
    watch
}

/// By their tags at first, which say which of them differ.
fn assert_holds(held: &BTreeMap<i64, pb::Inbox>, expected: &BTreeMap<i64, pb::Inbox>) {
    let tags = |inboxes: &BTreeMap<i64, pb::Inbox>| -> BTreeMap<i64, String> {
        let tags = inboxes.iter();
        tags.map(|(id, inbox)| (*id, inbox.etag.clone())).collect()
    };
    assert_eq!(tags(held), tags(expected));
    assert!(held == expected);
}

/// All inboxes that a viewer sees, as ListInboxes has them.
pub(super) async fn listed(server: &Server, viewer: pb::Viewer) -> BTreeMap<i64, pb::Inbox> {
    let request = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer),
        page_size: 1000,
        freshness: pb::Freshness::Latest.into(),
        ..Default::default()
    };
    let page = server.client().await.list(request).await.unwrap().message;
    assert!(page.next_page_token.is_empty());
    let inboxes = page.inboxes.into_iter();
    inboxes.map(|inbox| (inbox.id, inbox)).collect()
}

const fn user(id: i64) -> pb::Viewer {
    viewer::user(id)
}
