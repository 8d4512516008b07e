//! Fields and rights that are computed from columns that cannot be read.

use super::super::{ADMINISTRATOR, AGENT, look, reasons};
use super::{UNKNOWN, take, unreadable};
use crate::support::{
    Backend, Program, get_inbox, pb,
    schema::Kind,
    viewer,
    wire::{self},
};

on_both_databases!(
    fields_computed_from_unreadable_columns_are_noted,
    a_value_that_is_no_number_gives_no_rights,
);

async fn fields_computed_from_unreadable_columns_are_noted(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let (no_text, _) = unreadable(backend, Kind::Text { longest: None });
    for (inbox, sql, field) in UNKNOWN {
        let sql = sql.replace("NO_TEXT", no_text.last().unwrap());
        if backend == Backend::Postgres {
            assert!(database.try_execute(&sql).await.is_err(), "{sql}");
            continue;
        }
        database.execute(&sql).await;
        let shown = look(&client, inbox, ADMINISTRATOR).await;
        assert_eq!(
            reasons(&shown).get(field).map(String::as_str),
            Some("SOURCE_UNREADABLE"),
            "{sql}"
        );
        assert!(!take(&mut wire::dynamic(&shown), field), "{sql}");
        // It is not made up for by what was read for other inboxes of the list.
        let listed = client.all(1, ADMINISTRATOR).await;
        assert!(listed.contains(&shown), "{sql}");
        let to_agents = reasons(&look(&client, inbox, AGENT).await);
        assert_eq!(
            to_agents.contains_key(field),
            field != "email.reauthorization",
            "{sql}"
        );
    }
    if backend == Backend::Sqlite {
        // The basic detail has its degradations, too.
        let sql = format!("UPDATE inboxes SET name = {} WHERE id = 2", no_text[0]);
        database.execute(&sql).await;
        let get = pb::GetInboxRequest {
            account_id: 1,
            inbox_id: 2,
            viewer: Some(AGENT),
            detail: pb::InboxDetail::Basic.into(),
            ..Default::default()
        };
        let basic = client.get(get).await.unwrap().message.inbox.unwrap();
        assert_eq!((basic.name.as_str(), basic.channel_id), ("", 0));
        let reported: Vec<_> = reasons(&basic).into_keys().collect();
        assert_eq!(reported, ["channel_id", "name"]);
        // The provider of a mailbox does not depend on an unused address.
        let sql = "UPDATE channel_email SET imap_enabled = false WHERE id = 165";
        database.execute(sql).await;
        let reported = reasons(&look(&client, 165, ADMINISTRATOR).await);
        assert!(!reported.contains_key("email.reauthorization"));
    }
}

/// `5x` is not the user 5, nor is 1.5 the role 1, however SQLite would cast them.
async fn a_value_that_is_no_number_gives_no_rights(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let now = "'2026-01-01', '2026-01-01'";
    database
        .execute(&format!(
            "INSERT INTO users (id, name, created_at, updated_at) VALUES (901, 'u', {now});
            INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                VALUES (1, 901, 0, {now});
            INSERT INTO agent_bots (id, created_at, updated_at) VALUES (901, {now});"
        ))
        .await;
    for sql in [
        format!(
            "INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                VALUES (1, '902x', 0, {now})"
        ),
        format!(
            "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
                VALUES ('901x', 1, {now}), (901.5, 2, {now}), (CAST('901' AS BLOB), 3, {now})"
        ),
        format!(
            "INSERT INTO agent_bot_inboxes (agent_bot_id, inbox_id, status, created_at, updated_at)
                VALUES ('901x', 1, 0, {now}), (901.5, 2, 0, {now}), (901, 3, 'x', {now})"
        ),
        "UPDATE account_users SET role = '1x' WHERE user_id = 901".to_owned(),
        "UPDATE accounts SET status = '1x' WHERE id = 1".to_owned(),
    ] {
        if backend == Backend::Postgres {
            assert!(database.try_execute(&sql).await.is_err(), "{sql}");
        } else {
            database.execute(&sql).await;
        }
    }
    if backend == Backend::Sqlite {
        database
            .execute(
                "UPDATE account_users SET role = 1.5 WHERE user_id = 901;
                UPDATE accounts SET status = 1.5 WHERE id = 1;",
            )
            .await;
    }
    for viewer in [viewer::user(901), viewer::bot(901)] {
        let list = pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(viewer),
            ..Default::default()
        };
        let listed = client.list(list).await.unwrap().message;
        assert!(listed.inboxes.is_empty());
        assert!(listed.disclosed_as() == pb::Role::Agent);
        for inbox_id in [1, 2, 3] {
            let get = get_inbox(1, inbox_id, viewer);
            let refused = client.get(get).await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::NotFound);
        }
    }
    let list = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(902)),
        ..Default::default()
    };
    let refused = client.list(list).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
}
