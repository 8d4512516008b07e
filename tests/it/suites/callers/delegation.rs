//! Tokens of viewers, and credentials together: all are verified, and agree.

use super::{
    issuers::{ISSUERS, KEYS, ask, claims, described, now, outcome, outcome_of, user_claims},
    network::{DASHBOARD, Network, ON_CALL, dns, uri},
};
use crate::support::{Backend, Client, pb, viewer};

/// A caller that is known by its certificate and its token.
fn dashboard(more: &str) -> String {
    format!(
        "[[caller]]\nname = \"dashboard\"\nspiffe = [\"{DASHBOARD}\"]\n\
         subjects = [{{ issuer = \"jobs\", subject = \"dashboard\" }}]\n{more}\n"
    )
}

fn rule(viewers: &str) -> String {
    format!(
        "[[caller.may]]\nmethods = [\"GetInbox\", \"FindInboxes\"]\naccounts = [\"1\"]\n\
         as = {{ {viewers} }}\ndetail = \"full\"\n"
    )
}

fn file(callers: &str) -> String {
    let head = Network::HEAD.replace("version = 1\n", "");
    format!("version = 1\n{head}{ISSUERS}{callers}")
}

/// The answer to a question about account 1.
async fn answer(client: &Client, token: Option<&str>, viewer: pb::Viewer) -> String {
    let value = token.map(|token| format!("Bearer {token}"));
    let header = value.iter().map(|it| ("viewer-authorization", it.as_str()));
    match ask(client, &header.collect::<Vec<_>>(), 1, viewer).await {
        Ok(()) => "served".to_owned(),
        Err(status) => described(&status),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_token_is_for_that_user() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let with_token = rule("users = \"with-token\", bots = \"any\", itself = true");
    let callers = file(&dashboard(&with_token));
    let server = KEYS.program(network.program(&database, &callers)).start();
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let client = network.client(&server, Some(&certificate));
    let of = |user: serde_json::Value| KEYS.login.token(&user_claims(user));
    let (one, digits) = (of(1.into()), of("1".into()));
    let not_permitted = |needs: &str| format!("CALLER_NOT_PERMITTED {needs}");
    let invalid = "CREDENTIALS_INVALID viewer-authorization".to_owned();
    for (token, viewer, expected) in [
        (Some(&one), viewer::user(1), "served".to_owned()),
        (Some(&digits), viewer::user(1), "served".to_owned()),
        // Another user, or nobody, is not the one that the token proves.
        (Some(&one), viewer::user(2), not_permitted("viewer")),
        (Some(&one), viewer::bot(1), not_permitted("viewer")),
        (Some(&one), viewer::service(), not_permitted("viewer")),
        (None, viewer::user(1), not_permitted("viewer-token")),
        (None, viewer::service(), "served".to_owned()),
        (Some(&of("x".into())), viewer::user(1), invalid.clone()),
        (Some(&of((-1).into())), viewer::user(1), invalid.clone()),
        (Some(&of(1.5.into())), viewer::user(1), invalid.clone()),
        (
            Some(&of(serde_json::Value::Null)),
            viewer::user(1),
            invalid.clone(),
        ),
        // Longer than the issuer may say.
        (
            Some(&KEYS.login.token(&{
                let mut claims = user_claims(1);
                claims["exp"] = (now() + 3600).into();
                claims
            })),
            viewer::user(1),
            invalid.clone(),
        ),
        // A caller's token proves no user.
        (
            Some(&KEYS.es256.token(&claims("1"))),
            viewer::user(1),
            invalid,
        ),
    ] {
        let found = answer(&client, token.map(String::as_str), viewer).await;
        assert_eq!(found, expected, "{token:?}");
    }
}

/// A token that comes along counts, even where the rule would need none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verified_token_is_never_decoration() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let callers = file(&dashboard(&rule("users = \"any\"")));
    let server = KEYS.program(network.program(&database, &callers)).start();
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let client = network.client(&server, Some(&certificate));
    let one = KEYS.login.token(&user_claims(1));
    assert_eq!(answer(&client, None, viewer::user(2)).await, "served");
    assert_eq!(answer(&client, Some(&one), viewer::user(1)).await, "served");
    let other = answer(&client, Some(&one), viewer::user(2)).await;
    assert_eq!(other, "CALLER_NOT_PERMITTED viewer");
}

