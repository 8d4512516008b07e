//! Any text as a secret.

use proptest::prelude::*;
use serde_json::{Value, value::RawValue};

use super::is_envelope;
use crate::tests::{damaged_one_of, for_all, json, text};

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
