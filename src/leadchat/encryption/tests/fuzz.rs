//! Any text as a secret, plain, encrypted or damaged.

use proptest::{prelude::*, sample::select};
use serde_json::{Value, value::RawValue};

use super::{ENCRYPTION, OBSERVED, decrypted, is_envelope, keys, to_envelope};
use crate::tests::{damaged, damaged_one_of, for_all, json, noise, text};
use secrecy::ExposeSecret;

const SAMPLES: [&str; 8] = [
    r#"{"p":"zz","h":{"iv":"AA","at":"BB"}}"#,
    r#"  {"h":{"at":"BB","iv":"AA","i":"x","c":true},"p":"zz","more":[1e999]} "#,
    r#"{"p":1,"p":"x","h":{"iv":null,"at":null}}"#,
    r#"{"p":"x","p":1,"h":{"iv":"AA","at":"BB"}}"#,
    r#"{"p":"x","h":"{}"}"#,
    r#"{"p":"S\ud800","h":{"iv":"AA","at":"BB"},"\ud800":1}"#,
    r#"{"\u0070":"x","\u0068":{"i\u0076":"AA","at":"BB"}}"#,
    r#"[{"p":"x","h":{"iv":"AA","at":"BB"}}]"#,
];

#[test]
fn an_envelope_is_what_any_reader_takes_for_one() {
    let texts = prop_oneof![
        8 => damaged_one_of(&SAMPLES),
        1 => text(100),
        1 => (json::tree(), json::space()).prop_map(|(tree, space)| tree.text(space)),
    ];
    for_all(500, texts, |text| {
        let is_envelope = is_envelope(&text);
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let headers = &value["h"];
            let expected = value["p"].is_string()
                && headers.get("iv").is_some()
                && headers.get("at").is_some();
            assert_eq!(is_envelope, expected);
        } else {
            // It holds what other readers stumble over, but is JSON at heart.
            let text = text.replace(char::is_control, "");
            let raw = serde_json::from_str::<&RawValue>(&text);
            assert!(!is_envelope || raw.is_ok());
        }
    });
}

/// Whatever else stands in an envelope, and however much.
#[test]
fn an_envelope_stays_one_whatever_is_added() {
    let added = || ("[a-g]{1,3}", json::tree());
    for_all(
        50,
        (added(), added(), json::space()),
        |(outer, inner, space)| {
            let entry =
                |(key, tree): (String, json::Tree)| format!("\"{key}\":{}", tree.text(space));
            let (outer, inner) = (entry(outer), entry(inner));
            for envelope in [
                format!(r#"{{"p":"x",{outer},"h":{{"iv":"",{inner},"at":""}}}}"#),
                format!(r#"{{{outer},"h":{{{inner},"at":1,"iv":2}},"p":"x"}}"#),
            ] {
                assert!(is_envelope(&envelope));
                assert!(!is_envelope(&envelope[1..]));
                assert!(!is_envelope(&envelope[..envelope.len() - 1]));
                assert!(!is_envelope(&format!("[{envelope}]")));
            }
        },
    );
}

/// Short and long ones, and those that compress well or not at all.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => text(60),
        2 => text(400),
        1 => ("[a-z]{1,8}", 1..600_usize).prop_map(|(word, times)| word.repeat(times)),
    ]
}

#[test]
fn encrypted_text_is_decrypted_and_equal_texts_look_equal() {
    for_all(400, (secret(), secret()), |(secret, other)| {
        let encrypt = |text: &str| {
            let envelope = ENCRYPTION.deterministic(&text.to_owned().into()).unwrap();
            envelope.expose_secret().to_owned()
        };
        let envelope = encrypt(&secret);
        assert!(is_envelope(&envelope));
        assert_eq!(encrypt(&other) == envelope, secret == other);
        let read = keys()
            .deterministic
            .decrypt(&super::Envelope::find(&envelope).unwrap());
        assert_eq!(read.unwrap().expose_secret(), secret);
        // Not with the other key, which its reference does not name.
        assert_eq!(decrypted(&envelope), None);
    });
}

/// A bit of what is encrypted, of its tag or of its vector.
#[test]
fn a_flipped_bit_is_noticed() {
    use base64::{Engine, prelude::BASE64_STANDARD};

    let parts = (
        secret(),
        select(&["p", "iv", "at"][..]),
        any::<prop::sample::Index>(),
    );
    for_all(400, parts, |(secret, part, bit)| {
        let envelope = to_envelope(secret.as_bytes(), "");
        assert_eq!(decrypted(&envelope), Some(secret));
        let mut value: Value = serde_json::from_str(&envelope).unwrap();
        let place = if part == "p" {
            "/p"
        } else {
            &format!("/h/{part}")
        };
        let text = value.pointer_mut(place).unwrap();
        let mut bytes = BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
        if bytes.is_empty() {
            return;
        }
        let bit = bit.index(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        *text = BASE64_STANDARD.encode(bytes).into();
        assert_eq!(decrypted(&value.to_string()), None);
    });
}

/// A damaged envelope gives the encrypted text or nothing; or the stored text, if it is
/// no envelope any more.
fn is_read_or_kept_shut(stored: &str, secrets: &[&str]) {
    match decrypted(stored) {
        None => assert!(is_envelope(stored)),
        Some(text) if is_envelope(stored) => assert!(secrets.contains(&text.as_str()), "{text:?}"),
        Some(text) => assert_eq!(text, stored),
    }
}

fn secrets() -> Vec<&'static str> {
    let stored = OBSERVED.encrypt.iter();
    let read = ["plain-refX", "under-sha1", "abc"];
    stored
        .map(|stored| stored.plaintext.as_str())
        .chain(read)
        .collect()
}

#[test]
fn no_damage_makes_a_text_that_nobody_encrypted() {
    let secrets = secrets();
    let stored = OBSERVED.encrypt.iter().map(|stored| &stored.ciphertext);
    let stored: Vec<_> = stored
        .chain(OBSERVED.decrypt.iter().map(|read| &read.stored))
        .collect();
    let stored = select(stored).prop_map(|stored| stored.as_bytes().to_vec());
    for_all(1000, damaged(stored), |stored| {
        is_read_or_kept_shut(&String::from_utf8_lossy(&stored), &secrets);
    });
}

/// Any encrypted content gives a text or nothing, also bytes that are no text or were
/// never deflated.
#[test]
fn any_bytes_in_an_envelope_are_a_text_or_nothing() {
    let headers = select(&["", r#","c":true"#, r#","e":"SVNPLTg4NTktMQ==""#][..]);
    for_all(600, (noise(), headers), |(bytes, headers)| {
        let read = decrypted(&to_envelope(&bytes, headers));
        match headers {
            "" => assert_eq!(read, String::from_utf8(bytes).ok()),
            r#","c":true"# => assert!(read.is_none_or(|text| text.len() <= 128 << 10)),
            _ => assert_eq!(read.map(|text| text.chars().count()), Some(bytes.len())),
        }
    });
}

#[test]
fn guided_bytes_are_read_or_kept_shut() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        is_read_or_kept_shut(&text, &[]);
        // As a header, and as what is encrypted.
        let _ = decrypted(&to_envelope(bytes, &format!(",{text}")));
        let _ = decrypted(&to_envelope(bytes, r#","c":true"#));
    });
}
