//! Any bytes as a request.

use proptest::{
    collection::{hash_set, vec},
    prelude::*,
};
use strum::{EnumCount, IntoEnumIterator};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::super::{super::violations::MAX_KEY_BYTES, pb::find_inboxes_request::Key, *};
use crate::{
    domain::address::AddressKind,
    tests::{MARK, damaged, for_all, noise, text},
};

/// Properties of any bytes. A line a request.
fn assert_all_answered(bytes: &[u8]) {
    assert_answered::<pb::GetInboxRequest, GetInbox>(bytes);
    assert_answered::<pb::ListInboxesRequest, ListInboxes>(bytes);
    assert_answered::<pb::BatchGetInboxesRequest, BatchGetInboxes>(bytes);
    assert_answered::<pb::FindInboxesRequest, FindInboxes>(bytes);
}

/// The bytes are no such message, or a request, or refused in our own words.
fn assert_answered<M, R>(bytes: &[u8])
where
    M: Message + Default,
    R: TryFrom<M, Error = CallError>,
{
    if let Ok(message) = M::decode(bytes)
        && let Err(error) = R::try_from(message)
    {
        assert_valid_error(error);
    }
}

fn assert_valid_error(error: CallError) {
    // A request may be wrong in as many places as it has bytes.
    if let CallError::InvalidRequest(violations) = &error {
        assert!((1..=16).contains(&violations.len()));
    }
    let status = Status::from(error);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.details().len() < 4096);
    let fields = status.get_details_bad_request().unwrap().field_violations;
    assert!((1..=16).contains(&fields.len()));

    let text = format!("{status:?} {}", String::from_utf8_lossy(status.details()));
    assert!(!text.contains(MARK), "{text}");
    // Places in a list are numbers of ours. Numbers of callers are longer here.
    for field in fields {
        let digits = field.field.matches(|it: char| it.is_ascii_digit()).count();
        assert!(digits < 6 && field.field.is_ascii(), "{}", field.field);
    }

    let headers = status.into_http::<()>().into_parts().0.headers;
    let read = Status::from_header_map(&headers).unwrap();
    assert_eq!(read.code(), Code::InvalidArgument);
}

/// Ids that pass, and others, which have many digits.
fn id() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 1_i64..4,
        1 => Just(0),
        1 => i64::MIN..-1_000_000,
        1 => 1_000_000..i64::MAX,
    ]
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![4 => 0_i32..4, 1 => -3_i32..20, 1 => 1_000_000..i32::MAX, 1 => i32::MIN..-1_000_000]
}

/// Texts that must not come back.
fn marked_text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        1 => (text(6), text(6)).prop_map(|(before, behind)| format!("{before}{MARK}{behind}")),
    ]
}

#[derive(Clone, Debug)]
enum TestViewer {
    Unset,
    NoPrincipal,
    User(i64),
    AgentBot(i64),
    Service,
}

/// The common part of all requests. Messages do not print themselves.
#[derive(Clone, Debug)]
struct TestScope {
    account_id: i64,
    viewer: TestViewer,
    detail: i32,
    freshness: i32,
}

impl TestScope {
    fn is_valid(&self) -> bool {
        let is_viewer_valid = match self.viewer {
            TestViewer::Unset | TestViewer::NoPrincipal => false,
            TestViewer::User(id) | TestViewer::AgentBot(id) => id > 0,
            TestViewer::Service => true,
        };
        is_viewer_valid
            && self.account_id > 0
            && (0..3).contains(&self.detail)
            && (0..3).contains(&self.freshness)
    }

    fn viewer(&self) -> Option<pb::Viewer> {
        use pb::viewer::Principal;

        let principal = match self.viewer {
            TestViewer::Unset => return None,
            TestViewer::NoPrincipal => None,
            TestViewer::User(id) => Some(Principal::UserId(id)),
            TestViewer::AgentBot(id) => Some(Principal::AgentBotId(id)),
            TestViewer::Service => Some(Principal::Service(pb::ServiceViewer {})),
        };
        Some(pb::Viewer { principal })
    }
}