/// A line for each certificate, a column for each token.
const EXPECTED: &str = "
none      CREDENTIALS_MISSING                | is dashboard        | CREDENTIALS_MISSING certificate   | is third            | CALLER_UNKNOWN jobs:nobody | EXPIRED | INVALID
dashboard is dashboard                       | is dashboard        | INVALID                           | INVALID             | CALLER_UNKNOWN jobs:nobody | EXPIRED | INVALID
unknown   FOREIGN | FOREIGN | FOREIGN | FOREIGN | FOREIGN | EXPIRED | INVALID
strict    CREDENTIALS_MISSING authorization  | INVALID             | is strict                         | INVALID             | CALLER_UNKNOWN jobs:nobody | EXPIRED | INVALID
";

/// Certificates, tokens of callers and tokens of viewers together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn combinations() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let entry = |name: &str, identities: &str| {
        let rule = rule("itself = true, users = \"any\"");
        format!("[[caller]]\nname = \"{name}\"\n{identities}\n{rule}")
    };
    let subject =
        |name: &str| format!("subjects = [{{ issuer = \"jobs\", subject = \"{name}\" }}]");
    let strict = format!(
        "dns = [\"{ON_CALL}\"]\n{}\nneeds = \"all\"",
        subject("strict")
    );
    let callers = file(
        &[
            dashboard(&rule("itself = true, users = \"any\"")),
            entry("strict", &strict),
            entry("third", &subject("third")),
        ]
        .concat(),
    );
    let server = KEYS.program(network.program(&database, &callers)).start();
    let dashboard = network.mesh.certificate_with("a", &uri(DASHBOARD));
    let unknown = network
        .mesh
        .certificate_with("b", &uri("spiffe://leadchat.internal/x"));
    let strict = network.office.certificate_with("c", &dns(ON_CALL));
    let clients = [
        ("none", network.client(&server, None)),
        ("dashboard", network.client(&server, Some(&dashboard))),
        ("unknown", network.client(&server, Some(&unknown))),
        ("strict", network.client(&server, Some(&strict))),
    ];
    let token = |subject: &str| format!("Bearer {}", KEYS.eddsa.token(&claims(subject)));
    let mut late = claims("dashboard");
    late["exp"] = (now() - 600).into();
    let forged = crate::support::tokens::Key::eddsa("ed");
    let tokens = [
        ("-", String::new()),
        ("dashboard", token("dashboard")),
        ("strict", token("strict")),
        ("third", token("third")),
        ("nobody", token("nobody")),
        ("expired", format!("Bearer {}", KEYS.eddsa.token(&late))),
        (
            "forged",
            format!("Bearer {}", forged.token(&claims("dashboard"))),
        ),
    ];
    for ((name, client), line) in clients.iter().zip(EXPECTED.trim().lines()) {
        let line = line.strip_prefix(name).unwrap();
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        assert_eq!(columns.len(), tokens.len());
        for ((kind, token), expected) in tokens.iter().zip(columns) {
            let expected = match expected {
                "INVALID" => "CREDENTIALS_INVALID authorization",
                "EXPIRED" => "CREDENTIALS_EXPIRED authorization",
                "FOREIGN" => "CALLER_UNKNOWN spiffe://leadchat.internal/x",
                other => other,
            };
            let mut headers = Vec::new();
            if *kind != "-" {
                headers.push(("authorization", token.as_str()));
            }
            assert_eq!(outcome(client, &headers).await, expected, "{name} {kind}");
            // A good token of a viewer changes nothing of it, and a bad one spoils it.
            let good = format!("Bearer {}", KEYS.login.token(&user_claims(3)));
            headers.push(("viewer-authorization", &good));
            let with_good = outcome_of(client, &headers, viewer::user(3)).await;
            assert_eq!(with_good, expected, "{name} {kind}");
            headers.pop();
            headers.push(("viewer-authorization", "Bearer x"));
            let with_bad = outcome(client, &headers).await;
            assert!(
                with_bad.starts_with("CREDENTIALS_"),
                "{name} {kind}: {with_bad}"
            );
        }
    }
}
