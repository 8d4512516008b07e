//! An inbox turned back into the view's JSON, and what differs.

mod wire_values;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use prost_reflect::DynamicMessage;
use serde_json::{Map, Value, json};

use super::{
    Served,
    table::{KEYS, WITHOUT_KEY},
};
use crate::support::{
    golden::{BEYOND_A_DOUBLE, is_envelope},
    pb::DegradationReason as Reason,
    wire::{self, ours},
};
use wire_values::read;

/// Where we must not follow Rails. Each has to be needed at least once in each
/// environment.
const EXCEPTIONS: [&str; 7] = [
    "it raises: we serve the inbox and say what could not be read",
    ENVELOPE,
    "an integer beyond 2^53: rounded",
    "a number outside the range of a double: left out",
    "nested deeper than the wire allows: left out",
    "an enum number that is no state: null in both, ours says so",
    "the channel's row is missing: null in both, but a list can only be empty",
];

/// Where there is none, none may be left out.
const ENVELOPE: &str = "an envelope that it cannot open: shown as if it were the secret, left out";

/// Which exceptions were needed.
#[derive(Default)]
pub struct Tally(BTreeSet<&'static str>);

impl Tally {
    fn needs(&mut self, exception: usize) {
        self.0.insert(EXCEPTIONS[exception]);
    }

    pub fn assert_every_exception_was_needed(&self, environment: &str) {
        let is_there = |exception: &&str| *exception != ENVELOPE || environment == "enc";
        let expected: BTreeSet<_> = EXCEPTIONS.into_iter().filter(is_there).collect();
        assert_eq!(
            self.0, expected,
            "those that were needed, and those that are there"
        );
    }
}

pub struct Difference {
    inbox: i64,
    path: String,
    expected: Value,
    served: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            inbox,
            path,
            expected,
            served,
        } = self;
        let cut = |value: &Value| value.to_string().chars().take(200).collect::<String>();
        write!(
            f,
            "inbox {inbox}, {path}: view {}, served {}",
            cut(expected),
            cut(served)
        )
    }
}

/// All that differs between an inbox as served and as rendered.
pub fn compare(served: &Served, view: &Map<String, Value>, tally: &mut Tally) -> Vec<Difference> {
    let mut comparison = Comparison {
        id: wire::at(&served.inbox, "id").unwrap().1.as_i64().unwrap(),
        degradations: served.degradations.clone(),
        differences: Vec::new(),
        orphan: false,
        tally,
    };
    if view.contains_key("__raises__") {
        // The differing answers are in a reviewed file.
        comparison.tally.needs(0);
        return comparison.differences;
    }

    for key in view.keys() {
        assert!(
            KEYS.iter().any(|(known, ..)| known == key),
            "{key} is in no table"
        );
    }
    for (key, fields, form) in KEYS {
        let expected = view.get(*key).unwrap_or(&Value::Null);
        let field = fields
            .iter()
            .find(|field| wire::at(&served.inbox, field).is_some());
        let value = field.map_or(Value::Null, |field| read(&served.inbox, field, *form));
        // For absent fields too: where a degradation would be reported.
        let paths: Vec<_> = field.map_or_else(|| fields.to_vec(), |field| vec![*field]);
        comparison.top(expected, &value, &paths);
    }
    for (path, reason) in std::mem::take(&mut comparison.degradations) {
        comparison.differ(
            &path,
            &Value::Null,
            &json!(format!("{}, unlooked for", reason.as_str_name())),
        );
    }
    comparison.differences
}

struct Comparison<'a> {
    id: i64,
    /// Those that no difference has explained yet.
    degradations: BTreeMap<String, Reason>,
    differences: Vec<Difference>,
    /// Whether there is no channel row.
    orphan: bool,
    tally: &'a mut Tally,
}