fn scope() -> impl Strategy<Value = TestScope> {
    let viewer = prop_oneof![
        1 => Just(TestViewer::Unset),
        1 => Just(TestViewer::NoPrincipal),
        6 => id().prop_map(TestViewer::User),
        2 => id().prop_map(TestViewer::AgentBot),
        3 => Just(TestViewer::Service),
    ];
    let freshness = prop_oneof![5 => 0..3, 1 => number()];
    let parts = (id(), viewer, number(), freshness);
    parts.prop_map(|(account_id, viewer, detail, freshness)| TestScope {
        account_id,
        viewer,
        detail,
        freshness,
    })
}

type Get = (TestScope, i64);

fn get() -> impl Strategy<Value = Get> {
    (scope(), id())
}

fn get_message((scope, inbox_id): &Get) -> pb::GetInboxRequest {
    pb::GetInboxRequest {
        account_id: scope.account_id,
        inbox_id: *inbox_id,
        viewer: scope.viewer(),
        detail: scope.detail,
        freshness: scope.freshness,
    }
}

/// With page size, page token, kinds and beginning of the name.
type List = (TestScope, i32, String, Vec<i32>, String);

fn list() -> impl Strategy<Value = List> {
    let kinds = prop_oneof![3 => vec(1_i32..14, 0..4), 1 => vec(number(), 0..40)];
    (scope(), number(), marked_text(), kinds, marked_text())
}

fn list_message((scope, page_size, page_token, kinds, prefix): &List) -> pb::ListInboxesRequest {
    pb::ListInboxesRequest {
        account_id: scope.account_id,
        viewer: scope.viewer(),
        detail: scope.detail,
        freshness: scope.freshness,
        page_size: *page_size,
        page_token: page_token.clone(),
        channel_kinds: kinds.clone(),
        name_prefix: prefix.clone(),
    }
}

type Batch = (TestScope, Vec<i64>);

fn batch() -> impl Strategy<Value = Batch> {
    let ids = prop_oneof![
        vec(id(), 0..4),
        vec(id(), 0..130),
        hash_set(1_i64.., 0..130).prop_map(Vec::from_iter),
    ];
    (scope(), ids)
}

fn batch_message((scope, ids): &Batch) -> pb::BatchGetInboxesRequest {
    pb::BatchGetInboxesRequest {
        account_id: scope.account_id,
        viewer: scope.viewer(),
        detail: scope.detail,
        freshness: scope.freshness,
        inbox_ids: ids.clone(),
    }
}

/// A key for each kind of address, by number. Keys do not print themselves.
const KEYS: [fn(String) -> Key; AddressKind::COUNT] = [
    Key::WebsiteToken,
    Key::InboxIdentifier,
    Key::Email,
    Key::ForwardToEmail,
    Key::PhoneNumber,
    Key::MessagingServiceSid,
    Key::FacebookPageId,
    Key::InstagramId,
    Key::TiktokBusinessId,
    Key::TwitterProfileId,
    Key::LineChannelId,
    Key::TelegramBotToken,
];

/// With the account, and with the number of a key and its text.
type Find = (TestScope, Option<i64>, Option<(usize, String)>);

fn find() -> impl Strategy<Value = Find> {
    let account = prop_oneof![Just(None), id().prop_map(Some)];
    // Keys that are too long or hold a NUL are refused for that alone.
    let text = prop_oneof![
        3 => text(8),
        3 => marked_text(),
        1 => text(3).prop_map(|text| format!("{MARK}{}", text.repeat(400))),
        1 => text(3).prop_map(|text| format!("{text}{MARK}\0")),
    ];
    let key = prop_oneof![
        1 => Just(None),
        20 => (0..KEYS.len(), text).prop_map(Some),
    ];
    (scope(), account, key)
}

fn find_message((scope, account_id, key): &Find) -> pb::FindInboxesRequest {
    pb::FindInboxesRequest {
        account_id: *account_id,
        viewer: scope.viewer(),
        detail: scope.detail,
        freshness: scope.freshness,
        key: key
            .as_ref()
            .map(|(number, text)| KEYS[*number](text.clone())),
    }
}

