//! A read takes as many statements for a thousand inboxes as for one.

use crate::support::{Backend, Client, Program, account::account, pb, program::eventually, viewer};

on_both_databases!(statements_are_as_many_for_any_number_of_inboxes);

async fn statements_are_as_many_for_any_number_of_inboxes(backend: Backend) {
    let mut counts = Vec::new();
    for inboxes in [1, 100, 500] {
        let database = account(backend, inboxes).await;
        let server = Program::serving(&database).start();
        let client = server.client().await;
        let count = || server.statements();

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
            let (before, answers) = (count(), answered(&server.log()));
            ask(&client, rpc, viewer, inboxes).await;
            eventually("the call is logged", || answered(&server.log()) > answers).await;
            let statements = count() - before;
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
    // All thirteen tables are read where all are in use, and one where one is.
    let of = |index: usize| counts[0][index].2;
    assert!((5..=12).contains(&of(0)), "{counts:?}");
    assert_eq!(
        of(4) - 13,
        of(0) - 1 + 2,
        "a whole account: all kinds, and its bots: {counts:?}"
    );
}

fn answered(log: &str) -> usize {
    log.matches(": answered ").count()
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

async fn ask(client: &Client, rpc: &str, viewer: pb::Viewer, inboxes: i64) {
    let viewer = Some(viewer);
    match rpc {
        "GetInbox" => {
            let request = pb::GetInboxRequest {
                account_id: 1,
                inbox_id: 1,
                viewer,
                detail: 0,
            };
            client.get(request).await.unwrap();
        }
        "ListInboxes" => {
            let request = pb::ListInboxesRequest {
                account_id: 1,
                viewer,
                page_size: 1000,
                ..Default::default()
            };
            let listed = client.list(request).await.unwrap().message.inboxes.len();
            assert_eq!(listed, usize::try_from(inboxes * 13).unwrap().min(1000));
        }
        _ => {
            // A hundred of them where there are as many; always of one kind.
            let inbox_ids = (0..inboxes.min(100)).map(|index| 1 + index * 13).collect();
            let request = pb::BatchGetInboxesRequest {
                account_id: 1,
                viewer,
                detail: 0,
                inbox_ids,
            };
            client.batch(request).await.unwrap();
        }
    }
}
