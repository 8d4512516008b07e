//! Sets of keys, right and wrong.

use serde_json::json;

use super::*;

const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

fn ec(more: &Value) -> Value {
    let mut key = json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": "a" });
    for (name, value) in more.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn read(keys: &[Value]) -> Result<usize, String> {
    let set = json!({ "keys": keys }).to_string();
    KeySet::read(set.as_bytes()).map(|set| set.keys.len())
}

#[test]
fn keys_are_strict() {
    let modulus = |bytes| URL_SAFE_NO_PAD.encode(vec![0xc1; bytes]);
    let rsa = |bytes| json!({ "kty": "RSA", "n": modulus(bytes), "e": "AQAB" });
    let short = &X[..40];
    let refused = [
        (ec(&json!({ "x": short })), "a coordinate has not 32 bytes"),
        (ec(&json!({ "alg": "ES384" })), "its alg is none of"),
        (ec(&json!({ "alg": "RS256" })), "its alg is none of"),
        (ec(&json!({ "kid": 7 })), "is no JSON Web Key"),
        (rsa(128), "is an RSA key of less than 2048 bits"),
        (
            json!({ "kty": "oct", "k": X, "alg": "HS256" }),
            "is symmetric",
        ),
        (
            json!({ "kty": "OKP", "crv": "Ed25519", "x": short }),
            "x has not 32 bytes",
        ),
    ];
    for (key, reason) in refused {
        // Not even beside a good one.
        let error = read(&[ec(&json!({ "kid": "b" })), key.clone()]).unwrap_err();
        assert!(
            error.starts_with("key 2: ") && error.contains(reason),
            "{key} {error}"
        );
    }
    for good in [
        ec(&json!({})),
        ec(&json!({ "alg": "ES256", "use": "sig", "key_ops": ["verify"] })),
        ec(&json!({ "use": "jwt-svid" })),
        rsa(256),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "alg": "EdDSA" }),
    ] {
        assert_eq!(read(&[good]), Ok(1));
    }
}

#[test]
fn keys_for_other_uses_are_left_out() {
    let others = [
        ec(&json!({ "use": "enc" })),
        ec(&json!({ "use": "x509-svid" })),
        ec(&json!({ "key_ops": ["encrypt"] })),
        ec(&json!({ "crv": "P-384" })),
        json!({ "kty": "new", "a": 1 }),
        json!({}),
    ];
    for other in others {
        assert_eq!(read(&[other.clone(), ec(&json!({}))]), Ok(1), "{other}");
        assert_eq!(
            read(&[other]),
            Err("has no key that can be used".to_owned())
        );
    }
}

#[test]
fn sets_are_strict() {
    for text in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}"] {
        assert!(KeySet::read(text.as_bytes()).is_err(), "{text}");
    }
    let twice = read(&[ec(&json!({})), ec(&json!({}))]).unwrap_err();
    assert_eq!(twice, "key 2: another one has its kid");
    let many: Vec<_> = (0..65)
        .map(|id| ec(&json!({ "kid": id.to_string() })))
        .collect();
    assert_eq!(read(&many[..64]), Ok(64));
    assert_eq!(read(&many), Err("has more than 64 keys".to_owned()));
}

mod fuzz {
    use super::*;
    use crate::tests::{damaged_one_of, for_all};

    const SET: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","use":"sig",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

    /// Any bytes are read or refused.
    #[test]
    fn a_damaged_set_is_read_or_refused() {
        for_all(500, damaged_one_of(&[SET]), |text| {
            if let Ok(set) = KeySet::read(text.as_bytes()) {
                assert!(!set.keys.is_empty());
            }
        });
    }
}
