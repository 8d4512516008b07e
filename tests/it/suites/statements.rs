//! A read takes as many statements for a thousand inboxes as for one.

use tonic::Code;

use crate::support::{
    Backend, Client, Database, Program, account::account, get_as_user, get_inbox, log::RETRYING,
    pb, pb::find_inboxes_request::Key, program::Server, viewer,
};

on_both_databases!(
    statements_are_as_many_for_any_number_of_inboxes,
    hidden_costs_as_many_statements_as_missing,
);

/// Tables of channels, one for each kind. Each that is in use takes a statement.
const CHANNEL_TABLES: u64 = 13;

/// Of those, a read of one inbox takes this many.
const CHANNEL_TABLES_OF_ONE_INBOX: u64 = 1;

/// Statements of a list that a read of one inbox does without: of its bots, and of the
/// narrow read of members before it, with the check of its plan.
const LIST_STATEMENTS: u64 = 5;

async fn statements_are_as_many_for_any_number_of_inboxes(backend: Backend) {
    let mut counts = Vec::new();
    for inboxes in [1, 100, 500] {
        let database = account(backend, inboxes).await;
        let server = counting(&database).start();
        let client = server.client().await;

        let mut of_each = Vec::new();
        for (rpc, viewer) in [
            ("GetInbox", viewer::user(1)),
            ("GetInbox", viewer::user(2)),
            ("GetInbox", viewer::bot(1)),
            ("GetInbox", viewer::service()),
            ("ListInboxes", viewer::user(1)),
            ("ListInboxes", viewer::user(2)),
            ("BatchGetInboxes", viewer::user(1)),
        ] {
            let call = async || ask(&client, rpc, viewer, inboxes).await;
            let statements = statements(&server, call).await;
            println!(
                "statements {} {rpc} {viewer_name}: {statements} for {inboxes} inboxes",
                backend.name(),
                viewer_name = name(viewer)
            );
            of_each.push((rpc, name(viewer), statements));
        }
        counts.push(of_each);
    }
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[1], counts[2]);

    let by_administrator = |rpc: &str| {
        let mut of_each = counts[0].iter();
        let found = of_each.find(|it| (it.0, it.1) == (rpc, "administrator"));
        found.unwrap().2
    };
    let get = by_administrator("GetInbox");
    assert!((5..=12).contains(&get), "{counts:?}");
    assert_eq!(
        by_administrator("ListInboxes"),
        get - CHANNEL_TABLES_OF_ONE_INBOX + CHANNEL_TABLES + LIST_STATEMENTS,
        "{counts:?}"
    );
}

