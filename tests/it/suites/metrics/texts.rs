//! Texts of clients, which are no labels.

use std::collections::BTreeSet;

use serde_json::json;
use tonic::{Request, metadata::MetadataValue};

use super::LOCAL;
use crate::{
    suites::callers::{
        issuers::{ISSUERS, KEYS, claims, now},
        network::entry,
    },
    support::{Backend, Program, get_inbox, pb, viewer},
};

/// Series of a server whose callers have asked every odd thing: far fewer than all that the
/// labels allow.
const MAX_SERIES: usize = 600;

/// Why the tokens of [`token`] are refused, each with its reason.
const PROBLEMS: [&str; 10] = [
    "form",
    "issuer",
    "unknown-key",
    "algorithm",
    "signature",
    "claims",
    "type",
    "audience",
    "expired",
    "not-yet",
];

/// A token that is refused for such a problem, with a text that no other one has.
fn token(problem: &str, number: i64) -> String {
    let text = format!("text-{number}");
    let (key, mut claims) = (&KEYS.es256, claims(&text));
    match problem {
        "form" => return format!("a.b{number}.c"),
        "unknown-key" | "algorithm" | "type" => {
            let header = match problem {
                "unknown-key" => json!({ "alg": "ES256", "kid": text }),
                "algorithm" => json!({ "alg": "RS256", "kid": "es", "text": text }),
                _ => json!({ "alg": "ES256", "kid": "es", "typ": text }),
            };
            return key.sign(&header.to_string(), &claims.to_string());
        }
        "signature" => {
            let token = KEYS.login.sign(&key.header(), &claims.to_string());
            return token;
        }
        "issuer" => claims["iss"] = format!("https://{text}.example").into(),
        "claims" => claims["exp"] = text.into(),
        "audience" => claims["aud"] = text.into(),
        "expired" => claims["exp"] = (now() - 600).into(),
        "not-yet" => claims["nbf"] = (now() + 6000).into(),
        other => panic!("{other}"),
    }
    key.token(&claims)
}

/// Every text of a client leads to series of the same few names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_of_clients_make_no_series() {
    let database = Backend::Sqlite.golden();
    let sender = entry(
        "sender",
        "subjects = [{ issuer = \"jobs\", subject = \"sender\" }]",
    );
    let callers = format!("{LOCAL}{ISSUERS}{sender}");
    let program = Program::serving(&database).with_admin();
    let server = KEYS.program(program.with_callers(&callers)).start();
    let client = server.client().await;
    let refused = async |path: &str, header: &'static str, token: &str| {
        let mut request = Request::new(Vec::new());
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert(header, value);
        let answer = client.raw::<pb::GetInboxResponse>(path, request).await;
        answer.unwrap_err();
    };
    let get = "/leadchat.inbox.v1.InboxService/GetInbox";
    for (number, problem) in (0..300).zip(PROBLEMS.into_iter().cycle()) {
        let path = format!("/service-{number}.Any/Method{number}");
        refused(&path, "authorization", &format!("a.b{number}.c")).await;
        refused(get, "authorization", &token(problem, number)).await;
        refused(get, "viewer-authorization", &token(problem, number)).await;
        // A good token of a subject that nobody is.
        let unknown = KEYS.es256.token(&claims(&format!("text-{number}")));
        refused(get, "authorization", &unknown).await;
        let _ = client.get(get_inbox(number, 1, viewer::user(number))).await;
    }
    let scrape = server.scrape().await;
    assert!(
        scrape.series_count() < MAX_SERIES,
        "{}",
        scrape.series_count()
    );
    let refusals = "leadchat_inbox_unauthenticated_total";
    let shown: BTreeSet<_> = PROBLEMS
        .into_iter()
        .filter(|problem| scrape.count(refusals, &[("problem", problem)]) >= 30)
        .collect();
    assert_eq!(shown, BTreeSet::from(PROBLEMS));
    let unknown = [("credential", "proved"), ("problem", "unknown")];
    assert!(scrape.count(refusals, &unknown) >= 300);
    let tokens = |result| scrape.count("leadchat_inbox_tokens_total", &[("result", result)]);
    assert!(tokens("refused") >= 300);
    assert_eq!(tokens("verified"), 300);
}
