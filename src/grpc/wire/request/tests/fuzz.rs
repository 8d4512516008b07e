//! Any bytes as a request.

use proptest::{
    collection::{hash_set, vec},
    prelude::*,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::super::{pb::find_inboxes_request::Key, *};
use crate::tests::{MARK, damaged, for_all, noise, text};

/// What holds for any bytes. A line a request.
fn are_answered(bytes: &[u8]) {
    is_answered::<pb::GetInboxRequest, GetInbox>(bytes);
    is_answered::<pb::ListInboxesRequest, ListInboxes>(bytes);
    is_answered::<pb::BatchGetInboxesRequest, BatchGetInboxes>(bytes);
    is_answered::<pb::FindInboxesRequest, FindInboxes>(bytes);
}

/// The bytes are no such message, or a request, or refused in our own words.
fn is_answered<M, R>(bytes: &[u8])
where
    M: Message + Default,
    R: TryFrom<M, Error = CallError>,
{
    if let Ok(message) = M::decode(bytes)
        && let Err(error) = R::try_from(message)
    {
        is_said_in_our_words(error);
    }
}

fn is_said_in_our_words(error: CallError) {
    // A request may be wrong in as many places as it has bytes.
    if let CallError::Invalid(violations) = &error {
        assert!((1..=16).contains(&violations.len()));
    }
    let status = Status::from(error);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.details().len() < 4096);
    let fields = status.get_details_bad_request().unwrap().field_violations;
    assert!((1..=16).contains(&fields.len()));

    let said = format!("{status:?} {}", String::from_utf8_lossy(status.details()));
    assert!(!said.contains(MARK), "{said}");
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
fn marked() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        1 => (text(6), text(6)).prop_map(|(before, behind)| format!("{before}{MARK}{behind}")),
    ]
}

#[derive(Clone, Debug)]
enum Who {
    Nobody,
    NoPrincipal,
    User(i64),
    AgentBot(i64),
    Service,
}

/// What every request says. Messages do not print themselves.
#[derive(Clone, Debug)]
struct Said {
    account_id: i64,
    who: Who,
    detail: i32,
}

impl Said {
    fn is_sound(&self) -> bool {
        let is_somebody = match self.who {
            Who::Nobody | Who::NoPrincipal => false,
            Who::User(id) | Who::AgentBot(id) => id > 0,
            Who::Service => true,
        };
        is_somebody && self.account_id > 0 && (0..3).contains(&self.detail)
    }

    fn viewer(&self) -> Option<pb::Viewer> {
        use pb::viewer::Principal;

        let principal = match self.who {
            Who::Nobody => return None,
            Who::NoPrincipal => None,
            Who::User(id) => Some(Principal::UserId(id)),
            Who::AgentBot(id) => Some(Principal::AgentBotId(id)),
            Who::Service => Some(Principal::Service(pb::ServiceViewer {})),
        };
        Some(pb::Viewer { principal })
    }
}

fn said() -> impl Strategy<Value = Said> {
    let who = prop_oneof![
        1 => Just(Who::Nobody),
        1 => Just(Who::NoPrincipal),
        6 => id().prop_map(Who::User),
        2 => id().prop_map(Who::AgentBot),
        3 => Just(Who::Service),
    ];
    (id(), who, number()).prop_map(|(account_id, who, detail)| Said {
        account_id,
        who,
        detail,
    })
}

type Get = (Said, i64);

fn get() -> impl Strategy<Value = Get> {
    (said(), id())
}

fn get_message((said, inbox_id): &Get) -> pb::GetInboxRequest {
    pb::GetInboxRequest {
        account_id: said.account_id,
        inbox_id: *inbox_id,
        viewer: said.viewer(),
        detail: said.detail,
    }
}

/// With page size, page token, kinds and beginning of the name.
type List = (Said, i32, String, Vec<i32>, String);

fn list() -> impl Strategy<Value = List> {
    let kinds = prop_oneof![3 => vec(1_i32..14, 0..4), 1 => vec(number(), 0..40)];
    (said(), number(), marked(), kinds, marked())
}

fn list_message((said, page_size, page_token, kinds, prefix): &List) -> pb::ListInboxesRequest {
    pb::ListInboxesRequest {
        account_id: said.account_id,
        viewer: said.viewer(),
        detail: said.detail,
        page_size: *page_size,
        page_token: page_token.clone(),
        channel_kinds: kinds.clone(),
        name_prefix: prefix.clone(),
    }
}

type Batch = (Said, Vec<i64>);

fn batch() -> impl Strategy<Value = Batch> {
    let ids = prop_oneof![
        vec(id(), 0..4),
        vec(id(), 0..130),
        hash_set(1_i64.., 0..130).prop_map(Vec::from_iter),
    ];
    (said(), ids)
}

fn batch_message((said, ids): &Batch) -> pb::BatchGetInboxesRequest {
    pb::BatchGetInboxesRequest {
        account_id: said.account_id,
        viewer: said.viewer(),
        detail: said.detail,
        inbox_ids: ids.clone(),
    }
}

