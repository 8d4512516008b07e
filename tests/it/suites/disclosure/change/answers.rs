//! Every answer that shows an inbox to a viewer.

use prost::Message;

use crate::support::{
    Client,
    client::retried,
    pb,
    pb::{find_inboxes_request::Key, inbox::Channel},
    wire,
};

/// The answers of every RPC in both details; of `FindInboxes`, by an address that the
/// inbox shows. (The etag is in both details, so an administrator notices in both.)
pub(super) async fn answers(client: &Client, inbox_id: i64, viewer: pb::Viewer) -> Vec<Vec<u8>> {
    let (account_id, viewer) = (1, Some(viewer));
    let mut answers = Vec::new();
    for detail in [pb::InboxDetail::Basic, pb::InboxDetail::Full].map(i32::from) {
        let get = pb::GetInboxRequest {
            account_id,
            inbox_id,
            viewer,
            detail,
            ..Default::default()
        };
        let got = retried(|| client.get(get)).await.unwrap();
        let content = got.content();
        let inbox = got.message.inbox.unwrap();
        for method in wire::methods() {
            answers.extend(match method.as_str() {
                "GetInbox" => Some(content.clone()),
                "ListInboxes" => {
                    let list = pb::ListInboxesRequest {
                        account_id,
                        viewer,
                        detail,
                        channel_kinds: vec![inbox.channel_kind],
                        name_prefix: inbox.name.clone(),
                        ..Default::default()
                    };
                    Some(
                        retried(|| client.list(list.clone()))
                            .await
                            .unwrap()
                            .content(),
                    )
                }
                "BatchGetInboxes" => {
                    let batch = pb::BatchGetInboxesRequest {
                        account_id,
                        viewer,
                        detail,
                        inbox_ids: vec![inbox_id],
                        ..Default::default()
                    };
                    Some(
                        retried(|| client.batch(batch.clone()))
                            .await
                            .unwrap()
                            .content(),
                    )
                }
                "FindInboxes" => match address(&inbox) {
                    Some(key) => {
                        let find = pb::FindInboxesRequest {
                            account_id: Some(account_id),
                            viewer,
                            detail,
                            key: Some(key),
                            ..Default::default()
                        };
                        let found = retried(|| client.find(find.clone())).await.unwrap();
                        let inboxes = &found.message.inboxes;
                        assert!(inboxes.iter().any(|inbox| inbox.id == inbox_id));
                        Some(found.content())
                    }
                    None => None,
                },
                // The first never depends on a stored value: `Seen` compares it for all viewers.
                // The second reads beside the calls, which are counted: it has a test of its own.
                "ExplainAccess" | "WatchInboxes" => None,
                other => panic!("{other}: its answers are to be compared here"),
            });
        }
    }
    answers
}

/// An address of an inbox, if it shows one.
pub(super) fn address(inbox: &pb::Inbox) -> Option<Key> {
    match inbox.channel.clone()? {
        Channel::WebWidget(channel) => channel.website_token.map(Key::WebsiteToken),
        Channel::Api(channel) => channel.inbox_identifier.map(Key::InboxIdentifier),
        Channel::Email(channel) => channel.email.map(Key::Email),
        Channel::FacebookPage(channel) => channel.page_id.map(Key::FacebookPageId),
        Channel::Instagram(channel) => channel.instagram_id.map(Key::InstagramId),
        Channel::TwilioSms(channel) => channel.phone_number.map(Key::PhoneNumber),
        Channel::Sms(channel) => channel.phone_number.map(Key::PhoneNumber),
        Channel::Whatsapp(channel) => channel.phone_number.map(Key::PhoneNumber),
        Channel::Voice(channel) => channel.phone_number.map(Key::PhoneNumber),
        Channel::Tiktok(_)
        | Channel::TwitterProfile(_)
        | Channel::Telegram(_)
        | Channel::Line(_) => None,
    }
    .filter(|key| !matches!(key, Key::PhoneNumber(number) if number.trim().is_empty()))
}

/// The explanation of a GetInbox, but for the time of its read.
pub(in crate::suites::disclosure) async fn explained(
    client: &Client,
    get: pb::GetInboxRequest,
) -> Vec<u8> {
    let request = pb::ExplainAccessRequest {
        account_id: get.account_id,
        inbox_id: Some(get.inbox_id),
        viewer: get.viewer,
        detail: get.detail,
        method: String::new(),
        freshness: get.freshness,
    };
    let ask = || client.call::<pb::ExplainAccessResponse>("ExplainAccess", request.clone());
    let mut explanation = retried(ask).await.unwrap().message;
    assert!(explanation.permitted && explanation.read_time.take().is_some());
    explanation.encode_to_vec()
}
