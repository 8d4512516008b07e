//! Tokens: the ones that prove a caller, and all that do not.

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{
    issuers::{ISSUERS, KEYS, claims, now, outcome},
    network::entry,
};
use crate::support::{
    Backend, Client, Database, Program,
    program::{Server, eventually},
    tokens::{Key, encode, jwks, symmetric},
};

fn callers() -> String {
    let sender = entry(
        "sender",
        "subjects = [{ issuer = \"jobs\", subject = \"sender\" }]",
    );
    format!("version = 1\n{ISSUERS}{sender}")
}

fn program(database: &Database) -> Program {
    KEYS.program(Program::caching(database).with_callers(&callers()))
}

fn server(database: &Database) -> Server {
    program(database).start()
}

/// Keys that nothing fetches any more.
#[test]
fn the_age_of_keys_is_reported() {
    let database = Backend::Sqlite.golden();
    let day = Duration::from_hours(24);
    for (age, is_noted) in [(day / 2, false), (29 * day, false), (31 * day, true)] {
        let ask = |arguments: &[&'static str]| {
            let program = Program::new(arguments)
                .env("DATABASE_URL", &database.url())
                .env("FRONTEND_URL", "https://a.example");
            let program = KEYS.program(program.with_callers(&callers()));
            for name in ["jobs.jwks", "login.jwks"] {
                let file = File::options()
                    .append(true)
                    .open(program.folder().join(name));
                file.unwrap().set_modified(SystemTime::now() - age).unwrap();
            }
            String::from_utf8(program.output().stdout).unwrap()
        };
        let report: Value = serde_json::from_str(&ask(&["check", "--json"])).unwrap();
        let keys = &report["settings"]["callers"]["keys"][0];
        assert_eq!(keys["issuer"], "jobs");
        let seconds = keys["age_seconds"].as_u64().unwrap();
        assert!(
            (age.as_secs()..age.as_secs() + 60).contains(&seconds),
            "{seconds}"
        );
        let notes = report["notes"].as_array().unwrap();
        let notes = notes.iter().filter(|note| note["code"] == "KEYS_OLD");
        assert_eq!(notes.count(), if is_noted { 2 } else { 0 });
        let text = ask(&["check"]);
        let days = age.as_secs() / day.as_secs();
        let hours = age.as_secs() / 3600 % 24;
        let shown = format!("{days} days, {hours} hours");
        assert!(
            text.contains(&format!("{:<24}{shown}", "  age of keys")),
            "{text}"
        );
    }
}

async fn by_token(client: &Client, token: &str) -> String {
    outcome(client, &[("authorization", &format!("Bearer {token}"))]).await
}

