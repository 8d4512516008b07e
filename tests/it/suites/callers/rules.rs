//! A rule must allow the whole question, in every method, on both databases.

use super::{demo, file, get, metadata, needs, on_socket, on_socket_with, rule};
use crate::support::{Backend, Client, pb, pb::find_inboxes_request::Key, viewer};

on_both_databases!(every_part_of_a_question_is_decided_in_every_method);

const BASIC: i32 = pb::InboxDetail::Basic as i32;
const FULL: i32 = pb::InboxDetail::Full as i32;

/// The missing part, for each method.
async fn needs_of_all(
    client: &Client,
    account: i64,
    viewer: pb::Viewer,
    detail: i32,
) -> Vec<String> {
    let viewer = Some(viewer);
    let get = client.get(pb::GetInboxRequest {
        account_id: account,
        inbox_id: 1,
        viewer,
        detail,
        ..Default::default()
    });
    let list = client.list(pb::ListInboxesRequest {
        account_id: account,
        viewer,
        detail,
        ..Default::default()
    });
    let batch = client.batch(pb::BatchGetInboxesRequest {
        account_id: account,
        inbox_ids: vec![1],
        viewer,
        detail,
        ..Default::default()
    });
    let find = client.find(pb::FindInboxesRequest {
        account_id: Some(account),
        viewer,
        detail,
        key: Some(Key::FacebookPageId("1".to_owned())),
        ..Default::default()
    });
    let said = [
        get.await.err(),
        list.await.err(),
        batch.await.err(),
        find.await.err(),
    ];
    let needs = said.iter().map(|status| match status {
        Some(status) => needs(status),
        None => "nothing".to_owned(),
    });
    needs.collect()
}

async fn every_part_of_a_question_is_decided_in_every_method(backend: Backend) {
    let database = backend.golden();
    let rules = "accounts = [\"1\", \"3-4\"]\nas = { users = \"any\" }";
    let server = on_socket(&database, &file(&rule(rules)));
    let client = server.client().await;
    for (account, asker, detail, missing) in [
        (1, viewer::user(1), BASIC, "nothing"),
        (2, viewer::user(1), BASIC, "account"),
        (5, viewer::user(1), BASIC, "account"),
        // Accounts that do not exist are refused alike.
        (999_999, viewer::user(1), BASIC, "account"),
        (1, viewer::service(), BASIC, "viewer"),
        (1, viewer::bot(1), BASIC, "viewer"),
        (1, viewer::user(1), FULL, "detail"),
        (1, viewer::user(1), 0, "detail"),
    ] {
        let before = server.statements().await;
        let said = needs_of_all(&client, account, asker, detail).await;
        assert_eq!(said, [missing; 4], "{account} {detail}");
        let is_read = server.statements().await > before;
        assert_eq!(is_read, missing == "nothing", "{account} {detail}");
    }
    // The shape is checked before, the method before that.
    let status = get(&client, 0, viewer::user(1)).await.unwrap_err();
    assert_eq!(crate::support::reason(&status), "INVALID_REQUEST");
    let one = "[[caller.may]]\nmethods = [\"ListInboxes\"]\naccounts = [\"*\"]\nas = { users = \"any\" }\n";
    let server = on_socket(&database, &file(one));
    let client = server.client().await;
    let said = needs_of_all(&client, 1, viewer::user(1), BASIC).await;
    assert_eq!(said, ["method", "nothing", "method", "method"]);
    let status = get(&client, 0, viewer::user(1)).await.unwrap_err();
    assert_eq!(needs(&status), "method");
}

/// Which accounts exist, and how they are, is not learned from a refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_equal_whatever_is_stored() {
    let database = Backend::Sqlite.golden();
    let rules = rule("accounts = [\"4711\"]\nas = { users = \"any\", itself = true }");
    let server = on_socket(&database, &file(&rules));
    let client = server.client().await;
    let before = server.statements().await;
    let mut said = Vec::new();
    for (account, asker) in [
        (1, viewer::user(1)),
        (1, viewer::user(999)),
        (2, viewer::service()),
        (888_888, viewer::service()),
    ] {
        let status = get(&client, account, asker).await.unwrap_err();
        // A map has no order, not even in bytes.
        let length = status.details().len();
        said.push((status.message().to_owned(), metadata(&status), length));
    }
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(server.statements().await, before);
}

/// A search of all accounts needs a rule of its own, and stays in its accounts. The page of
/// the demonstration data belongs to inboxes of accounts 1 and 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_stays_in_the_accounts_of_its_rule() {
    let serve = |everywhere: bool, accounts: &str| {
        let rules = rule(&format!(
            "accounts = [{accounts}]\neverywhere = {everywhere}\nas = {{ itself = true }}"
        ));
        on_socket_with(demo(), &file(&rules))
    };
    let find = |detail| pb::FindInboxesRequest {
        viewer: Some(viewer::service()),
        detail,
        key: Some(Key::FacebookPageId("555000000000104".to_owned())),
        ..Default::default()
    };
    let server = serve(false, "\"*\"");
    let status = server.client().await.find(find(BASIC)).await.unwrap_err();
    assert_eq!(needs(&status), "search");
    for (accounts, inboxes) in [
        ("\"*\"", vec![4, 23]),
        ("\"2-3\"", vec![23]),
        ("\"1\"", vec![4]),
        ("\"4\"", vec![]),
    ] {
        let server = serve(true, accounts);
        let client = server.client().await;
        let found = client.find(find(BASIC)).await.unwrap().message;
        let ids: Vec<_> = found.inboxes.iter().map(|inbox| inbox.id).collect();
        assert_eq!(ids, inboxes, "{accounts}");
        assert_eq!(found.disclosed_as, i32::from(pb::Role::Agent));
        assert_eq!(needs(&client.find(find(FULL)).await.unwrap_err()), "detail");
    }
}

/// A page token has no authority in it: each caller is judged anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_tokens_lend_nothing() {
    let database = Backend::Sqlite.golden();
    let list = |page_token: String| pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        page_size: 5,
        page_token,
        ..Default::default()
    };
    let with = |more: &str| {
        let rule = rule(&format!(
            "as = {{ users = \"any\" }}\ndetail = \"full\"\n{more}"
        ));
        on_socket(&database, &file(&rule))
    };
    let all = with("accounts = [\"1\"]\nsecrets = [\"signing\", \"imap\", \"smtp\"]");
    let token = all.client().await.list(list(String::new())).await.unwrap();
    let token = token.message.next_page_token;
    assert!(!token.is_empty());
    let other = with("accounts = [\"2\"]");
    let status = other.client().await.list(list(token.clone())).await;
    let status = status.unwrap_err();
    assert_eq!(needs(&status), "account");
    let without = with("accounts = [\"1\"]");
    let page = without
        .client()
        .await
        .list(list(token))
        .await
        .unwrap()
        .message;
    assert_eq!(page.disclosed_as, i32::from(pb::Role::Agent));
}
