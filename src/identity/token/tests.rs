//! Tokens and time: each use of a token asks the clock that is passed in.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::any;
use serde_json::json;

use super::*;
use crate::tests::for_all;

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A verifier, and a token that is valid for an hour.
fn issued() -> (Verifier, String) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) });
    let claims = json!({
        "iss": "i", "sub": "7", "aud": "a", "nbf": NOW, "iat": NOW, "exp": NOW + 3600,
    });
    let header = encode(br#"{"alg":"EdDSA"}"#);
    let message = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let signature = encode(pair.sign(message.as_bytes()).as_ref());
    let issuer = Issuer {
        name: "issuer".to_owned(),
        about: TokenKind::Viewer,
        iss: "i".to_owned(),
        audience: "a".to_owned(),
        user_claim: "sub".to_owned(),
        longest: Duration::from_hours(1),
        token_type: None,
        keys: Arc::new(KeySet::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap()),
    };
    (
        Verifier::new(vec![issuer], CallerMetrics::default()),
        format!("{message}.{signature}"),
    )
}

/// The clock steps both ways, while the token is in the cache.
#[test]
fn time_is_judged_at_every_use() {
    let (verifier, token) = issued();
    let verify = |now| {
        let verified = verifier.verify(&token, TokenKind::Viewer, at(now));
        verified.map(|it| it.user).map_err(|error| error.problem)
    };
    let user = Ok(Some(UserId(7)));
    for (now, expected) in [
        (NOW, user),
        (NOW - 3600, Err(Problem::NotYet)),
        (NOW - 61, Err(Problem::NotYet)),
        (NOW - 60, user),
        (NOW + 3600, user),
        (NOW + 3659, user),
        (NOW + 3660, Err(Problem::Expired)),
        (NOW + 7200, Err(Problem::Expired)),
        (NOW + 1, user),
    ] {
        assert_eq!(verify(now), expected, "{now}");
    }
    // A token that would be valid for longer is never taken, and never cached.
    let (verifier, token) = issued();
    let early = verifier.verify(&token, TokenKind::Viewer, at(NOW - 61));
    assert_eq!(early.unwrap_err().problem, Problem::TooLong);
}

/// A verified token is one of a viewer, and not of a caller, in the cache, too.
#[test]
fn neither_stands_for_the_other() {
    let (verifier, token) = issued();
    for _ in 0..2 {
        assert!(verifier.verify(&token, TokenKind::Viewer, at(NOW)).is_ok());
        let error = verifier
            .verify(&token, TokenKind::Caller, at(NOW))
            .unwrap_err();
        assert_eq!((error.problem, error.issuer), (Problem::Issuer, None));
    }
}

mod fuzz {
    use super::*;

    /// No change of a token goes unnoticed, and none makes the verifier panic.
    #[test]
    fn a_damaged_token_is_refused() {
        let (verifier, token) = issued();
        let changes = (0..token.len(), any::<u8>());
        for_all(1000, changes, |(at_byte, byte)| {
            let mut bytes = token.clone().into_bytes();
            bytes[at_byte] = byte;
            if let Ok(text) = String::from_utf8(bytes) {
                let verified = verifier.verify(&text, TokenKind::Viewer, at(NOW));
                assert_eq!(verified.is_ok(), text == token, "{text}");
            }
        });
    }
}

#[test]
fn a_header_has_one_form() {
    let read = |values: &[&str]| {
        let values: Vec<_> = values.iter().map(|value| value.as_bytes()).collect();
        bearer(values.iter().copied(), TokenKind::Caller)
            .map(|token| token.map(str::to_owned))
            .map_err(|error| error.problem)
    };
    assert_eq!(read(&[]), Ok(None));
    for good in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c"] {
        assert_eq!(read(&[good]), Ok(Some("a.b.c".to_owned())));
    }
    for bad in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  a",
        "Bearer a ",
        "Basic a",
        "Bearer a,b",
        "Bearér a",
    ] {
        assert_eq!(read(&[bad]), Err(Problem::Form), "{bad}");
    }
    assert_eq!(read(&["Bearer a", "Bearer a"]), Err(Problem::Form));
    assert_eq!(
        read(&[&format!("Bearer {}", "a".repeat(8 << 10))]),
        Err(Problem::Form)
    );
}
