//! What a document shows of an output, held against what came.

use regex::Regex;
use serde_json::{Value, json};

/// Alone on a line: members that are left out. As a value: some text.
const LEFT_OUT: &str = "…";

/// What grpcurl prints, as a value: the answer, or the parts of an error.
pub fn printed(text: &str) -> Value {
    let Some(error) = text.trim_start().strip_prefix("ERROR:") else {
        return parsed(text);
    };
    let (head, details) = error.split_once("Details:").unwrap_or((error, ""));
    let part = |name| {
        head.lines()
            .find_map(|line| line.trim().strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .trim()
    };
    let number = Regex::new(r"(?m)^ *[0-9]+\)").unwrap();
    json!({
        "Code": part("Code:"),
        "Message": part("Message:"),
        "Details": number.split(details).skip(1).map(parsed).collect::<Vec<_>>(),
    })
}

/// JSON, of which lines may be left out.
fn parsed(text: &str) -> Value {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let json: String = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let last = lines
                .get(index + 1)
                .is_some_and(|next| next.starts_with('}'));
            match *line {
                LEFT_OUT if last => format!("\"{LEFT_OUT}\": null\n"),
                LEFT_OUT => format!("\"{LEFT_OUT}\": null,\n"),
                line => format!("{line}\n"),
            }
        })
        .collect();
    // A second place in the same object where lines are left out is one more
    // member of the same name.
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// In what an output differs from what is shown of it.
pub fn differences(shown: &Value, came: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    compare("", shown, came, &mut differences);
    differences
}

fn compare(path: &str, shown: &Value, came: &Value, differences: &mut Vec<String>) {
    match (shown, came) {
        (Value::String(shown), Value::String(came)) if shown == LEFT_OUT && !came.is_empty() => {}
        (Value::Object(shown), Value::Object(came)) => {
            for (key, shown) in shown.iter().filter(|(key, _)| *key != LEFT_OUT) {
                match came.get(key) {
                    Some(came) => compare(&format!("{path}.{key}"), shown, came, differences),
                    None => differences.push(format!("{path}.{key} is shown and did not come")),
                }
            }
            let more: Vec<_> = came
                .keys()
                .filter(|key| !shown.contains_key(*key))
                .collect();
            match (shown.contains_key(LEFT_OUT), more.as_slice()) {
                (true, []) => differences.push(format!("{path}: nothing is left out")),
                (false, [_, ..]) => differences.push(format!("{path}: not shown: {more:?}")),
                _ => {}
            }
        }
        (Value::Array(shown), Value::Array(came)) if shown.len() == came.len() => {
            for (index, (shown, came)) in shown.iter().zip(came).enumerate() {
                compare(&format!("{path}[{index}]"), shown, came, differences);
            }
        }
        _ if shown == came => {}
        _ => differences.push(format!("{path}: shown is {shown}, came {came}")),
    }
}

#[test]
fn an_error_is_read_as_grpcurl_prints_it() {
    let text = "ERROR:\n  Code: NotFound\n  Message: no: (1) none\n  Details:\n  \
                1)\t{\n    \t  \"a\": \"b\"\n    \t}\n  2)\t{\n    \t}\n";
    assert_eq!(
        printed(text),
        json!({"Code": "NotFound", "Message": "no: (1) none", "Details": [{"a": "b"}, {}]})
    );
}

#[test]
fn what_is_not_marked_as_left_out_counts() {
    let came = json!({"a": 1, "b": {"c": "x", "d": [1, 2]}});
    let alike = |shown| differences(&printed(shown), &came).is_empty();
    assert!(alike("{\n\"a\": 1,\n\"b\": {\"c\": \"x\", \"d\": [1, 2]}}"));
    assert!(alike("{\n\"a\": 1,\n…\n}"));
    assert!(alike("{\n…\n\"b\": {\n\"c\": \"…\",\n…\n}\n}"));
    assert!(!alike("{\n\"a\": 1\n}"));
    assert!(!alike("{\n\"a\": 2,\n…\n}"));
    assert!(!alike("{\n\"a\": \"…\",\n…\n}"));
    assert!(!alike("{\n…\n\"z\": 1\n}"));
    assert!(!alike(
        "{\n\"a\": 1,\n\"b\": {\"c\": \"x\", \"d\": [1, 2]},\n…\n}"
    ));
    assert!(!alike("{\n\"a\": 1,\n\"b\": {\"c\": \"x\", \"d\": [1]}\n}"));
}
