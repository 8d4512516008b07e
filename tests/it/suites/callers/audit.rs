//! The audit: a line for each response with secrets, and for each refused question.

use serde_json::Value;

use super::{file, get, on_socket_with, rule};
use crate::support::{
    Backend, Client, Program, get_inbox, pb, pb::find_inboxes_request::Key, program::Server, viewer,
};

/// The lines of the audit so far.
pub fn lines(server: &Server) -> Vec<Value> {
    let log = server.log();
    let lines = log
        .lines()
        .filter(|line| line.starts_with("{\"timestamp\""));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["target"] == "audit").collect()
}

fn rules() -> String {
    file(&rule(
        "accounts = [\"1\"]\nas = { users = \"any\", itself = true }\neverywhere = true\n\
         detail = \"full\"\nsecrets = [\"signing\", \"smtp\"]",
    ))
}

on_both_databases!(every_response_with_secrets_has_a_line);

async fn every_response_with_secrets_has_a_line(backend: Backend) {
    let database = backend.golden();
    // Nothing else is logged.
    let program = Program::caching(&database).env("RUST_LOG", "off");
    let server = on_socket_with(program, &rules());
    let client = server.client().await;
    let listed = client.all(1, viewer::user(1)).await;
    let of_kind = |kind: pb::ChannelKind| -> Vec<i64> {
        let of_kind = listed.iter().filter(|inbox| inbox.channel_kind() == kind);
        of_kind.map(|inbox| inbox.id).collect()
    };
    let mut expected: Vec<_> = [
        pb::ChannelKind::WebWidget,
        pb::ChannelKind::Api,
        pb::ChannelKind::Email,
    ]
    .into_iter()
    .flat_map(of_kind)
    .collect();
    expected.sort_unstable();
    assert!(expected.len() > 3);
    let audited = lines(&server);
    let mut inboxes: Vec<_> = audited
        .iter()
        .flat_map(|line| line["inboxes"].as_array().unwrap())
        .map(|id| id.as_i64().unwrap())
        .collect();
    inboxes.sort_unstable();
    assert_eq!(inboxes, expected);
    let first = &audited[0];
    assert_eq!(
        (
            &first["event"],
            &first["caller"],
            &first["method"],
            &first["viewer"]
        ),
        (
            &"disclosed".into(),
            &"me".into(),
            &"ListInboxes".into(),
            &"user".into()
        )
    );
    assert_eq!(
        (&first["viewer_id"], &first["account"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&first["credential"], &first["peer"]),
        (&"uid".into(), &"unix".into())
    );
    assert_eq!(first["groups"], serde_json::json!(["signing", "smtp"]));
    each_method_has_a_line(&server, &client, &listed).await;
}

/// Of an inbox with secrets, by each method that discloses.
async fn each_method_has_a_line(server: &Server, client: &Client, listed: &[pb::Inbox]) {
    let before = lines(server).len();
    let email = listed
        .iter()
        .find(|inbox| inbox.channel_kind() == pb::ChannelKind::Email);
    let email = email.unwrap().id;
    client
        .get(get_inbox(1, email, viewer::service()))
        .await
        .unwrap();
    let batch = pb::BatchGetInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        inbox_ids: vec![email],
        ..Default::default()
    };
    client.batch(batch).await.unwrap();
    let address = listed.iter().find(|inbox| inbox.id == email).unwrap();
    let Some(pb::inbox::Channel::Email(address)) = &address.channel else {
        panic!("no mail");
    };
    for account_id in [Some(1), None] {
        let find = pb::FindInboxesRequest {
            account_id,
            viewer: Some(viewer::service()),
            key: Some(Key::Email(address.email.clone().unwrap())),
            ..Default::default()
        };
        client.find(find).await.unwrap();
    }
    let methods: Vec<_> = lines(server)[before..]
        .iter()
        .map(|line| {
            (
                line["method"].as_str().unwrap().to_owned(),
                line["inboxes"].clone(),
                line["account"].clone(),
            )
        })
        .collect();
    let ids = serde_json::json!([email]);
    let one = Value::from(1);
    let expected = [
        ("GetInbox", &one),
        ("BatchGetInboxes", &one),
        ("FindInboxes", &one),
        ("FindInboxes", &Value::Null),
    ];
    let expected =
        expected.map(|(method, account)| (method.to_owned(), ids.clone(), account.clone()));
    assert_eq!(methods, expected);

    // Responses without secrets have none: of an agent, and in basic detail.
    let before = lines(server).len();
    let basic = pb::GetInboxRequest {
        detail: pb::InboxDetail::Basic.into(),
        ..get_inbox(1, email, viewer::user(1))
    };
    client.get(basic).await.unwrap();
    client.all(1, viewer::user(2)).await;
    assert_eq!(lines(server).len(), before);
}

/// Refused questions are written, whatever their number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_questions_have_lines() {
    let database = Backend::Sqlite.golden();
    let server = on_socket_with(Program::caching(&database), &rules());
    let client = server.client().await;
    for _ in 0..50 {
        get(&client, 2, viewer::user(1)).await.unwrap_err();
    }
    get(&client, 1, viewer::bot(1)).await.unwrap_err();
    client
        .get(get_inbox(1, -1, viewer::user(1)))
        .await
        .unwrap_err();
    let counted = || {
        let lines = lines(&server);
        let of = |needs: &str| -> u64 {
            let lines = lines.iter().filter(|line| line["needs"] == needs);
            lines.map(|line| line["count"].as_u64().unwrap()).sum()
        };
        (of("account"), of("viewer"), lines.len())
    };
    crate::support::program::eventually("all are counted", || counted().0 == 50).await;
    let (_, of_viewer, count) = counted();
    assert_eq!(of_viewer, 1);
    assert!(count < 20, "{count} lines");
    let line = &lines(&server)[0];
    assert_eq!(
        (&line["event"], &line["account"]),
        (&"denied".into(), &2.into())
    );
    // The last ones are written at the stop.
    get(&client, 2, viewer::user(1)).await.unwrap_err();
    get(&client, 2, viewer::user(1)).await.unwrap_err();
    let folder = server.folder().to_owned();
    server.signal("TERM");
    crate::support::program::eventually("it stops", || {
        std::fs::read_to_string(folder.join("stderr"))
            .unwrap()
            .contains("stopped")
    })
    .await;
    assert_eq!(counted().0, 52);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_switched_off() {
    let database = Backend::Sqlite.golden();
    let program = Program::caching(&database).args(["--audit", "off"]);
    let server = on_socket_with(program, &rules());
    let client = server.client().await;
    client.all(1, viewer::user(1)).await;
    get(&client, 2, viewer::user(1)).await.unwrap_err();
    assert!(lines(&server).is_empty());
    assert!(server.log().contains("there is no audit"));
}
