//! Any text as a JSON column.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::tests::{
    damaged_one_of, for_all, json,
    json::{Tree, Written},
    text,
};

const SAMPLES: [&str; 8] = [
    r#"{"a": [1, -2.5e3, "x\u00e9", true, null, {}], "b": {"": {"c": false}}}"#,
    r#"{"display_type": "emoji", "survey_rules": {"operator": "contains", "values": ["a", "b"]}}"#,
    r#"{"pre_chat_fields": [{"name": "n", "enabled": true}, {"values": ["x"]}], "more": 1}"#,
    "[9007199254740992, 9007199254740993, 1e308, 1e309, 0.1e-400, 90071992547409920e-1]",
    r#"{"a\ud800b": 1, "a\ud83d\ude00b": "\ud83d", "k": "\"\\\/\b\f\n\r\t"}"#,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    r#"{"d":{"d":{"d":{"d":{"d":{"d":{"d":{"d":{"d":{"d":{"d":[{"d":1e999}]}}}}}}}}}}}}"#,
    r#" {"k": 1e999, "k": 1e999, "\u006b": 12345678901234567890} "#,
];

/// Properties of every text.
fn is_bounded(degradations: &[(String, DegradationReason)]) {
    assert!(degradations.len() <= MAX_DEGRADATIONS + 1);
    for (path, _) in degradations {
        let path = path.strip_prefix('c').unwrap();
        assert!(path.trim_end_matches('…').len() <= MAX_PATH_BYTES, "{path}");
    }
}

#[test]
fn no_text_is_too_odd_to_be_read() {
    let texts = prop_oneof![
        4 => damaged_one_of(&SAMPLES),
        1 => text(200),
    ];
    for_all(400, texts, |text| {
        let (json, degradations) = read(&text);
        is_bounded(&degradations);
        if serde_json::from_str::<&RawValue>(&text).is_err() {
            let malformed = ("c".to_owned(), DegradationReason::JsonMalformed);
            assert_eq!((json, degradations), (None, vec![malformed]));
        } else if degradations.is_empty()
            && let Ok(value) = serde_json::from_str::<Value>(&text)
        {
            let value = Some(value).filter(|value| !value.is_null());
            assert!(is_same(json.as_ref(), value.as_ref()), "{json:?}");
        }
    });
}

/// The other reader may be off by the last digit of a number.
fn is_same(json: Option<&Json>, value: Option<&Value>) -> bool {
    match (json, value) {
        (None, None) | (Some(Json::Null), Some(Value::Null)) => true,
        (Some(Json::Bool(ours)), Some(Value::Bool(theirs))) => ours == theirs,
        (Some(Json::Number(ours)), Some(Value::Number(theirs))) => theirs
            .as_f64()
            .is_some_and(|theirs| (ours - theirs).abs() <= (1e-14 * theirs.abs()).max(1e-300)),
        (Some(Json::String(ours)), Some(Value::String(theirs))) => **ours == **theirs,
        (Some(Json::Array(ours)), Some(Value::Array(theirs))) => {
            let mut both = ours.iter().zip(theirs);
            ours.len() == theirs.len()
                && both.all(|(ours, theirs)| is_same(Some(ours), Some(theirs)))
        }
        (Some(Json::Object(ours)), Some(Value::Object(theirs))) => {
            let mut entries = ours.iter();
            ours.len() == theirs.len()
                && entries.all(|(key, ours)| is_same(Some(ours), theirs.get(key)))
        }
        _ => false,
    }
}

#[test]
fn nothing_is_lost_without_a_word() {
    for_all(100, (json::tree(), json::space()), |(tree, space)| {
        let mut degradations_found = Vec::new();
        let expected =
            carried(&tree, 1, "", &mut degradations_found).filter(|json| *json != Json::Null);
        let (json, degradations) = read(&tree.text(space));
        assert_eq!(json, expected);

        is_bounded(&degradations);
        assert_eq!(
            degradations.len(),
            degradations_found.len().min(MAX_DEGRADATIONS + 1)
        );
        let reported = degradations
            .iter()
            .zip(&degradations_found)
            .take(MAX_DEGRADATIONS);
        for ((path, reason), (place, degraded)) in reported {
            assert_eq!(reason, degraded, "{place}");
            let path = path.strip_prefix('c').unwrap();
            match path.strip_suffix('…') {
                Some(cut) => assert!(place.len() > MAX_PATH_BYTES && place.starts_with(cut)),
                None => assert_eq!(path, place),
            }
        }
        if let Some((path, reason)) = degradations.get(MAX_DEGRADATIONS) {
            assert_eq!(
                (path.as_str(), *reason),
                ("c", DegradationReason::Truncated)
            );
        }
    });
}

/// The rest of a tree whose outermost message is at `depth`, and the degradations.
fn carried(
    tree: &Tree,
    depth: usize,
    place: &str,
    degradations_found: &mut Vec<(String, DegradationReason)>,
) -> Option<Json> {
    let mut degrade = |place: &str, reason| degradations_found.push((place.to_owned(), reason));
    match tree {
        Tree::Null => Some(Json::Null),
        Tree::Bool(value) => Some(Json::Bool(*value)),
        Tree::Number(number) => {
            if let Some(reason) = number.reason {
                degrade(place, reason);
            }
            let value: f64 = number.literal.parse().unwrap();
            (number.reason != Some(DegradationReason::NumberOutOfRange))
                .then_some(Json::Number(value + 0.0))
        }
        Tree::Text(Written { says, is_whole, .. }) => {
            if !is_whole {
                degrade(place, DegradationReason::JsonMalformed);
            }
            is_whole.then(|| Json::String(says.clone().into()))
        }
        Tree::List(_) if depth + 2 > 94 => {
            degrade(place, DegradationReason::JsonTooDeep);
            None
        }
        Tree::Object(_) if depth + 3 > 94 => {
            degrade(place, DegradationReason::JsonTooDeep);
            None
        }
        Tree::List(elements) => {
            let elements = elements.iter().enumerate().map(|(index, element)| {
                carried(
                    element,
                    depth + 2,
                    &format!("{place}[{index}]"),
                    degradations_found,
                )
                .unwrap_or(Json::Null)
            });
            Some(Json::Array(elements.collect()))
        }
        Tree::Object(entries) => {
            let halves = entries.iter().any(|(key, _)| !key.is_whole);
            // Of equal keys the last, in the order of keys.
            let entries: BTreeMap<_, _> = entries.iter().map(|(key, it)| (&key.says, it)).collect();
            let mut left = BTreeMap::new();
            for (key, value) in entries {
                let is_word = key
                    .chars()
                    .all(|it| it == '_' || it.is_ascii_alphanumeric());
                let place = if is_word && !key.is_empty() {
                    format!("{place}.{key}")
                } else {
                    format!("{place}[{key:?}]")
                };
                if halves && key.contains('\u{fffd}') {
                    degradations_found.push((place, DegradationReason::JsonMalformed));
                } else if let Some(value) = carried(value, depth + 3, &place, degradations_found) {
                    left.insert(key.clone(), value);
                }
            }
            Some(Json::Object(left.into_iter().collect()))
        }
    }
}

#[test]
fn guided_bytes_are_read_or_malformed() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let (_, degradations) = read(&String::from_utf8_lossy(bytes));
        is_bounded(&degradations);
    });
}