/// Changes of a good token: a text of its claims, its replacement, and the outcome.
const CLAIMS: &str = r#"
"sub":"sender"      ~ "sub":"sender"                                   ~ is sender
"sub":"sender"      ~ "sub":"nobody"                                   ~ CALLER_UNKNOWN jobs:nobody
"sub":"sender"      ~ "sub":""                                         ~ CALLER_UNKNOWN jobs:
"sub":"sender"      ~ "sub":7                                          ~ CREDENTIALS_INVALID authorization
"sub":"sender"      ~ "other":"sender"                                 ~ CREDENTIALS_INVALID authorization
"sub":"sender"      ~ "sub":"sender","sub":"sender"                    ~ CREDENTIALS_INVALID authorization
"sub":"sender"      ~ "sub":"sender","a":1,"a":2                       ~ CREDENTIALS_INVALID authorization
"aud":"leadchat-inbox" ~ "aud":["leadchat-inbox"]                      ~ is sender
"aud":"leadchat-inbox" ~ "aud":["leadchat-inbox","b"]                  ~ CREDENTIALS_INVALID authorization
"aud":"leadchat-inbox" ~ "aud":[]                                      ~ CREDENTIALS_INVALID authorization
"aud":"leadchat-inbox" ~ "aud":"leadchat"                              ~ CREDENTIALS_INVALID authorization
"aud":"leadchat-inbox" ~ "aud":7                                       ~ CREDENTIALS_INVALID authorization
"aud":"leadchat-inbox" ~ "audience":"leadchat-inbox"                   ~ CREDENTIALS_INVALID authorization
"iss":"https://tokens.example" ~ "iss":"https://tokens.example/"       ~ CREDENTIALS_INVALID authorization
"iss":"https://tokens.example" ~ "iss":"https://login.example"         ~ CREDENTIALS_INVALID authorization
"iss":"https://tokens.example" ~ "iss":["https://tokens.example"]      ~ CREDENTIALS_INVALID authorization
"iss":"https://tokens.example" ~ "issuer":"https://tokens.example"     ~ CREDENTIALS_INVALID authorization
"iss":"https://tokens.example" ~ "iss":"https://tokens.example","iss":"https://tokens.example" ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":NOW-30                                     ~ is sender
"exp":NOW+600       ~ "exp":NOW-90                                     ~ CREDENTIALS_EXPIRED authorization
"exp":NOW+600       ~ "exp":NOW+86400                                  ~ is sender
"exp":NOW+600       ~ "exp":NOW+90000                                  ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":"NOW+600"                                  ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":NOW+600.5                                  ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":1e300                                      ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":-1                                         ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":null                                       ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "expires":NOW+600                                ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":NOW+600,"exp":NOW+600                      ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":NOW+600,"nbf":NOW+30                       ~ is sender
"exp":NOW+600       ~ "exp":NOW+600,"nbf":NOW+150                      ~ CREDENTIALS_EXPIRED authorization
"exp":NOW+600       ~ "exp":NOW+600,"nbf":"NOW+0"                      ~ CREDENTIALS_INVALID authorization
"exp":NOW+600       ~ "exp":NOW+600,"nbf":null                         ~ CREDENTIALS_INVALID authorization
"iat":NOW+0         ~ "iat":NOW+150                                    ~ CREDENTIALS_EXPIRED authorization
"iat":NOW+0         ~ "iat":NOW+30                                     ~ is sender
"iat":NOW+0         ~ "iat":"NOW+0"                                    ~ CREDENTIALS_INVALID authorization
{"iss"              ~ "iss"                                            ~ CREDENTIALS_INVALID authorization
"#;

const GOOD: &str = r#"{"iss":"https://tokens.example","sub":"sender","aud":"leadchat-inbox","iat":NOW+0,"exp":NOW+600}"#;

/// With times for `NOW+1` and `NOW-1`.
fn with_times(text: &str) -> String {
    let mut parts = text.split("NOW");
    let mut result = parts.next().unwrap().to_owned();
    for part in parts {
        let digits = part[1..].bytes().take_while(u8::is_ascii_digit).count();
        let (difference, rest) = part.split_at(digits + 1);
        let time = now().checked_add_signed(difference.parse().unwrap());
        result += &time.unwrap().to_string();
        result += rest;
    }
    result
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_claims() {
    let database = Backend::Sqlite.golden();
    let server = server(&database);
    let client = server.client().await;
    let before = server.statements().await;
    let mut wrong = Vec::new();
    for line in CLAIMS.trim().lines() {
        let parts: Vec<_> = line.split(" ~ ").map(str::trim).collect();
        assert_eq!(GOOD.matches(parts[0]).count(), 1, "{line}");
        let claims = with_times(&GOOD.replace(parts[0], parts[1]));
        let key = &KEYS.es256;
        let token = format!("Bearer {}", key.sign(&key.header(), &claims));
        // The second time it may come from the cache.
        for _ in 0..2 {
            let outcome = outcome(&client, &[("authorization", &token)]).await;
            if outcome != parts[2] {
                wrong.push(format!("{line}: {outcome}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(server.statements().await, before);
    // The log says what the caller is not told.
    for problem in [
        "audience", "issuer", "claims", "too-long", "expired", "not-yet",
    ] {
        assert!(
            server.log().contains(&format!("problem=\"{problem}\"")),
            "{problem}"
        );
    }
}

/// Headers of tokens, signed by the first key: its changes, and the outcome.
const HEADERS: &str = r#"
{"alg":"ES256","kid":"es"}                              ~ is sender
{"alg":"ES256"}                                         ~ is sender
{"alg":"ES256","kid":"es","typ":"at+jwt"}               ~ is sender
{"alg":"ES256","kid":"es","typ":"application/AT+JWT"}   ~ is sender
{"alg":"ES256","kid":"es","typ":"secevent+jwt"}         ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":"other"}                           ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":""}                                ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":"../../es"}                        ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":7}                                 ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":"ed"}                              ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":"es","jku":"https://evil.example"} ~ is sender
{"alg":"ES256","kid":"es","x5u":"https://evil.example"} ~ is sender
{"alg":"ES256","kid":"es","jwk":{"kty":"oct"}}          ~ is sender
{"alg":"ES256","kid":"es","jwk":7}                      ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":"es","crit":["exp"]}               ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":"es","crit":[]}                    ~ CREDENTIALS_INVALID authorization
{"alg":"ES256","kid":"es","b64":false,"crit":["b64"]}   ~ CREDENTIALS_INVALID authorization
{"kid":"es"}                                            ~ CREDENTIALS_INVALID authorization
{"alg":"es256","kid":"es"}                              ~ CREDENTIALS_INVALID authorization
{"alg":"none","kid":"es"}                               ~ CREDENTIALS_INVALID authorization
[]                                                      ~ CREDENTIALS_INVALID authorization
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_tokens() {
    let database = Backend::Sqlite.golden();
    let server = server(&database);
    let client = server.client().await;
    let mut wrong = Vec::new();
    for line in HEADERS.trim().lines() {
        let (header, expected) = line.split_once(" ~ ").unwrap();
        let token = KEYS.es256.sign(header.trim(), &with_times(GOOD));
        let outcome = outcome(&client, &[("authorization", &format!("Bearer {token}"))]).await;
        if outcome != expected {
            wrong.push(format!("{line}: {outcome}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The form of the header itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_calls() {
    let database = Backend::Sqlite.golden();
    let server = program(&database).with_admin().start();
    let client = server.client().await;
    let token = KEYS.es256.token(&claims("sender"));
    let unsigned = token.rsplit_once('.').unwrap().0;
    let invalid = "CREDENTIALS_INVALID authorization";
    for (value, expected) in [
        (format!("Bearer {token}"), "is sender"),
        (format!("bearer {token}"), "is sender"),
        (format!("Bearer  {token}"), invalid),
        (format!("Bearer{token}"), invalid),
        (format!("Bearer {token}="), invalid),
        (format!("Bearer {token}.x"), invalid),
        (format!("Bearer {unsigned}."), invalid),
        (format!("Bearer {unsigned}"), invalid),
        (format!("Basic {token}"), invalid),
        (token.clone(), invalid),
        ("Bearer ".to_owned(), invalid),
        ("Bearer".to_owned(), invalid),
        (String::new(), invalid),
        (format!("Bearer {}", "a".repeat(9 << 10)), invalid),
    ] {
        let outcome = outcome(&client, &[("authorization", &value)]).await;
        assert_eq!(outcome, expected, "{value}");
    }
    let value = format!("Bearer {token}");
    let twice = [("authorization", value.as_str()); 2];
    assert_eq!(outcome(&client, &twice).await, invalid);
    assert_eq!(outcome(&client, &[]).await, "CREDENTIALS_MISSING");
    // The second of the good ones is known, and the first of the bad ones is no token.
    let scrape = server.scrape().await;
    let tokens = |result| scrape.count("leadchat_inbox_tokens_total", &[("result", result)]);
    assert_eq!((tokens("verified"), tokens("cached")), (1, 1));
    assert!(tokens("refused") > 0);
    // None of it is in the log.
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!server.log().contains(signature));
}

/// A key verifies tokens of its own algorithm alone, whatever their headers say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confusion() {
    let database = Backend::Sqlite.golden();
    let server = server(&database);
    let client = server.client().await;
    let algorithms = [
        "ES256", "EdDSA", "RS256", "HS256", "PS256", "ES384", "RS512", "none",
    ];
    let mut count = 0;
    for signer in KEYS.of_jobs() {
        for named in KEYS.of_jobs() {
            for algorithm in algorithms {
                let header = json!({ "alg": algorithm, "kid": named.id }).to_string();
                let token = signer.sign(&header, &with_times(GOOD));
                let outcome = by_token(&client, &token);
                let is_good = signer.id == named.id && algorithm == signer.algorithm();
                let expected = if is_good {
                    "is sender"
                } else {
                    "CREDENTIALS_INVALID authorization"
                };
                assert_eq!(outcome.await, expected, "{} {header}", signer.id);
                count += 1;
            }
        }
    }
    assert_eq!(count, 72);
    // The public key as the secret of HMAC, in the forms that it is known in.
    let jwk = KEYS.rs256.jwk();
    let modulus = jwk["n"].as_str().unwrap().to_owned();
    for secret in [modulus, jwk.to_string(), jwks(&[&KEYS.rs256])] {
        for algorithm in ["HS256", "RS256"] {
            let header = json!({ "alg": algorithm, "kid": "rs" }).to_string();
            let token = symmetric(secret.as_bytes(), &header, &with_times(GOOD));
            let outcome = by_token(&client, &token);
            assert_eq!(outcome.await, "CREDENTIALS_INVALID authorization");
        }
    }
    let unsigned = format!(
        "{}.{}.",
        encode("{\"alg\":\"none\"}"),
        encode(with_times(GOOD))
    );
    let outcome = by_token(&client, &unsigned);
    assert_eq!(outcome.await, "CREDENTIALS_INVALID authorization");
}

/// New keys count without a restart, for tokens that are known, too; bad ones do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_read_again() {
    let database = Backend::Sqlite.golden();
    let server = server(&database);
    let client = server.client().await;
    let token = format!("Bearer {}", KEYS.es256.token(&claims("sender")));
    let of_next = Key::eddsa("next");
    let next = format!("Bearer {}", of_next.token(&claims("sender")));
    let both = async || {
        let old = outcome(&client, &[("authorization", &token)]).await;
        (old, outcome(&client, &[("authorization", &next)]).await)
    };
    let (is, invalid) = (
        "is sender".to_owned(),
        "CREDENTIALS_INVALID authorization".to_owned(),
    );
    assert_eq!(both().await, (is.clone(), invalid.clone()));
    let steps = [
        ("{", "cannot be used", (is.clone(), invalid.clone())),
        (
            "{\"keys\":[]}",
            "cannot be used",
            (is.clone(), invalid.clone()),
        ),
        (
            &jwks(&[&KEYS.es256, &of_next]),
            "counts from now on",
            (is.clone(), is.clone()),
        ),
        (
            &jwks(&[&of_next]),
            "counts from now on",
            (invalid.clone(), is.clone()),
        ),
    ];
    for (keys, logged, expected) in steps {
        let before = server.log_bytes();
        server.replace("jobs.jwks", keys);
        server.signal("HUP");
        eventually(logged, || server.log_after(before).contains(logged)).await;
        assert_eq!(both().await, expected, "{keys}");
    }
}
