//! ExplainAccess says what the rules say, and no more than the question itself would.

use std::collections::BTreeMap;

use prost::Message;
use tonic::{Code, Status};

use super::{file, on_socket, rule};
use crate::support::{Backend, Client, Program, get_inbox, pb, program::Server, reason, viewer};

fn request(account: i64, inbox: Option<i64>, viewer: pb::Viewer) -> pb::ExplainAccessRequest {
    pb::ExplainAccessRequest {
        account_id: account,
        inbox_id: inbox,
        viewer: Some(viewer),
        ..Default::default()
    }
}

async fn explain(
    client: &Client,
    request: pb::ExplainAccessRequest,
) -> Result<pb::ExplainAccessResponse, Status> {
    let answer = client.call("ExplainAccess", request).await;
    answer.map(|answer| answer.message)
}

on_both_databases!(an_answer_tells_what_the_question_would);

/// For every viewer and inbox of the golden rows: the answer follows from that of GetInbox.
/// Answers to questions with equal outcomes are equal, byte by byte; a role is part of an
/// outcome as far as `disclosed_as` tells it.
async fn an_answer_tells_what_the_question_would(backend: Backend) {
    let database = backend.golden();
    let server = Program::caching(&database).start();
    let (equal, roles) = (compare(&server).await, 2);
    // Of agents, administrators and the service.
    assert!(equal >= 3 * roles, "{equal}");
    // A caller without secrets is told no role by any answer, and so by no explanation.
    let rule =
        rule_of_all("as = { users = \"any\", bots = \"any\", itself = true }\ndetail = \"full\"");
    let server = on_socket(&database, &file(&rule));
    assert_eq!(compare(&server).await, 3);
}

fn rule_of_all(more: &str) -> String {
    format!(
        "[[caller.may]]\nmethods = [\"GetInbox\", \"ListInboxes\", \"ExplainAccess\"]\naccounts = [\"*\"]\n{more}\n"
    )
}

