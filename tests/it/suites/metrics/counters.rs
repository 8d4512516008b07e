//! Counters beside those of calls: denials, values that cannot be read, and shared reads.

use futures_util::future::join_all;
use tonic::Code;

use crate::support::{Backend, Program, client::any_inbox, get_inbox, pb, viewer};

/// A caller that may little.
const CALLERS: &str = r#"version = 1
[[caller]]
name = "me"
local = true
[[caller.may]]
methods = ["GetInbox", "FindInboxes"]
accounts = ["1"]
as = { users = "any" }
detail = "basic"
"#;

/// A denial is counted by what its rule lacks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denials_are_counted_by_what_is_missing() {
    let database = Backend::Sqlite.golden();
    let program = Program::serving(&database).with_admin();
    let server = program.with_callers(CALLERS).start();
    let client = server.client().await;
    let basic = |account, viewer| pb::GetInboxRequest {
        detail: pb::InboxDetail::Basic.into(),
        ..get_inbox(account, 1, viewer)
    };
    client.get(basic(1, viewer::user(1))).await.unwrap();
    let list = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        ..Default::default()
    };
    let search = pb::FindInboxesRequest {
        viewer: Some(viewer::service()),
        key: Some(pb::find_inboxes_request::Key::Email("a@b.example".into())),
        ..Default::default()
    };
    let denied = [
        ("method", client.list(list).await.err()),
        ("account", client.get(basic(2, viewer::user(5))).await.err()),
        ("viewer", client.get(basic(1, viewer::bot(1))).await.err()),
        ("detail", client.get(any_inbox()).await.err()),
        ("search", client.find(search).await.err()),
    ];
    let scrape = server.scrape().await;
    for (needs, status) in denied {
        assert_eq!(status.unwrap().code(), Code::PermissionDenied, "{needs}");
        let labels = [("caller", "me"), ("needs", needs)];
        let count = scrape.count("leadchat_inbox_denied_total", &labels);
        assert_eq!(count, 1, "{needs}");
    }
    assert_eq!(scrape.count("leadchat_inbox_denied_total", &[]), 5);
}

/// A value that cannot be read is counted by the kind of its channel, which may be unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn degradations_are_counted_by_kind() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).with_admin().start();
    let client = server.client().await;
    let ask = async || {
        for inbox in [2, 3] {
            let request = get_inbox(1, inbox, viewer::user(1));
            client.get(request).await.unwrap();
        }
        let scrape = server.scrape().await;
        [
            ("unknown", "channel_type_unknown"),
            ("web_widget", "time_zone_unknown"),
        ]
        .map(|(kind, reason)| {
            let labels = [("kind", kind), ("reason", reason)];
            scrape.count("leadchat_inbox_degradations_total", &labels)
        })
    };
    assert_eq!(ask().await, [0, 0]);
    let spoil = "UPDATE inboxes SET channel_type = 'Channel::Nope' WHERE id = 2;
        UPDATE inboxes SET timezone = 'Mars/Olympus' WHERE id = 3";
    database.execute(spoil).await;
    assert_eq!(ask().await, [1, 1]);
}

/// A call that shares the read of another one is told apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_that_join_a_read_are_counted() {
    let database = Backend::Postgres.golden();
    let server = Program::caching(&database).with_admin().start();
    let client = server.client().await;
    let lock = database.lock_table("inboxes").await;
    let calls = join_all((0..10).map(|_| client.get(any_inbox())));
    let joined = [("cache", "excerpts"), ("result", "joined")];
    let counted = async {
        let lookups = "leadchat_inbox_cache_lookups_total";
        let joined = server.eventually_scraped(lookups, &joined, |it| it >= 1.0);
        joined.await;
        lock.release().await;
    };
    // On a busy machine they may have waited for the lock in vain.
    let _ = tokio::join!(calls, counted);
    client.get(any_inbox()).await.unwrap();
}
