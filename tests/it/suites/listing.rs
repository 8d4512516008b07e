//! Lists and batches: order, pages and filters; page tokens; what does not fit
//! into an answer.

use std::collections::BTreeSet;

use crate::support::{Backend, Client, Database, Program, client::retried, pb, viewer};

mod answers;
mod tokens;

use tokens::refusal;

on_both_databases!(
    order_is_by_folded_name_then_id,
    pages_cover_ten_thousand_inboxes_once_each,
    an_agent_in_three_far_inboxes_gets_these,
    pages_continue_across_inserts_and_deletes,
    filters_apply_before_the_page_is_cut,
    pages_continue_after_long_names,
    basic_detail_is_what_a_picker_needs,
    page_sizes_are_bounded,
);

const ADMINISTRATOR: pb::Viewer = viewer::user(1);
const ACCOUNT: i64 = 50;

async fn order_is_by_folded_name_then_id(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    for (account, user) in [(1, 1), (2, 5), (3, 9)] {
        let listed: Vec<_> = client
            .all(account, viewer::user(user))
            .await
            .into_iter()
            .map(|inbox| (inbox.name, inbox.id))
            .collect();
        let mut ordered = listed.clone();
        ordered.sort_by_key(|(name, id)| (name.to_lowercase(), *id));
        assert_eq!(listed, ordered);
        assert!(listed.len() >= 17);
    }
    client.ask_again(&server).await;
}

/// An account of `count` inboxes, named `Inbox <number>` in mixed case, over one
/// widget. User 1 is its administrator; user 2 an agent, member of none.
async fn large(backend: Backend, count: u32) -> Database {
    let database = backend.empty();
    database
        .execute(&format!(
            "INSERT INTO accounts (id, name, created_at, updated_at)
                VALUES ({ACCOUNT}, 'Large', '2026-01-01', '2026-01-01');
            INSERT INTO users (id, name, created_at, updated_at) VALUES
                (1, 'Administrator', '2026-01-01', '2026-01-01'),
                (2, 'Agent', '2026-01-01', '2026-01-01');
            INSERT INTO account_users (account_id, user_id, role, created_at, updated_at) VALUES
                ({ACCOUNT}, 1, 1, '2026-01-01', '2026-01-01'),
                ({ACCOUNT}, 2, 0, '2026-01-01', '2026-01-01');
            INSERT INTO channel_web_widgets (id, account_id, website_token, created_at, updated_at)
                VALUES (1, {ACCOUNT}, 'token', '2026-01-01', '2026-01-01');
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
                SELECT i, {ACCOUNT}, 1, 'Channel::WebWidget',
                    CASE i % 2 WHEN 0 THEN 'Inbox ' ELSE 'INBOX ' END || (i * 7919) % 5000,
                    '2026-01-01', '2026-01-01' FROM n;"
        ))
        .await;
    database
}

fn page(viewer: pb::Viewer, page_size: i32, page_token: &str) -> pb::ListInboxesRequest {
    pb::ListInboxesRequest {
        account_id: ACCOUNT,
        viewer: Some(viewer),
        detail: pb::InboxDetail::Basic.into(),
        page_size,
        page_token: page_token.to_owned(),
        ..Default::default()
    }
}

/// Follows the tokens from one on; `between` is told of every page.
async fn walk(
    client: &Client,
    viewer: pb::Viewer,
    page_size: i32,
    mut between: impl AsyncFnMut(&pb::ListInboxesResponse),
) -> Vec<(String, i64)> {
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        // A busy machine may not read ten thousand inboxes within the limits of a read.
        let answer = retried(|| client.list(page(viewer, page_size, &token)))
            .await
            .unwrap()
            .message;
        assert!(answer.inboxes.len() <= usize::try_from(page_size).unwrap());
        assert!(!answer.inboxes.is_empty() || answer.next_page_token.is_empty());
        seen.extend(
            answer
                .inboxes
                .iter()
                .map(|inbox| (inbox.name.clone(), inbox.id)),
        );
        between(&answer).await;
        token = answer.next_page_token;
        if token.is_empty() {
            return seen;
        }
    }
}

async fn pages_cover_ten_thousand_inboxes_once_each(backend: Backend) {
    let database = large(backend, 10_000).await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let mut pages = 0;
    let seen = walk(&client, ADMINISTRATOR, 1000, async |_| pages += 1).await;
    assert_eq!(pages, 10);
    assert_eq!(seen.len(), 10_000);
    let mut ordered = seen.clone();
    ordered.sort_by_key(|(name, id)| (name.to_lowercase(), *id));
    ordered.dedup();
    assert_eq!(seen, ordered);
    client.ask_again(&server).await;
}

async fn an_agent_in_three_far_inboxes_gets_these(backend: Backend) {
    let database = large(backend, 10_000).await;
    database
        .execute(
            "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at) VALUES
                (2, 1, '2026-01-01', '2026-01-01'), (2, 5000, '2026-01-01', '2026-01-01'),
                (2, 9999, '2026-01-01', '2026-01-01')",
        )
        .await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    for page_size in [1, 2, 3, 100] {
        let mut pages = 0;
        let seen = walk(&client, viewer::user(2), page_size, async |_| pages += 1).await;
        let ids: BTreeSet<_> = seen.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids, BTreeSet::from([1, 5000, 9999]));
        // Not one page more: nothing counts what is not visible.
        assert_eq!(pages, (3 + page_size - 1) / page_size);
    }
    client.ask_again(&server).await;
}

