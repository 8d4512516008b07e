//! The audit: what has a line, and how often.

use std::{cell::RefCell, collections::BTreeMap, mem, net::Ipv4Addr, time::SystemTime};

use prost_reflect::{DescriptorPool, Value as Option_};
use serde_json::Value;
use strum::IntoEnumIterator;

use super::*;
use crate::{
    domain::{freshness::BootInstant, id::UserId, viewer::Role},
    identity::{Policy, Presented},
};

thread_local! {
    static LINES: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
}

fn sink(line: &str) {
    LINES.with_borrow_mut(|lines| lines.push(serde_json::from_str(line).unwrap()));
}

fn lines() -> Vec<Value> {
    LINES.with_borrow_mut(mem::take)
}

fn audit() -> Audit {
    let clock = Clock {
        boot: || BootInstant(std::time::Duration::ZERO),
        wall: || SystemTime::UNIX_EPOCH,
    };
    Audit::new(Some(sink), clock, CallerMetrics::default())
}

pub fn call() -> AuditedCall {
    let presented = Presented {
        peer: &Peer::Loopback,
        authorization: &[],
        viewer_authorization: &[],
    };
    let policy = Policy::built_in(Role::Agent);
    AuditedCall {
        caller: policy.identify(&presented, SystemTime::UNIX_EPOCH).unwrap(),
        method: Method::GetInbox,
        request_id: None,
        peer: Some(Peer::Tls(Ipv4Addr::LOCALHOST.into(), None)),
    }
}

impl Disclosure {
    /// One without an audit.
    pub fn unwritten() -> Self {
        let clock = Clock {
            boot: || BootInstant(std::time::Duration::ZERO),
            wall: || SystemTime::UNIX_EPOCH,
        };
        Self::new(
            Audit::new(None, clock, CallerMetrics::default()),
            call(),
            None,
            Viewer::Service,
        )
    }
}

fn inbox(id: i64, groups: SecretGroups) -> UndisclosedInbox {
    let message = pb::Inbox {
        id,
        name: "a name".to_owned(),
        ..pb::Inbox::default()
    };
    UndisclosedInbox {
        groups,
        ..UndisclosedInbox::public(message)
    }
}

#[test]
fn a_response_with_secrets_has_a_line() {
    let smtp = SecretGroups::from_iter([SecretGroup::Smtp]);
    let twilio = SecretGroups::from_iter([SecretGroup::Twilio]);
    let viewer = Viewer::User(UserId(7));
    let mut disclosure = Disclosure::new(audit(), call(), Some(AccountId(3)), viewer);
    disclosure.disclose(inbox(1, smtp));
    disclosure.disclose(inbox(2, SecretGroups::NONE));
    disclosure.disclose(inbox(3, twilio));
    // An inbox that is not disclosed is in no line.
    drop(inbox(4, smtp));
    assert!(lines().is_empty());
    drop(disclosure);
    let line = serde_json::json!({
        "timestamp": "1970-01-01T00:00:00.000000Z", "level": "INFO", "target": "audit",
        "event": "disclosed", "caller": "local", "credential": "local", "method": "GetInbox",
        "account": 3, "viewer": "user", "viewer_id": 7, "inboxes": [1, 3],
        "groups": ["smtp", "twilio"], "request_id": "", "peer": "127.0.0.1",
    });
    assert_eq!(lines(), [line]);
}

#[test]
fn a_response_without_secrets_has_none() {
    let mut disclosure = Disclosure::new(audit(), call(), None, Viewer::Service);
    disclosure.disclose(inbox(2, SecretGroups::NONE));
    drop(disclosure);
    assert!(lines().is_empty());
}

#[test]
fn many_inboxes_have_several_lines() {
    let mut disclosure = Disclosure::new(audit(), call(), None, Viewer::Service);
    for id in 1..=201 {
        disclosure.disclose(inbox(id, SecretGroups::ALL));
    }
    drop(disclosure);
    let parts = lines().into_iter().map(|line| {
        let count = line["inboxes"].as_array().unwrap().len();
        (line["part"].as_u64().unwrap(), count)
    });
    assert_eq!(parts.collect::<Vec<_>>(), [(1, 100), (2, 100), (3, 1)]);
}

/// The first denial of a caller has a line at once, further ones one a second. None is lost.
#[test]
fn denials_are_counted() {
    let (audit, call) = (audit(), call());
    let counts = || {
        let lines = lines().into_iter();
        let counts = lines.map(|line| {
            (
                line["needs"].as_str().unwrap().to_owned(),
                line["count"].as_u64().unwrap(),
            )
        });
        counts.collect::<Vec<_>>()
    };
    let one = |needs: &str, count| (needs.to_owned(), count);
    for _ in 0..5 {
        audit.denied(&call, None, Needs::Method);
    }
    audit.denied(&call, None, Needs::Account);
    assert_eq!(counts(), [one("method", 1), one("account", 1)]);
    // Less than a second after the first line.
    audit.write_counted();
    assert!(counts().is_empty());
    audit.write_counted();
    assert_eq!(counts(), [one("method", 4)]);
    audit.denied(&call, None, Needs::Method);
    audit.denied(&call, None, Needs::Method);
    assert!(counts().is_empty());
    audit.flush();
    assert_eq!(counts(), [one("method", 2)]);
}

/// The groups of the kinds are those of the fields of the contract.
#[test]
fn kinds_have_the_groups_of_their_fields() {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let option = pool
        .get_extension_by_name("leadchat.inbox.v1.secret_group")
        .unwrap();
    let inbox = pool.get_message_by_name("leadchat.inbox.v1.Inbox").unwrap();
    let channel = inbox.oneofs().find(|it| it.name() == "channel").unwrap();
    let mut of_contract = BTreeMap::new();
    for field in channel.fields() {
        let message = field.kind().as_message().unwrap().clone();
        let groups =
            message
                .fields()
                .filter_map(|field| match &*field.options().get_extension(&option) {
                    Option_::EnumNumber(number) if *number > 0 => {
                        pb::SecretGroup::try_from(*number).ok()
                    }
                    _ => None,
                });
        let mut groups: Vec<_> = groups.map(|group| group.as_str_name()).collect();
        groups.sort_unstable();
        groups.dedup();
        of_contract.insert(
            format!("CHANNEL_KIND_{}", field.name().to_uppercase()),
            groups,
        );
    }
    assert_eq!(of_contract.len(), ChannelKind::iter().count());
    for kind in ChannelKind::iter() {
        let groups = groups_of(kind)
            .iter()
            .map(|group| pb::SecretGroup::from(*group));
        let mut groups: Vec<_> = groups.map(|group| group.as_str_name()).collect();
        groups.sort_unstable();
        let name = pb::ChannelKind::from(kind).as_str_name();
        assert_eq!(of_contract[name], groups, "{name}");
    }
}