impl Comparison<'_> {
    fn differ(&mut self, path: &str, expected: &Value, served: &Value) {
        self.differences.push(Difference {
            inbox: self.id,
            path: path.to_owned(),
            expected: expected.clone(),
            served: served.clone(),
        });
    }

    /// The value of a key.
    fn top(&mut self, expected: &Value, served: &Value, paths: &[&str]) {
        for path in paths {
            match self.degradations.get(*path) {
                Some(Reason::Undecryptable) => {
                    self.degradations.remove(*path);
                    self.tally.needs(1);
                    let is_envelope = expected.as_str().is_some_and(is_envelope);
                    if !is_envelope || *served != Value::Null {
                        self.differ(path, expected, served);
                    }
                    return;
                }
                Some(Reason::EnumUnknown) => {
                    self.degradations.remove(*path);
                    self.tally.needs(5);
                }
                // The channel's fields are null in both; the time zone is shown.
                Some(Reason::TimeZoneUnknown) => drop(self.degradations.remove(*path)),
                _ => {}
            }
            // Of an inbox without its channel row, or of an unknown class.
            let whole = path.split('.').next().unwrap();
            if matches!(
                self.degradations.get(whole),
                Some(Reason::ChannelRowMissing | Reason::ChannelTypeUnknown)
            ) {
                self.tally.needs(6);
                self.orphan = true;
                self.degradations.remove(whole);
            }
        }
        if self.orphan && *served == json!([]) && expected.is_null() {
            return;
        }
        self.value(expected, served, paths[0]);
    }

    fn value(&mut self, expected: &Value, served: &Value, path: &str) {
        match self.degradations.remove(path) {
            Some(Reason::NumberRounded) => {
                self.tally.needs(2);
                if !is_beyond_exact(expected) || expected.as_f64() != served.as_f64() {
                    self.differ(path, expected, served);
                }
                return;
            }
            Some(Reason::NumberOutOfRange) => {
                self.tally.needs(3);
                // Rails writes integers out, and others as null.
                let beyond = *expected == json!(BEYOND_A_DOUBLE) || expected.is_null();
                if !beyond || !served.is_null() {
                    self.differ(path, expected, served);
                }
                return;
            }
            Some(Reason::JsonTooDeep) => {
                self.tally.needs(4);
                // Rails itself reads as null what is nested more than 100 deep.
                let nested = expected.is_object() || expected.is_array() || expected.is_null();
                if !nested || !served.is_null() {
                    self.differ(path, expected, served);
                }
                return;
            }
            Some(other) => {
                self.degradations.insert(path.to_owned(), other);
            }
            None => {}
        }
        match (expected, served) {
            (Value::Object(expected), Value::Object(served)) => {
                let keys: BTreeSet<_> = expected.keys().chain(served.keys()).collect();
                for key in keys {
                    // A key that is null and one that is absent are two things
                    // inside JSON.
                    let absent = json!("(absent)");
                    let path = format!("{path}{}", step(key));
                    let lost = self.degradations.contains_key(&path);
                    let side = |object: &Map<_, _>| {
                        object.get(key).cloned().unwrap_or(if lost {
                            Value::Null
                        } else {
                            absent.clone()
                        })
                    };
                    self.value(&side(expected), &side(served), &path);
                }
            }
            (Value::Array(expected), Value::Array(served)) if expected.len() == served.len() => {
                for (index, (expected, served)) in expected.iter().zip(served).enumerate() {
                    self.value(expected, served, &format!("{path}[{index}]"));
                }
            }
            (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
            _ if expected == served => {}
            // All of a column that Rails reads as null may lie too deep for us
            // in one place only.
            (Value::Null, _) if self.lies_too_deep(path) => {}
            _ => self.differ(path, expected, served),
        }
    }

    /// Whether something below a path was too deep; that explains a whole column
    /// that Rails could not read.
    fn lies_too_deep(&mut self, path: &str) -> bool {
        let below: Vec<_> = self
            .degradations
            .iter()
            .filter(|(other, reason)| other.starts_with(path) && **reason == Reason::JsonTooDeep)
            .map(|(other, _)| other.clone())
            .collect();
        for other in &below {
            self.degradations.remove(other);
            self.tally.needs(4);
        }
        !below.is_empty()
    }
}

/// Whether a number is an integer beyond 2^53.
fn is_beyond_exact(number: &Value) -> bool {
    const LARGEST_EXACT: u64 = 1 << 53;
    match number.as_i64() {
        Some(integer) => integer.unsigned_abs() > LARGEST_EXACT,
        None => number
            .as_f64()
            .is_some_and(|number| number.abs() > 2_f64.powi(53)),
    }
}

/// A step of a path as degradations write it.
pub fn step(key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if plain {
        format!(".{key}")
    } else {
        format!("[{key:?}]")
    }
}

trait FullName {
    fn descriptor_full_name(&self) -> String;
}

impl FullName for DynamicMessage {
    fn descriptor_full_name(&self) -> String {
        use prost_reflect::ReflectMessage;
        self.descriptor().full_name().to_owned()
    }
}

/// How many values a view says: its keys, and what is inside lists and objects.
pub fn values(view: &Map<String, Value>) -> usize {
    fn inside(value: &Value) -> usize {
        match value {
            Value::Array(elements) => 1 + elements.iter().map(inside).sum::<usize>(),
            Value::Object(entries) => 1 + entries.values().map(inside).sum::<usize>(),
            _ => 1,
        }
    }
    view.values().map(inside).sum()
}

#[test]
fn the_table_covers_the_contract() {
    let covered: BTreeSet<_> = KEYS
        .iter()
        .flat_map(|(_, fields, _)| *fields)
        .copied()
        .chain(WITHOUT_KEY)
        .collect();
    for (path, field) in wire::paths() {
        // A message is covered by its fields, or as a whole.
        let prefixes = path.match_indices('.').map(|(end, _)| &path[..end]);
        let known = prefixes
            .chain([path.as_str()])
            .any(|path| covered.contains(path))
            || ours(&field).is_some_and(|_| {
                covered
                    .iter()
                    .any(|field| field.starts_with(&format!("{path}.")))
            })
            || path == "line";
        assert!(known, "{path} stands for no key of the view");
    }
}
