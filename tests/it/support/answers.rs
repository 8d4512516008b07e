//! All that a server says of the oracle's accounts, as the bytes that came.

use std::collections::BTreeMap;

use super::{
    Client,
    cluster::Cluster,
    get_inbox,
    pb::{self, find_inboxes_request::Key},
    viewer,
};

/// A request and its answer.
pub type Answers = BTreeMap<String, Vec<u8>>;

/// Accounts, with an administrator and an agent of each. (The caller itself sees all
/// with an agent's fields.)
const VIEWERS: [(i64, pb::Viewer); 7] = [
    (1, viewer::user(1)),
    (1, viewer::user(2)),
    (1, viewer::service()),
    (2, viewer::user(5)),
    (2, viewer::service()),
    (3, viewer::user(9)),
    (3, viewer::service()),
];

/// Makes a database with leadchat's own tables and the oracle's rows.
pub fn fill(cluster: &Cluster, database: &str) {
    cluster.create_database(database, None);
    cluster.psql(database, include_str!("../../golden/leadchat_tables.sql"));
    cluster.psql(database, super::golden::ROWS);
}

/// ListInboxes, GetInbox of each inbox and FindInboxes, for every viewer.
pub async fn answers(client: &Client) -> Answers {
    let mut answers = Answers::new();
    let mut keys = BTreeMap::new();
    for (number, (account_id, viewer)) in VIEWERS.into_iter().enumerate() {
        let name = |what: &str| format!("{what} of {account_id} for viewer {number}");
        let mut list = pb::ListInboxesRequest {
            account_id,
            viewer: Some(viewer),
            page_size: 40,
            ..Default::default()
        };
        let mut inboxes = Vec::new();
        loop {
            let page = client.list(list.clone()).await.unwrap();
            answers.insert(name(&format!("page {}", list.page_token)), page.content());
            inboxes.extend(page.message.inboxes);
            list.page_token = page.message.next_page_token;
            if list.page_token.is_empty() {
                break;
            }
        }
        for inbox in &inboxes {
            let get = get_inbox(account_id, inbox.id, viewer);
            let got = client.get(get).await.unwrap();
            answers.insert(name(&format!("inbox {}", inbox.id)), got.content());
            keys.extend(key(inbox).map(|key| (inbox.id, key)));
        }
        for key in keys.values() {
            let find = pb::FindInboxesRequest {
                account_id: Some(account_id),
                viewer: Some(viewer),
                key: Some(key.clone()),
                ..Default::default()
            };
            let found = client.find(find).await.unwrap();
            answers.insert(name(&format!("found {}", answers.len())), found.content());
        }
    }
    for key in keys.into_values() {
        let find = pb::FindInboxesRequest {
            account_id: None,
            viewer: Some(viewer::service()),
            key: Some(key),
            ..Default::default()
        };
        let found = client.find(find).await.unwrap();
        answers.insert(format!("found anywhere {}", answers.len()), found.content());
    }
    assert!(answers.len() > 300, "{}", answers.len());
    answers
}

/// Something that an inbox is found by.
fn key(inbox: &pb::Inbox) -> Option<Key> {
    use pb::inbox::Channel;

    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    Some(match inbox.channel.as_ref()? {
        Channel::WebWidget(channel) => Key::WebsiteToken(said(&channel.website_token)?),
        Channel::Api(channel) => Key::InboxIdentifier(said(&channel.inbox_identifier)?),
        Channel::Email(channel) => Key::Email(said(&channel.email)?.to_uppercase()),
        Channel::Whatsapp(channel) => Key::PhoneNumber(said(&channel.phone_number)?),
        Channel::TwilioSms(channel) => Key::PhoneNumber(said(&channel.phone_number)?),
        _ => return None,
    })
}

/// Fails unless both are the same, and names what is not.
pub fn assert_same(those: &Answers, these: &Answers) {
    let differing: Vec<_> = those
        .iter()
        .filter(|(asked, bytes)| these.get(*asked) != Some(bytes))
        .map(|(asked, _)| asked)
        .collect();
    assert!(
        differing.is_empty() && those.len() == these.len(),
        "{} and {} answers, differing: {differing:?}",
        those.len(),
        these.len()
    );
}
