//! Visibility of inboxes: hidden inboxes cannot be distinguished from missing ones.

use std::collections::BTreeSet;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{Backend, Client, Database, Program, get_inbox, golden, pb, viewer};

on_both_databases!(
    users_see_what_the_index_showed,
    users_see_what_their_rows_say,
    bots_see_the_inboxes_they_are_active_in,
    services_see_every_inbox,
    suspension_is_disclosed_to_members_only,
    missing_foreign_and_not_visible_are_the_same_bytes,
    missing_account_and_stranger_are_the_same_bytes,
    roles_are_read_anew_for_every_call,
);

async fn users_see_what_the_index_showed(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let mut compared = 0;
    for shown in golden::visible() {
        // The index refuses bots; here they are served.
        let Ok(user) = shown.principal.parse() else {
            continue;
        };
        compared += 1;
        let outcome = ids(&client, shown.account_id, viewer::user(user)).await;
        let who = format!("account {}, user {user}", shown.account_id);
        match (shown.http_status, outcome) {
            (200, Ok(ids)) => {
                assert_eq!(ids, shown.inbox_ids.unwrap().into_iter().collect(), "{who}");
            }
            (401, Err(status)) => {
                let suspended = (shown.account_id, user) == (4, 17);
                let reason = if suspended {
                    "ACCOUNT_SUSPENDED"
                } else {
                    "ACCESS_DENIED"
                };
                assert_eq!(denied(&status), reason, "{who}");
            }
            // The index raised over rows that are served here.
            (500, Ok(ids)) => assert_eq!(ids.len(), 17, "{who}"),
            (http, outcome) => panic!("{who}: {http}, {outcome:?}"),
        }
    }
    assert_eq!(compared, 44);
    println!("visible {}: {compared} users and accounts", backend.name());
    client.ask_again(&server).await;
}

/// All users, also those that the oracle was not asked about, against the rule
/// in SQL.
async fn users_see_what_their_rows_say(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    for account in 1..=3 {
        let every = selected(
            &database,
            &format!("SELECT id FROM inboxes WHERE account_id = {account}"),
        )
        .await;
        for user in 1..=17 {
            let belongs = format!(
                "SELECT id FROM account_users WHERE account_id = {account} AND user_id = {user}"
            );
            let outcome = ids(&client, account, viewer::user(user)).await;
            if selected(&database, &belongs).await.is_empty() {
                assert_eq!(denied(&outcome.unwrap_err()), "ACCESS_DENIED");
                continue;
            }
            let visible = format!(
                "SELECT i.id FROM inboxes i WHERE i.account_id = {account} AND (
                    EXISTS (SELECT 1 FROM account_users u WHERE u.account_id = {account}
                        AND u.user_id = {user} AND u.role = 1)
                    OR EXISTS (SELECT 1 FROM inbox_members m WHERE m.user_id = {user}
                        AND m.inbox_id = i.id))"
            );
            let visible = selected(&database, &visible).await;
            assert_eq!(outcome.unwrap(), visible, "account {account}, user {user}");
            for id in &every {
                let seen = get(&client, account, *id, viewer::user(user)).await.is_ok();
                assert_eq!(seen, visible.contains(id), "inbox {id}, user {user}");
            }
        }
    }
    client.ask_again(&server).await;
}