async fn pages_continue_across_inserts_and_deletes(backend: Backend) {
    let database = large(backend, 300).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let whole = walk(&client, ADMINISTRATOR, 1000, async |_| {}).await;

    let mut round = 0;
    let mut deleted = BTreeSet::new();
    let seen = walk(&client, ADMINISTRATOR, 20, async |answer| {
        round += 1;
        // The last one of the page, on which the token stands, and the very next
        // ones; and newcomers before, at, and after the place.
        let last = answer.inboxes.last().unwrap();
        let place = whole.iter().position(|(_, id)| *id == last.id);
        let next = place.and_then(|place| whole.get(place + 3)).map_or(last.id, |(_, id)| *id);
        deleted.extend([last.id, next]);
        let id = 1000 + round * 10;
        let sql = format!(
            "DELETE FROM inboxes WHERE id IN ({}, {next});
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
            VALUES ({id}, {ACCOUNT}, 1, 'Channel::WebWidget', 'A first', '2026-01-01', '2026-01-01'),
                ({id} + 1, {ACCOUNT}, 1, 'Channel::WebWidget', '{}', '2026-01-01', '2026-01-01'),
                ({id} + 2, {ACCOUNT}, 1, 'Channel::WebWidget', 'z last', '2026-01-01', '2026-01-01')",
            last.id, last.name
        );
        if round <= 12 {
            database.execute(&sql).await;
        }
    })
    .await;

    let ids: Vec<_> = seen.iter().map(|(_, id)| *id).collect();
    let distinct: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "something came twice");
    for (name, id) in &whole {
        assert!(
            distinct.contains(id) || deleted.contains(id),
            "{name} ({id}) was skipped"
        );
    }
    assert!(round > 12);
}

async fn filters_apply_before_the_page_is_cut(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let list = async |kinds: &[pb::ChannelKind], prefix: &str, page_size| {
        let request = pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(ADMINISTRATOR),
            channel_kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
            name_prefix: prefix.to_owned(),
            page_size,
            ..Default::default()
        };
        let answer = client.list(request).await.unwrap().message;
        (
            answer
                .inboxes
                .iter()
                .map(|inbox| inbox.id)
                .collect::<Vec<_>>(),
            answer.next_page_token,
        )
    };
    let (voice, token) = list(&[pb::ChannelKind::Voice], "", 3).await;
    assert_eq!(voice, [241, 242, 243]);
    assert!(token.is_empty());
    let two = [
        pb::ChannelKind::Line,
        pb::ChannelKind::Voice,
        pb::ChannelKind::Line,
    ];
    assert_eq!(list(&two, "", 100).await.0, [211, 212, 241, 242, 243]);
    // Case does not matter, on either side, in any script.
    assert_eq!(list(&[], "ÄPFEL", 100).await.0, [3, 4]);
    assert_eq!(list(&[], "ω", 100).await.0, [123, 124]);
    assert_eq!(list(&[], "aPPle", 100).await.0, [2, 131, 132]);
    assert_eq!(
        list(&[pb::ChannelKind::WebWidget], "apple", 100).await.0,
        [2]
    );
    assert_eq!(list(&[], "More inbox 4", 100).await.0, [167, 243]);
    // The prefix is a text, not a pattern.
    assert_eq!(list(&[], "%", 100).await.0, [0_i64; 0]);
    assert_eq!(list(&[], "_under", 100).await.0, [13]);
    client.ask_again(&server).await;
}

async fn pages_continue_after_long_names(backend: Backend) {
    let database = large(backend, 30).await;
    let beginning = "Ä".repeat(100_000);
    database
        .execute(&format!(
            "UPDATE inboxes SET name = '{beginning}' || (100 + id)"
        ))
        .await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let mut longest = 0;
    let seen = walk(&client, ADMINISTRATOR, 7, async |answer| {
        longest = longest.max(answer.next_page_token.len());
    })
    .await;
    assert_eq!(
        seen.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        (1..=30).collect::<Vec<_>>()
    );
    assert!(longest < 1024, "{longest}");
    client.ask_again(&server).await;
}

async fn basic_detail_is_what_a_picker_needs(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    for viewer in [ADMINISTRATOR, viewer::service()] {
        let mut compared = 0;
        for full in client.all(1, viewer).await {
            let request = pb::GetInboxRequest {
                account_id: 1,
                inbox_id: full.id,
                viewer: Some(viewer),
                detail: pb::InboxDetail::Basic.into(),
                ..Default::default()
            };
            let basic = client.get(request).await.unwrap().message.inbox.unwrap();
            let expected = pb::Inbox {
                id: full.id,
                account_id: 1,
                name: full.name,
                channel_kind: full.channel_kind,
                channel_type: full.channel_type,
                channel_id: full.channel_id,
                avatar_url: full.avatar_url,
                etag: full.etag,
                degradations: full
                    .degradations
                    .into_iter()
                    .filter(|degradation| degradation.field == "avatar_url")
                    .collect(),
                ..Default::default()
            };
            assert!(basic == expected, "inbox {}", full.id);
            compared += 1;
        }
        assert_eq!(compared, 88);
    }
    client.ask_again(&server).await;
}

async fn page_sizes_are_bounded(backend: Backend) {
    let database = large(backend, 1500).await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let count = async |page_size| {
        client
            .list(page(ADMINISTRATOR, page_size, ""))
            .await
            .map(|answer| answer.message.inboxes.len())
    };
    assert_eq!(count(0).await.unwrap(), 100);
    assert_eq!(count(1).await.unwrap(), 1);
    assert_eq!(count(1000).await.unwrap(), 1000);
    assert_eq!(count(1001).await.unwrap(), 1000);
    assert_eq!(count(i32::MAX).await.unwrap(), 1000);
    for negative in [-1, i32::MIN] {
        assert_eq!(refusal(count(negative).await).1, "INVALID_REQUEST");
    }
    client.ask_again(&server).await;
}