/// Neither answers nor their cost distinguish a hidden inbox from a missing one. The same
/// holds for an account that the viewer does not belong to.
async fn hidden_costs_as_many_statements_as_missing(backend: Backend) {
    const MISSING: i64 = 999;
    const AGENT_WITHOUT_INBOXES: i64 = 3;
    const STRANGER: i64 = 4;
    const SYSTEM_BOT: i64 = 9;
    let database = account(backend, 1).await;
    database
        .execute(
            "INSERT INTO users (id, name, created_at, updated_at)
                VALUES (3, 'a', '2026-01-01', '2026-01-01'), (4, 'b', '2026-01-01', '2026-01-01');
            INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                VALUES (1, 3, 0, '2026-01-01', '2026-01-01');
            INSERT INTO agent_bots (id, name, created_at, updated_at)
                VALUES (9, 'b', '2026-01-01', '2026-01-01');",
        )
        .await;
    let server = counting(&database).start();
    let client = server.client().await;
    let get = async |account: i64, inbox: i64, user: i64| {
        let request = get_as_user(account, inbox, user);
        let call = async || {
            assert!(client.get(request).await.is_err());
            true
        };
        statements(&server, call).await
    };
    let list = async |account_id: i64, user: i64| {
        let request = pb::ListInboxesRequest {
            account_id,
            viewer: Some(viewer::user(user)),
            ..Default::default()
        };
        let call = async || {
            assert!(client.list(request.clone()).await.is_err());
            true
        };
        statements(&server, call).await
    };

    let find = async |key: &str, viewer: pb::Viewer| {
        let request = pb::FindInboxesRequest {
            account_id: Some(1),
            viewer: Some(viewer),
            key: Some(Key::InboxIdentifier(key.to_owned())),
            ..Default::default()
        };
        let call = async || {
            let found = client.find(request.clone()).await.unwrap().message;
            assert_eq!(found.inboxes.len(), 0, "{key}");
            true
        };
        statements(&server, call).await
    };

    for viewer in [viewer::user(AGENT_WITHOUT_INBOXES), viewer::bot(SYSTEM_BOT)] {
        let hidden = find("t0", viewer).await;
        let missing = find("nobody's", viewer).await;
        assert_eq!(
            hidden,
            missing,
            "FindInboxes of an address, {}",
            name(viewer)
        );
    }

    let hidden = get(1, 1, AGENT_WITHOUT_INBOXES).await;
    let missing = get(1, MISSING, AGENT_WITHOUT_INBOXES).await;
    assert_eq!(hidden, missing, "GetInbox of an inbox");
    assert_eq!(
        get(1, 1, STRANGER).await,
        get(MISSING, 1, STRANGER).await,
        "GetInbox in an account"
    );
    assert_eq!(
        list(1, STRANGER).await,
        list(MISSING, STRANGER).await,
        "ListInboxes of an account"
    );
}

/// A server that counts statements, and logs no more than calls and retries, since large accounts
/// are read.
fn counting(database: &Database) -> Program {
    let program = Program::serving(database).with_admin();
    program.env("RUST_LOG", "info,leadchat_inbox=debug")
}

/// How many statements a call takes, if its read is not retried as on a busy machine.
async fn statements(server: &Server, call: impl AsyncFn() -> bool) -> u64 {
    for _ in 0..10 {
        let (before, log) = (server.statements().await, server.log_bytes());
        let is_answered = call().await;
        let statements = server.statements().await - before;
        if is_answered && !server.log_after(log).contains(RETRYING) {
            return statements;
        }
    }
    panic!("no read without a retry");
}

fn name(viewer: pb::Viewer) -> &'static str {
    match viewer.principal {
        Some(pb::viewer::Principal::UserId(1)) => "administrator",
        Some(pb::viewer::Principal::UserId(_)) => "agent",
        Some(pb::viewer::Principal::AgentBotId(_)) => "agent bot",
        Some(pb::viewer::Principal::Service(_)) => "service",
        None => "nobody",
    }
}

/// Whether there is an answer. A busy machine may not read thousands of inboxes in the time of
/// a read, nor connect in time.
async fn ask(client: &Client, rpc: &str, viewer: pb::Viewer, inboxes: i64) -> bool {
    let listed = match rpc {
        "GetInbox" => client.get(get_inbox(1, 1, viewer)).await.map(|_| None),
        "ListInboxes" => {
            let request = pb::ListInboxesRequest {
                account_id: 1,
                viewer: Some(viewer),
                page_size: 1000,
                ..Default::default()
            };
            let answer = client.list(request).await;
            answer.map(|answer| Some(answer.message.inboxes.len()))
        }
        _ => {
            // A hundred of them where there are as many; always of one kind.
            let inbox_ids = (0..inboxes.min(100)).map(|index| 1 + index * 13).collect();
            let request = pb::BatchGetInboxesRequest {
                account_id: 1,
                viewer: Some(viewer),
                inbox_ids,
                ..Default::default()
            };
            client.batch(request).await.map(|_| None)
        }
    };
    match listed {
        Ok(Some(listed)) => {
            assert_eq!(listed, usize::try_from(inboxes * 13).unwrap().min(1000));
            true
        }
        Ok(None) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            false
        }
    }
}