async fn bots_see_the_inboxes_they_are_active_in(backend: Backend) {
    let database = backend.golden();
    database
        .execute(
            "INSERT INTO agent_bots (id, name, account_id, created_at, updated_at) VALUES
                (50, 'of account 2', 2, '2026-01-01', '2026-01-01');
            INSERT INTO agent_bot_inboxes (inbox_id, agent_bot_id, status, account_id, created_at, updated_at)
            VALUES
                (5, 1, 0, 1, '2026-01-01', '2026-01-01'),
                (6, 1, 1, 1, '2026-01-01', '2026-01-01'),
                (7, 1, NULL, 1, '2026-01-01', '2026-01-01'),
                (301, 1, 0, 2, '2026-01-01', '2026-01-01'),
                (302, 2, 0, NULL, '2026-01-01', '2026-01-01'),
                (8, 50, 0, 1, '2026-01-01', '2026-01-01')",
        )
        .await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let sees = async |account, bot| ids(&client, account, viewer::bot(bot)).await;

    // The account's own: active rows alone, and of this account.
    assert_eq!(sees(1, 1).await.unwrap(), BTreeSet::from([5]));
    assert_eq!(denied(&sees(2, 1).await.unwrap_err()), "ACCESS_DENIED");
    // The system's: in every account, what it is connected to there.
    assert_eq!(sees(1, 2).await.unwrap(), BTreeSet::from([1]));
    assert_eq!(sees(2, 2).await.unwrap(), BTreeSet::from([302]));
    assert_eq!(sees(3, 2).await.unwrap(), BTreeSet::new());
    // Another account's, though connected here; and none at all.
    assert_eq!(denied(&sees(1, 50).await.unwrap_err()), "ACCESS_DENIED");
    assert_eq!(sees(2, 50).await.unwrap(), BTreeSet::new());
    assert_eq!(denied(&sees(1, 999).await.unwrap_err()), "ACCESS_DENIED");

    // With an agent's fields, in a single look too.
    let answer = get(&client, 1, 5, viewer::bot(1)).await.unwrap();
    assert_eq!(answer.disclosed_as().as_str_name(), "ROLE_AGENT");
    for hidden in [6, 7, 8, 301] {
        let status = get(&client, 1, hidden, viewer::bot(1)).await.err().unwrap();
        assert_eq!(status.code(), Code::NotFound, "{hidden}");
    }
    client.ask_again(&server).await;
}

async fn services_see_every_inbox(backend: Backend) {
    let database = backend.golden();
    for (role, name) in [
        ("agent", "ROLE_AGENT"),
        ("administrator", "ROLE_ADMINISTRATOR"),
    ] {
        let server = Program::caching(&database)
            .arg("--local-role")
            .arg(role)
            .start();
        let client = server.client().await.asking_twice();
        let list = pb::ListInboxesRequest {
            account_id: 2,
            viewer: Some(viewer::service()),
            ..Default::default()
        };
        let answer = client.list(list).await.unwrap().message;
        assert_eq!(answer.inboxes.len(), 17);
        assert_eq!(answer.disclosed_as().as_str_name(), name);
        let answer = get(&client, 2, 301, viewer::service()).await.unwrap();
        assert_eq!(answer.disclosed_as().as_str_name(), name);
        let status = get(&client, 2, 1, viewer::service()).await.err().unwrap();
        assert_eq!(status.code(), Code::NotFound);
        client.ask_again(&server).await;
    }
}

async fn suspension_is_disclosed_to_members_only(backend: Backend) {
    let database = backend.golden();
    database
        .execute(
            "INSERT INTO users (id, name, created_at, updated_at)
                VALUES (50, 'u', '2026-01-01', '2026-01-01');
            INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                VALUES (4, 50, 0, '2026-01-01', '2026-01-01')",
        )
        .await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    for belongs in [
        viewer::user(17),
        viewer::user(50),
        viewer::bot(2),
        viewer::service(),
    ] {
        assert_eq!(
            denied(&ids(&client, 4, belongs).await.unwrap_err()),
            "ACCOUNT_SUSPENDED"
        );
        let status = get(&client, 4, 1, belongs).await.err().unwrap();
        assert_eq!(denied(&status), "ACCOUNT_SUSPENDED");
    }
    for stranger in [
        viewer::user(1),
        viewer::user(14),
        viewer::bot(1),
        viewer::user(999),
    ] {
        assert_eq!(
            denied(&ids(&client, 4, stranger).await.unwrap_err()),
            "ACCESS_DENIED"
        );
    }
    // Any other status is active.
    client.ask_again(&server).await;
    database
        .execute("UPDATE accounts SET status = 2 WHERE id = 4")
        .await;
    assert!(ids(&client, 4, viewer::user(17)).await.is_ok());
    client.ask_again(&server).await;
    database
        .execute("UPDATE accounts SET status = NULL WHERE id = 4")
        .await;
    assert!(ids(&client, 4, viewer::user(17)).await.is_ok());
    client.ask_again(&server).await;
}

async fn missing_foreign_and_not_visible_are_the_same_bytes(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    // User 2 is a member of inbox 1, and not of inbox 3.
    let mut statuses = Vec::new();
    for inbox in [3, 301, 999_999, i64::MAX] {
        statuses.push(get(&client, 1, inbox, viewer::user(2)).await.err().unwrap());
    }
    statuses.push(get(&client, 1, 301, viewer::user(1)).await.err().unwrap());
    statuses.push(
        get(&client, 1, 999_999, viewer::service())
            .await
            .err()
            .unwrap(),
    );
    statuses.push(get(&client, 1, 301, viewer::bot(2)).await.err().unwrap());
    assert_eq!(statuses[0].code(), Code::NotFound);
    assert_same_bytes(&statuses);

    let batch = pb::BatchGetInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(2)),
        inbox_ids: vec![999_999, 3, 1, 301],
        ..Default::default()
    };
    let answer = client.batch(batch).await.unwrap().message;
    assert_eq!(answer.not_found, [999_999, 3, 301]);
    assert_eq!(answer.inboxes.len(), 1);
    client.ask_again(&server).await;
}

