//! Questions of watches.

use serde_json::{Value, json};

use super::{Kind, Question, merged, service, user};

pub fn all() -> Vec<Question> {
    let of = |name: &str, account: u32, viewer: Value, more: Value| {
        let request = json!({ "accountId": account.to_string(), "viewer": viewer });
        watch(name, &merged(request, &more))
    };
    let basic = || json!({ "detail": "INBOX_DETAIL_BASIC" });
    let known = |known: Value| merged(basic(), &json!({ "known": known }));
    // Ben is not in inbox 2, and there is no inbox 99.
    let held = json!([
        { "inboxId": "1", "etag": "current" },
        { "inboxId": "2", "etag": "of a time when it was visible" },
        { "inboxId": "3", "etag": "of an earlier state" },
        { "inboxId": "99" },
    ]);
    let invalid = json!([
        { "inboxId": "0" },
        { "inboxId": "1" },
        { "inboxId": "1" },
        { "inboxId": "2", "etag": "e".repeat(65) },
    ]);
    vec![
        of("watch/administrator", 1, user(1), basic()),
        of("watch/agent", 1, user(2), json!({})),
        of("watch/bot", 1, json!({ "agentBotId": "1" }), basic()),
        of("watch/service", 2, service(), basic()),
        of("watch/nothing-visible", 1, user(3), basic()),
        of("watch/known", 1, user(2), known(held)),
        of("watch/invalid-known", 1, user(2), known(invalid)),
        watch("watch/several-fields", &json!({})),
        of("watch/not-a-member", 2, user(1), basic()),
        of("watch/suspended", 3, user(3), basic()),
        by(
            "dashboard",
            Some("1"),
            of("callers/watch/administrator", 1, user(1), json!({})),
        ),
        by(
            "dashboard",
            Some("2"),
            of("callers/watch/another-viewer", 1, user(1), basic()),
        ),
        by(
            "sender",
            None,
            of("callers/watch/withheld-groups", 1, service(), basic()),
        ),
        by(
            "watcher",
            None,
            of("callers/watch/token-alone", 1, service(), basic()),
        ),
        by(
            "watcher",
            None,
            of("callers/watch/another-account", 2, service(), basic()),
        ),
        by(
            "webhooks",
            None,
            of("callers/watch/another-method", 1, service(), basic()),
        ),
        by(
            "anonymous",
            None,
            of("callers/watch/nothing-presented", 1, service(), basic()),
        ),
        by(
            "late",
            None,
            of("callers/watch/expired", 1, service(), basic()),
        ),
    ]
}

/// A watch with this request.
fn watch(name: &str, request: &Value) -> Question {
    Question {
        name: name.to_owned(),
        case: json!({ "request": request }),
        kind: Kind::Watch,
    }
}

/// The question of a caller, and of the user that it calls for.
fn by(caller: &str, user: Option<&str>, mut question: Question) -> Question {
    question.case["caller"] = caller.into();
    if let Some(user) = user {
        question.case["viewer_token"] = user.into();
    }
    question
}
