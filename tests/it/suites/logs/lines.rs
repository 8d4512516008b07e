//! A log read line by line, in both of its formats.

use std::collections::BTreeMap;

use regex::Regex;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The access log lines by request id, after the form of the whole log was checked.
/// Durations are looked at and left out.
pub(super) fn answered(log: &str, format: &str) -> BTreeMap<String, Vec<Value>> {
    let lines = match format {
        "json" => objects(log)
            .into_iter()
            .filter_map(answered_in_json)
            .collect(),
        _ => answered_in_pretty(log),
    };
    let mut answered: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for mut line in lines {
        let took = line.as_object_mut().unwrap().remove("took_us").unwrap();
        assert!((1..60_000_000).contains(&took.as_u64().unwrap()), "{took}");
        let id = line["request_id"].as_str().unwrap().to_owned();
        answered.entry(id).or_default().push(line);
    }
    answered
}

/// Every line of a log, each an object with the members that any event has.
pub(super) fn objects(log: &str) -> Vec<Value> {
    assert!(log.ends_with('\n'), "{log}");
    log.lines()
        .map(|line| {
            let object = serde_json::from_str::<Object>(line)
                .unwrap_or_else(|error| panic!("{error}: {line}"))
                .0;
            for member in ["timestamp", "level", "target"] {
                assert!(object[member].is_string(), "{member}: {line}");
            }
            object
        })
        .collect()
}

/// An object that has no member twice: readers would not agree on its value.
struct Object(Value);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = serde_json::Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let before = object.insert(name, value);
                    assert_eq!(before, None, "twice in {object:?}");
                }
                Ok(Object(object.into()))
            }
        }
        from.deserialize_map(Members)
    }
}

fn answered_in_json(mut event: Value) -> Option<Value> {
    if event["message"] != "answered" {
        return None;
    }
    let event = event.as_object_mut().unwrap();
    let Some(Value::Object(mut said)) = event.remove("span") else {
        panic!("{event:?}")
    };
    assert_eq!(said.remove("name"), Some("call".into()));
    for member in ["timestamp", "target", "message"] {
        event.remove(member);
    }
    assert_eq!(event.remove("level"), Some("INFO".into()));
    said.append(event);
    Some(said.into())
}

fn answered_in_pretty(log: &str) -> Vec<Value> {
    let begin = Regex::new(r"^[0-9]{4}-[0-9-]{5}T[0-9:.]{15}Z (TRACE|DEBUG| INFO| WARN|ERROR) ");
    let begin = begin.unwrap();
    let answered = Regex::new(
        r"^[^ ]+  INFO call\{(.+)\}: leadchat_inbox::grpc::layer::access_log: (answered) (code=[A-Z_]+ took_us=[0-9]+)$",
    );
    let answered = answered.unwrap();
    let field = Regex::new(r#"([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ ]+)(?: |$)"#).unwrap();
    let mut lines = Vec::new();
    // The audit is JSON in both formats.
    let of_log = |line: &&str| !line.contains("\"target\":\"audit\"");
    for line in log.lines().filter(of_log) {
        assert!(begin.is_match(line), "{line}");
        let Some(parts) = answered.captures(line) else {
            continue;
        };
        let mut said = serde_json::Map::new();
        for part in [&parts[1], &parts[3]] {
            let whole: usize = field.find_iter(part).map(|found| found.len()).sum();
            assert_eq!(whole, part.len(), "{line}");
            for found in field.captures_iter(part) {
                let value = serde_json::from_str(&found[2]);
                let value = value.unwrap_or_else(|_| found[2].into());
                assert_eq!(said.insert(found[1].to_owned(), value), None, "{line}");
            }
        }
        lines.push(said.into());
    }
    lines
}