async fn missing_account_and_stranger_are_the_same_bytes(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let mut statuses = Vec::new();
    for (account, viewer) in [
        (999, viewer::user(1)),
        (999, viewer::service()),
        (i64::MAX, viewer::bot(2)),
        (2, viewer::user(1)),
        (1, viewer::user(14)),
        (1, viewer::user(15)),
        (1, viewer::user(999)),
        (1, viewer::bot(999)),
        (2, viewer::bot(1)),
    ] {
        statuses.push(get(&client, account, 1, viewer).await.err().unwrap());
        statuses.push(ids(&client, account, viewer).await.unwrap_err());
        let batch = pb::BatchGetInboxesRequest {
            account_id: account,
            viewer: Some(viewer),
            inbox_ids: vec![1],
            ..Default::default()
        };
        statuses.push(client.batch(batch).await.err().unwrap());
    }
    assert_eq!(denied(&statuses[0]), "ACCESS_DENIED");
    assert_same_bytes(&statuses);
    client.ask_again(&server).await;
}

async fn roles_are_read_anew_for_every_call(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    let agent = viewer::user(2);
    assert!(get(&client, 1, 3, agent).await.is_err());

    client.ask_again(&server).await;
    database
        .execute("UPDATE account_users SET role = 1 WHERE user_id = 2")
        .await;
    let answer = get(&client, 1, 3, agent).await.unwrap();
    assert_eq!(answer.disclosed_as().as_str_name(), "ROLE_ADMINISTRATOR");

    // Numbers that are no role, and NULL, are an agent's.
    for role in ["7", "-1", "NULL"] {
        client.ask_again(&server).await;
        database
            .execute(&format!(
                "UPDATE account_users SET role = {role} WHERE user_id = 2"
            ))
            .await;
        assert!(get(&client, 1, 3, agent).await.is_err());
        let answer = get(&client, 1, 1, agent).await.unwrap();
        assert_eq!(answer.disclosed_as().as_str_name(), "ROLE_AGENT");
    }
    client.ask_again(&server).await;
    database
        .execute("DELETE FROM account_users WHERE user_id = 2")
        .await;
    assert_eq!(
        denied(&get(&client, 1, 1, agent).await.err().unwrap()),
        "ACCESS_DENIED"
    );
    client.ask_again(&server).await;
}

async fn get(
    client: &Client,
    account_id: i64,
    inbox_id: i64,
    viewer: pb::Viewer,
) -> Result<pb::GetInboxResponse, Status> {
    let request = get_inbox(account_id, inbox_id, viewer);
    client.get(request).await.map(|answer| answer.message)
}

async fn ids(
    client: &Client,
    account_id: i64,
    viewer: pb::Viewer,
) -> Result<BTreeSet<i64>, Status> {
    let request = pb::ListInboxesRequest {
        account_id,
        viewer: Some(viewer),
        detail: pb::InboxDetail::Basic.into(),
        page_size: 1000,
        ..Default::default()
    };
    let answer = client.list(request).await?.message;
    assert!(answer.next_page_token.is_empty());
    Ok(answer.inboxes.iter().map(|inbox| inbox.id).collect())
}

async fn selected(database: &Database, sql: &str) -> BTreeSet<i64> {
    database.numbers(sql).await.into_iter().collect()
}

fn denied(status: &Status) -> String {
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    status.get_details_error_info().unwrap().reason
}

/// Code, text, details, and all metadata but the request's own id and the time.
fn assert_same_bytes(statuses: &[Status]) {
    let form = |status: &Status| {
        let mut metadata = status.metadata().clone().into_headers();
        assert!(metadata.remove("x-request-id").is_some());
        assert!(metadata.remove("date").is_some());
        (
            status.code(),
            status.message().to_owned(),
            status.details().to_vec(),
            format!("{metadata:?}"),
        )
    };
    for status in statuses {
        assert_eq!(form(status), form(&statuses[0]));
    }
}