/// The number of different explanations.
async fn compare(server: &Server) -> usize {
    let client = server.client().await;
    let users = (1..40).map(viewer::user);
    let bots = (1..8).map(viewer::bot);
    let viewers = users.chain(bots).chain([viewer::service()]);
    let mut equal = BTreeMap::<(String, i32), Vec<u8>>::new();
    for viewer in viewers {
        for account in [1, 2, 3, 99] {
            for inbox in [1, 2, 3, 40, 88, 9999] {
                let mut role = 0;
                let outcome = match client.get(get_inbox(account, inbox, viewer)).await {
                    Ok(answer) => {
                        role = answer.message.disclosed_as;
                        "VISIBLE".to_owned()
                    }
                    Err(status) => match reason(&status).as_str() {
                        "INBOX_NOT_FOUND" => "NOT_VISIBLE".to_owned(),
                        "ACCESS_DENIED" | "ACCOUNT_SUSPENDED" => "NOT_KNOWN".to_owned(),
                        other => panic!("{other}"),
                    },
                };
                let mut answer = explain(&client, request(account, Some(inbox), viewer))
                    .await
                    .unwrap();
                assert!(answer.permitted && answer.read_time.take().is_some());
                let seen = match (answer.viewer(), answer.inbox()) {
                    (pb::ViewerMembership::NotKnown, pb::InboxVisibility::Unspecified) => {
                        "NOT_KNOWN"
                    }
                    (pb::ViewerMembership::Belongs, pb::InboxVisibility::Visible) => "VISIBLE",
                    (pb::ViewerMembership::Belongs, pb::InboxVisibility::NotVisible) => {
                        "NOT_VISIBLE"
                    }
                    _ => panic!("{outcome}"),
                };
                assert_eq!(seen, outcome);
                // The rules are those of any viewer, or of the service itself.
                // An inbox that is not visible has no answer with a role: that of the account
                // tells it.
                if outcome == "NOT_VISIBLE" {
                    let list = pb::ListInboxesRequest {
                        account_id: account,
                        viewer: Some(viewer),
                        page_size: 1,
                        ..Default::default()
                    };
                    let list = client.list(list).await;
                    role = list.map_or(0, |list| list.message.disclosed_as);
                }
                let key = (format!("{outcome} {}", answer.rule), role);
                let bytes = answer.encode_to_vec();
                assert_eq!(*equal.entry(key).or_insert_with(|| bytes.clone()), bytes);
            }
        }
    }
    equal.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_explained() {
    let database = Backend::Sqlite.golden();
    let explaining = "[[caller.may]]\nmethods = [\"ExplainAccess\"]\naccounts = [\"7\"]\nas = { itself = true }\n";
    let reading = rule(
        "why = \"cases\"\naccounts = [\"1\"]\nas = { users = \"any\" }\ndetail = \"full\"\nsecrets = [\"smtp\"]",
    );
    let server = on_socket(&database, &file(&format!("{reading}{explaining}")));
    let client = server.client().await;
    let groups = |answer: &pb::ExplainAccessResponse| -> Vec<_> {
        answer
            .groups
            .iter()
            .map(|it| {
                it.disclosure()
                    .as_str_name()
                    .replace("GROUP_DISCLOSURE_", "")
            })
            .collect()
    };
    // An administrator, of whose groups the caller may pass on one.
    let answer = explain(&client, request(1, Some(1), viewer::user(1)))
        .await
        .unwrap();
    assert!(answer.permitted);
    assert_eq!(
        (answer.caller.as_str(), answer.rule.as_str()),
        ("me", "cases")
    );
    assert_eq!(answer.identity, format!("uid:{}", super::uid()));
    assert!(answer.role() == pb::Role::Administrator);
    assert_eq!(
        groups(&answer),
        [
            "WITHHELD_BY_CALLER",
            "WITHHELD_BY_CALLER",
            "DISCLOSED",
            "WITHHELD_BY_CALLER",
            "WITHHELD_BY_CALLER"
        ]
    );
    let basic = pb::ExplainAccessRequest {
        detail: pb::InboxDetail::Basic.into(),
        ..request(1, None, viewer::user(1))
    };
    let answer = explain(&client, basic).await.unwrap();
    assert!(answer.inbox() == pb::InboxVisibility::Unspecified);
    assert_eq!(groups(&answer), ["WITHHELD_BY_DETAIL"; 5]);

    // Not permitted: an answer, for which nothing is read.
    let before = server.statements().await;
    let basic_of_7 = pb::ExplainAccessRequest {
        detail: pb::InboxDetail::Basic.into(),
        ..request(7, None, viewer::service())
    };
    for (asked, missing) in [
        (request(2, Some(1), viewer::user(1)), vec!["ACCOUNT"]),
        (request(1, Some(1), viewer::bot(1)), vec!["VIEWER"]),
        (
            request(2, Some(1), viewer::service()),
            vec!["ACCOUNT", "VIEWER"],
        ),
        (basic_of_7, vec!["ACCOUNT", "VIEWER"]),
    ] {
        let answer = explain(&client, asked).await.unwrap();
        assert!(!answer.permitted && answer.read_time.is_none() && answer.groups.is_empty());
        let found: Vec<_> = answer
            .missing()
            .map(|it| it.as_str_name().replace("MISSING_PERMISSION_", ""))
            .collect();
        assert_eq!(found, missing);
    }
    assert_eq!(server.statements().await, before);

    // FindInboxes finds by address: of an id it tells nothing.
    for method in ["ExplainAccess", "getinbox", "Nope", "FindInboxes"] {
        let asked = pb::ExplainAccessRequest {
            method: method.to_owned(),
            ..request(1, Some(1), viewer::user(1))
        };
        let status = explain(&client, asked).await.err().unwrap();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(reason(&status), "INVALID_REQUEST");
    }
}

/// It is a method that rules have to name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_for_those_whose_rules_name_it() {
    let database = Backend::Sqlite.golden();
    let server = on_socket(
        &database,
        &file(&rule("accounts = [\"*\"]\nas = { itself = true }")),
    );
    let client = server.client().await;
    let status = explain(&client, request(1, None, viewer::service()))
        .await
        .err()
        .unwrap();
    assert_eq!(super::needs(&status), "method");
}
