//! The questions of the conformance file. Their answers are those of the service.

mod watches;

use serde_json::{Value, json};

use super::fixed::{bytes_of_a_later_server, reasons};

/// A case without its answer.
pub struct Question {
    pub name: String,
    pub case: Value,
    pub kind: Kind,
}

pub enum Kind {
    /// A call of this method.
    Call(&'static str),
    /// A watch, up to its first `synced`.
    Watch,
    /// All pages of a list.
    Pages,
    /// The case has its answer.
    Fixed,
}

/// The kinds of channels in the demonstration data, by inbox id from 1.
const KINDS: [&str; 13] = [
    "web-widget",
    "api",
    "email",
    "facebook-page",
    "instagram",
    "tiktok",
    "twilio-sms",
    "twitter-profile",
    "telegram",
    "line",
    "sms",
    "whatsapp",
    "voice",
];

fn user(id: u32) -> Value {
    json!({ "userId": id.to_string() })
}

fn service() -> Value {
    json!({ "service": {} })
}

fn get(inbox: usize, viewer: &Value) -> Value {
    json!({ "accountId": "1", "inboxId": inbox.to_string(), "viewer": viewer })
}

fn call(name: impl Into<String>, method: &'static str, request: Value) -> Question {
    with(name, method, request, json!({}))
}

/// A call with further keys.
fn with(
    name: impl Into<String>,
    method: &'static str,
    request: Value,
    mut case: Value,
) -> Question {
    case["request"] = request;
    Question {
        name: name.into(),
        case,
        kind: Kind::Call(method),
    }
}

fn pages(name: &str, request: Value) -> Question {
    let mut case = json!({ "pages": true });
    case["request"] = request;
    Question {
        name: name.to_owned(),
        case,
        kind: Kind::Pages,
    }
}

pub fn fixed(name: impl Into<String>, case: Value) -> Question {
    Question {
        name: name.into(),
        case,
        kind: Kind::Fixed,
    }
}

pub fn all() -> Vec<Question> {
    let mut questions = kinds();
    questions.extend(methods());
    questions.extend(errors());
    questions.extend(callers());
    questions.extend(watches::all());
    questions.extend(bytes_of_a_later_server());
    questions.extend(reasons());
    questions
}

/// Every kind of channel, as each viewer.
fn kinds() -> Vec<Question> {
    let viewers = [
        ("administrator", user(1)),
        ("agent", user(4)),
        ("bot", json!({ "agentBotId": "2" })),
        ("service", service()),
    ];
    let mut questions = Vec::new();
    for (index, kind) in KINDS.into_iter().enumerate() {
        for (role, viewer) in &viewers {
            let name = format!("kind/{kind}/{role}");
            questions.push(call(name, "GetInbox", get(index + 1, viewer)));
        }
    }
    // Ben and Lantern are in inbox 1, and not in inbox 2.
    for (role, viewer) in [("agent", user(2)), ("bot", json!({ "agentBotId": "1" }))] {
        let name = format!("not-visible/{role}");
        questions.push(call(name, "GetInbox", get(2, &viewer)));
    }
    questions
}

/// An object with further keys.
fn merged(mut base: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

fn methods() -> Vec<Question> {
    let list = |more: Value| {
        merged(
            json!({ "accountId": "1", "viewer": user(1), "detail": "INBOX_DETAIL_BASIC" }),
            &more,
        )
    };
    let batch = json!({
        "accountId": "1", "viewer": user(1), "inboxIds": ["3", "99", "1"],
        "detail": "INBOX_DETAIL_BASIC",
    });
    let find = |more: Value| {
        merged(
            json!({ "viewer": service(), "detail": "INBOX_DETAIL_BASIC" }),
            &more,
        )
    };
    let mut latest = get(1, &user(1));
    latest["freshness"] = "FRESHNESS_LATEST".into();
    let mut basic = get(1, &user(1));
    basic["detail"] = "INBOX_DETAIL_BASIC".into();
    let explain = json!({ "accountId": "1", "inboxId": "3", "viewer": user(2) });
    let id = json!({ "x-request-id": "conformance-17" });
    vec![
        call("get/basic", "GetInbox", basic),
        call("get/latest", "GetInbox", latest),
        call(
            "list/first-page",
            "ListInboxes",
            list(json!({ "pageSize": 2 })),
        ),
        call("list/whole", "ListInboxes", list(json!({}))),
        call(
            "list/nothing-visible",
            "ListInboxes",
            list(json!({ "viewer": user(3) })),
        ),
        call(
            "list/kinds-and-prefix",
            "ListInboxes",
            list(
                json!({ "namePrefix": "t", "channelKinds": ["CHANNEL_KIND_SMS", "CHANNEL_KIND_TWILIO_SMS"] }),
            ),
        ),
        pages("pages/two-at-a-time", list(json!({ "pageSize": 2 }))),
        pages("pages/of-one", list(json!({ "pageSize": 100 }))),
        pages(
            "pages/none",
            list(json!({ "viewer": user(3), "pageSize": 2 })),
        ),
        call("batch/in-order", "BatchGetInboxes", batch),
        call(
            "find/several-accounts",
            "FindInboxes",
            find(json!({ "facebookPageId": "555000000000104" })),
        ),
        call(
            "find/one-account",
            "FindInboxes",
            find(json!({ "accountId": "1", "phoneNumber": "+15555550112" })),
        ),
        call(
            "find/nothing",
            "FindInboxes",
            find(json!({ "email": "nobody@leadchat.example" })),
        ),
        call("explain/agent", "ExplainAccess", explain),
        with(
            "metadata/request-id",
            "GetInbox",
            get(3, &user(1)),
            json!({ "request_metadata": id, "response_metadata": id }),
        ),
        with(
            "deadline/passed",
            "GetInbox",
            get(3, &user(1)),
            json!({ "timeout_ms": 0 }),
        ),
    ]
}

fn errors() -> Vec<Question> {
    let of_account = |account: u32, viewer: Value| json!({ "accountId": account.to_string(), "inboxId": "31", "viewer": viewer });
    let list = |more: Value| merged(json!({ "accountId": "1", "viewer": user(1) }), &more);
    vec![
        call("error/inbox-not-found", "GetInbox", get(99, &user(1))),
        call("error/several-fields", "GetInbox", json!({})),
        call(
            "error/no-viewer",
            "GetInbox",
            json!({ "accountId": "1", "inboxId": "1" }),
        ),
        call("error/not-a-member", "GetInbox", of_account(2, user(1))),
        call("error/suspended", "GetInbox", of_account(3, user(3))),
        call(
            "error/page-token",
            "ListInboxes",
            list(json!({ "pageToken": "no token" })),
        ),
        call(
            "error/page-size",
            "ListInboxes",
            list(json!({ "pageSize": -1 })),
        ),
        call(
            "error/no-key",
            "FindInboxes",
            json!({ "viewer": service() }),
        ),
    ]
}

/// Questions of known callers, and of others.
fn callers() -> Vec<Question> {
    let as_caller = |name: &str, caller: &str, user: Option<&str>, method, request: Value| {
        let mut case = json!({ "caller": caller });
        if let Some(user) = user {
            case["viewer_token"] = user.into();
        }
        with(format!("callers/{name}"), method, request, case)
    };
    let find = |detail: &str| json!({ "viewer": service(), "detail": detail, "facebookPageId": "555000000000104" });
    let explain = json!({ "accountId": "1", "inboxId": "3", "viewer": user(1) });
    let elsewhere = json!({ "accountId": "2", "inboxId": "24", "viewer": service() });
    let basic = "INBOX_DETAIL_BASIC";
    vec![
        as_caller(
            "administrator",
            "dashboard",
            Some("1"),
            "GetInbox",
            get(3, &user(1)),
        ),
        as_caller(
            "agent",
            "dashboard",
            Some("2"),
            "GetInbox",
            get(3, &user(2)),
        ),
        as_caller("explain", "dashboard", Some("1"), "ExplainAccess", explain),
        as_caller(
            "no-viewer-token",
            "dashboard",
            None,
            "GetInbox",
            get(3, &user(1)),
        ),
        as_caller(
            "another-viewer",
            "dashboard",
            Some("2"),
            "GetInbox",
            get(3, &user(1)),
        ),
        as_caller("one-group", "sender", None, "GetInbox", get(3, &service())),
        as_caller(
            "withheld-group",
            "sender",
            None,
            "GetInbox",
            get(7, &service()),
        ),
        as_caller("another-account", "sender", None, "GetInbox", elsewhere),
        as_caller("another-method", "sender", None, "FindInboxes", find(basic)),
        as_caller("token-alone", "webhooks", None, "FindInboxes", find(basic)),
        as_caller(
            "more-detail",
            "webhooks",
            None,
            "FindInboxes",
            find("INBOX_DETAIL_FULL"),
        ),
        as_caller(
            "nothing-presented",
            "anonymous",
            None,
            "FindInboxes",
            find(basic),
        ),
        as_caller(
            "one-lacks",
            "sender-without-token",
            None,
            "GetInbox",
            get(3, &service()),
        ),
        as_caller("unknown", "nobody", None, "FindInboxes", find(basic)),
        as_caller("forged", "forger", None, "FindInboxes", find(basic)),
        as_caller("expired", "late", None, "FindInboxes", find(basic)),
    ]
}
