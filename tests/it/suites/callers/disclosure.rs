//! A caller passes on the secrets of its groups, to viewers that may see them.

use super::{file, on_socket, on_socket_with, rule};
use crate::support::{Backend, Client, Program, pb, viewer};

/// The accounts and users of the demonstration data: inbox 3 is an email inbox.
const ADMINISTRATOR: pb::Viewer = viewer::user(1);
const AGENT: pb::Viewer = viewer::user(2);

async fn email(
    client: &Client,
    viewer: pb::Viewer,
    detail: pb::InboxDetail,
) -> pb::GetInboxResponse {
    let request = pb::GetInboxRequest {
        account_id: 1,
        inbox_id: 3,
        viewer: Some(viewer),
        detail: detail.into(),
        ..Default::default()
    };
    client.get(request).await.unwrap().message
}

/// Whether the settings for fetching mail and for sending it are there.
fn settings(response: &pb::GetInboxResponse) -> (bool, bool) {
    match &response.inbox.as_ref().unwrap().channel {
        Some(pb::inbox::Channel::Email(email)) => (email.imap.is_some(), email.smtp.is_some()),
        _ => panic!("no email inbox"),
    }
}

fn numbers(groups: &[pb::SecretGroup]) -> Vec<i32> {
    groups.iter().map(|group| i32::from(*group)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_says_what_its_caller_withheld() {
    use pb::SecretGroup::{Imap, Signing, Smtp, Twilio, Whatsapp};

    let all = "\"signing\", \"imap\", \"smtp\", \"twilio\", \"whatsapp\"";
    for (secrets, role, shown, withheld) in [
        (
            "\"smtp\"",
            pb::Role::Administrator,
            (false, true),
            vec![Signing, Imap, Twilio, Whatsapp],
        ),
        (
            "\"imap\"",
            pb::Role::Administrator,
            (true, false),
            vec![Signing, Smtp, Twilio, Whatsapp],
        ),
        (all, pb::Role::Administrator, (true, true), vec![]),
        ("", pb::Role::Agent, (false, false), vec![]),
    ] {
        let rules = rule(&format!(
            "accounts = [\"1\"]\nas = {{ users = \"any\", itself = true }}\ndetail = \"full\"\nsecrets = [{secrets}]"
        ));
        let server = on_socket_with(super::demo().with_admin(), &file(&rules));
        let client = server.client().await;
        for asker in [ADMINISTRATOR, viewer::service()] {
            let response = email(&client, asker, pb::InboxDetail::Full).await;
            assert_eq!(response.disclosed_as, i32::from(role), "{secrets}");
            let listed = response.caller_withheld.clone();
            assert_eq!(
                (settings(&response), listed),
                (shown, numbers(&withheld)),
                "{secrets}"
            );
            // The tag is of the full disclosure, whatever the detail.
            let basic = email(&client, asker, pb::InboxDetail::Basic).await;
            let etag = |response: pb::GetInboxResponse| response.inbox.unwrap().etag;
            assert_eq!(etag(basic), etag(response));
        }
        let response = email(&client, AGENT, pb::InboxDetail::Full).await;
        assert_eq!(response.disclosed_as, i32::from(pb::Role::Agent));
        assert_eq!(
            (settings(&response), response.caller_withheld.len()),
            ((false, false), 0)
        );
        // An administrator sees every inbox, whatever its caller may pass on.
        let list = pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(ADMINISTRATOR),
            ..Default::default()
        };
        let list = client.list(list).await.unwrap().message;
        assert_eq!((list.inboxes.len(), list.disclosed_as), (13, role.into()));
        assert_eq!(list.caller_withheld, numbers(&withheld));
        let scrape = server.scrape().await;
        let is_counted = |metric: &str, group, why: &[(&str, &str)]| {
            let labels = [&[("caller", "me"), ("group", group)], why].concat();
            scrape.count(metric, &labels) > 0
        };
        for (group, is_shown) in [("imap", shown.0), ("smtp", shown.1)] {
            let disclosed = is_counted("leadchat_inbox_disclosures_total", group, &[]);
            assert_eq!(disclosed, is_shown, "{group} of {secrets}");
            let withheld = "leadchat_inbox_withheld_total";
            let by_caller = is_counted(withheld, group, &[("why", "caller")]);
            assert_eq!(by_caller, !is_shown, "{group} of {secrets}");
            assert!(is_counted(withheld, group, &[("why", "role")]));
        }
    }
}

/// Responses of callers with all groups, and with none, are those of a server without a
/// callers file: of administrators and agents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_groups_and_none_are_an_administrator_and_an_agent() {
    let database = Backend::Sqlite.golden();
    let program = |role: &str| Program::caching(&database).args(["--local-role", role]);
    let groups = [
        "\"signing\", \"imap\", \"smtp\", \"twilio\", \"whatsapp\"",
        "",
    ];
    for (role, secrets) in ["administrator", "agent"].into_iter().zip(groups) {
        let rules = rule(&format!(
            "accounts = [\"*\"]\nas = {{ itself = true }}\ndetail = \"full\"\nsecrets = [{secrets}]"
        ));
        let (known, built_in) = (on_socket(&database, &file(&rules)), program(role).start());
        let (known, built_in) = (known.client().await, built_in.client().await);
        for inbox in known.all(1, viewer::service()).await {
            let request = || crate::support::get_inbox(1, inbox.id, viewer::service());
            let (a, b) = (
                known.get(request()).await.unwrap(),
                built_in.get(request()).await.unwrap(),
            );
            let without_time = |mut message: pb::GetInboxResponse| {
                message.read_time = None;
                message
            };
            let (a, b) = (without_time(a.message), without_time(b.message));
            assert!(a == b, "{role}: inbox {}", inbox.id);
        }
    }
}