#[test]
fn any_bytes_are_answered() {
    let messages = prop_oneof![
        get().prop_map(|it| get_message(&it).encode_to_vec()),
        list().prop_map(|it| list_message(&it).encode_to_vec()),
        batch().prop_map(|it| batch_message(&it).encode_to_vec()),
        find().prop_map(|it| find_message(&it).encode_to_vec()),
    ];
    let bytes = prop_oneof![1 => noise(), 9 => damaged(messages)];
    for_all(800, bytes, |bytes| assert_all_answered(&bytes));
}

#[test]
fn only_valid_get_requests_are_accepted() {
    for_all(1000, get(), |get| {
        let request = GetInbox::try_from(get_message(&get)).ok();
        let (scope, id) = get;
        assert_eq!(request.is_some(), scope.is_valid() && id > 0);
        if let Some(request) = request {
            assert_eq!(request.scope.account, AccountId(scope.account_id));
            assert_eq!(request.inbox, InboxId(id));
        }
    });
}

#[test]
fn only_valid_list_requests_are_accepted() {
    for_all(700, list(), |list| {
        let message = list_message(&list);
        let request = ListInboxes::try_from(message.clone()).ok();
        let (scope, page_size, page_token, kinds, prefix) = list;
        let is_valid = scope.is_valid()
            && page_size >= 0
            && page_token.is_empty()
            && kinds.iter().all(|kind| (1..14).contains(kind));
        assert_eq!(request.is_some(), is_valid);
        let Some(request) = request else { return };
        assert!((1..=MAX_PAGE_SIZE).contains(&request.page_size));
        assert_eq!(request.kinds.len(), BTreeSet::from_iter(kinds).len());
        assert_eq!(request.name_prefix, fold(&prefix));

        // Its own token leads on, as fresh as may be, and not in another account.
        let page_token = Cursor::new("a", InboxId(1)).token(&request.binding);
        let mut next = pb::ListInboxesRequest {
            page_token,
            freshness: pb::Freshness::Latest.into(),
            ..message
        };
        assert!(ListInboxes::try_from(next.clone()).is_ok_and(|next| next.cursor.is_some()));
        next.account_id ^= 1 << 40;
        let rejected = ListInboxes::try_from(next).err();
        assert!(matches!(rejected, Some(CallError::InvalidPageToken)));
    });
}

#[test]
fn only_valid_batch_requests_are_accepted() {
    for_all(400, batch(), |batch| {
        let request = BatchGetInboxes::try_from(batch_message(&batch)).ok();
        let (scope, ids) = batch;
        let distinct: BTreeSet<_> = ids.iter().filter(|id| **id > 0).collect();
        let is_valid =
            scope.is_valid() && (1..=100).contains(&ids.len()) && distinct.len() == ids.len();
        assert_eq!(request.is_some(), is_valid);
        if let Some(request) = request {
            let request: Vec<_> = request.inboxes.iter().map(|id| id.0).collect();
            assert_eq!(request, ids);
        }
    });
}

#[test]
fn only_valid_find_requests_are_accepted() {
    for_all(1000, find(), |find| {
        let request = FindInboxes::try_from(find_message(&find));
        let (scope, account_id, key) = find;
        let is_service = matches!(scope.viewer, TestViewer::Service);
        let is_valid = TestScope {
            account_id: 1,
            ..scope
        }
        .is_valid()
            && account_id.map_or(is_service, |id| id > 0)
            && key.as_ref().is_some_and(|(_, text)| {
                !text.trim().is_empty() && text.len() <= MAX_KEY_BYTES && !text.contains('\0')
            });
        assert_eq!(request.is_ok(), is_valid);
        match request {
            // Each key stands for a kind of its own.
            Ok(request) => assert_eq!(
                Some(request.address.kind),
                key.and_then(|key| AddressKind::iter().nth(key.0))
            ),
            Err(error) => assert_valid_error(error),
        }
    });
}

#[test]
fn guided_bytes_are_a_request_or_rejected() {
    bolero::check!().for_each(assert_all_answered);
}