/// A key for each kind of address, by number. Keys do not print themselves.
const KEYS: [fn(String) -> Key; AddressKind::ALL.len()] = [
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
type Find = (Said, Option<i64>, Option<(usize, String)>);

fn find() -> impl Strategy<Value = Find> {
    let account = prop_oneof![Just(None), id().prop_map(Some)];
    // What is too long, or holds a NUL, is refused for that alone.
    let text = prop_oneof![
        3 => text(8),
        3 => marked(),
        1 => text(3).prop_map(|text| format!("{MARK}{}", text.repeat(400))),
        1 => text(3).prop_map(|text| format!("{text}{MARK}\0")),
    ];
    let key = prop_oneof![
        1 => Just(None),
        20 => (0..KEYS.len(), text).prop_map(Some),
    ];
    (said(), account, key)
}

fn find_message((said, account_id, key): &Find) -> pb::FindInboxesRequest {
    pb::FindInboxesRequest {
        account_id: *account_id,
        viewer: said.viewer(),
        detail: said.detail,
        key: key
            .as_ref()
            .map(|(number, text)| KEYS[*number](text.clone())),
    }
}

#[test]
fn no_bytes_are_too_odd_to_be_answered() {
    let messages = prop_oneof![
        get().prop_map(|it| get_message(&it).encode_to_vec()),
        list().prop_map(|it| list_message(&it).encode_to_vec()),
        batch().prop_map(|it| batch_message(&it).encode_to_vec()),
        find().prop_map(|it| find_message(&it).encode_to_vec()),
    ];
    let bytes = prop_oneof![1 => noise(), 9 => damaged(messages)];
    for_all(800, bytes, |bytes| are_answered(&bytes));
}

#[test]
fn an_inbox_is_asked_for_by_a_sound_request_alone() {
    for_all(1000, get(), |get| {
        let asked = GetInbox::try_from(get_message(&get)).ok();
        let (said, id) = get;
        assert_eq!(asked.is_some(), said.is_sound() && id > 0);
        if let Some(asked) = asked {
            assert_eq!(asked.asked.account, AccountId(said.account_id));
            assert_eq!(asked.inbox, InboxId(id));
        }
    });
}

#[test]
fn a_list_is_asked_for_within_bounds() {
    for_all(700, list(), |list| {
        let message = list_message(&list);
        let asked = ListInboxes::try_from(message.clone()).ok();
        let (said, page_size, page_token, kinds, prefix) = list;
        let is_sound = said.is_sound()
            && page_size >= 0
            && page_token.is_empty()
            && kinds.iter().all(|kind| (1..14).contains(kind));
        assert_eq!(asked.is_some(), is_sound);
        let Some(asked) = asked else { return };
        assert!((1..=LARGEST_PAGE).contains(&asked.page_size));
        assert_eq!(asked.kinds.len(), BTreeSet::from_iter(kinds).len());
        assert_eq!(asked.name_prefix, fold(&prefix));

        // Its own token leads on, and not in another account.
        let page_token = After::new("a", InboxId(1)).token(&asked.binding);
        let mut next = pb::ListInboxesRequest {
            page_token,
            ..message
        };
        assert!(ListInboxes::try_from(next.clone()).is_ok_and(|next| next.after.is_some()));
        next.account_id ^= 1 << 40;
        let refused = ListInboxes::try_from(next).err();
        assert!(matches!(refused, Some(CallError::InvalidPageToken)));
    });
}

#[test]
fn a_batch_is_asked_for_within_bounds() {
    for_all(400, batch(), |batch| {
        let asked = BatchGetInboxes::try_from(batch_message(&batch)).ok();
        let (said, ids) = batch;
        let distinct: BTreeSet<_> = ids.iter().filter(|id| **id > 0).collect();
        let is_sound =
            said.is_sound() && (1..=100).contains(&ids.len()) && distinct.len() == ids.len();
        assert_eq!(asked.is_some(), is_sound);
        if let Some(asked) = asked {
            let asked: Vec<_> = asked.inboxes.iter().map(|id| id.0).collect();
            assert_eq!(asked, ids);
        }
    });
}

#[test]
fn an_address_is_looked_for_by_a_sound_request_alone() {
    for_all(1000, find(), |find| {
        let asked = FindInboxes::try_from(find_message(&find));
        let (said, account_id, key) = find;
        let is_service = matches!(said.who, Who::Service);
        let is_sound = Said {
            account_id: 1,
            ..said
        }
        .is_sound()
            && account_id.map_or(is_service, |id| id > 0)
            && key.as_ref().is_some_and(|(_, text)| {
                !text.trim().is_empty() && text.len() <= LONGEST_KEY && !text.contains('\0')
            });
        assert_eq!(asked.is_ok(), is_sound);
        match asked {
            // Each key stands for a kind of its own.
            Ok(asked) => assert_eq!(
                Some(asked.address.kind),
                key.map(|key| AddressKind::ALL[key.0])
            ),
            Err(error) => is_said_in_our_words(error),
        }
    });
}

#[test]
fn guided_bytes_are_a_request_or_refused() {
    bolero::check!().for_each(are_answered);
}
