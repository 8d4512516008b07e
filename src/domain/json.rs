//! JSON columns, read from their text so that nothing is lost silently.
//!
//! The readers at hand refuse a whole text for one number outside the range of
//! a double, and stop at a depth of their own. Here one bad value costs that
//! value: it is left out, and a degradation names its path. In an object its
//! key is left out; in a list a null holds its place, so that the other
//! elements keep their index.
//!
//! Knows nothing of the wire but how deep it may nest.

pub mod fields;

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use serde::{Deserialize, Deserializer, de::Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroize;

use super::{
    degradation::{Degradation, DegradationReason},
    sorted_map::SortedMap,
};

/// Protobuf runtimes stop decoding at this many nested messages, counted from
/// the outermost.
const WIRE_NESTING: usize = 100;

/// Messages around the deepest JSON value: response, inbox, channel, typed message,
/// element of its list, and one level in reserve.
const ENVELOPE_NESTING: usize = 6;

/// Nested messages that one JSON column may take: one for a scalar, three for
/// each object around it, two for each list. Comes to 31 objects or 46 lists.
pub const MAX_NESTING: usize = WIRE_NESTING - ENVELOPE_NESTING;

/// Degradations listed for one column. One further entry stands for all others, so that a
/// hostile value cannot enlarge a response.
const MAX_DEGRADATIONS: usize = 64;

/// A path in a degradation is cut beyond this many bytes.
const MAX_PATH_BYTES: usize = 256;

/// Integers up to this (2^53) are exact in a double.
const MAX_EXACT_INTEGER: u128 = 1 << 53;

/// A JSON value that fits the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    String(Box<str>),
    Array(Box<[Json]>),
    Object(SortedMap<Json>),
}

impl Json {
    /// Reads the text of a JSON column. JSON null counts as absent. Values that cannot be
    /// represented are added to `degradations` under the path `field`.
    pub fn read(text: &str, field: &str, degradations: &mut Vec<Degradation>) -> Option<Self> {
        let mut parser = Parser {
            path: Vec::new(),
            degradations_found: Vec::new(),
            more: false,
        };
        let value = match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => parser.value(raw, 1),
            Err(_) => {
                parser.degrade(DegradationReason::JsonMalformed);
                None
            }
        };
        degradations.extend(
            parser
                .degradations_found
                .into_iter()
                .map(|(path, reason)| Degradation::in_json(field, &path, reason)),
        );
        if parser.more {
            degradations.push(Degradation::new(field, DegradationReason::Truncated));
        }
        value.filter(|value| *value != Self::Null)
    }
}

impl Zeroize for Json {
    fn zeroize(&mut self) {
        match self {
            Self::String(text) => text.zeroize(),
            Self::Number(number) => number.zeroize(),
            Self::Array(elements) => elements.iter_mut().for_each(Zeroize::zeroize),
            Self::Object(entries) => entries.values_mut().for_each(Zeroize::zeroize),
            Self::Null | Self::Bool(_) => {}
        }
        *self = Self::Null;
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// One reading of one text. Walks raw slices: each is checked for syntax by
/// serde_json without recursion, and this code recurses no deeper than
/// [`MAX_NESTING`] allows.
struct Parser {
    path: Vec<Step>,
    degradations_found: Vec<(String, DegradationReason)>,
    more: bool,
}

impl Parser {
    /// The value of `raw`, whose `Value` message would be the `depth`th one.
    fn value(&mut self, raw: &RawValue, depth: usize) -> Option<Json> {
        let text = raw.get();
        match text.as_bytes().first()? {
            b'n' => Some(Json::Null),
            b't' => Some(Json::Bool(true)),
            b'f' => Some(Json::Bool(false)),
            b'"' => self.parsed(text).map(Json::String),
            b'[' if depth + 2 <= MAX_NESTING => self.array(text, depth + 2),
            b'{' if depth + 3 <= MAX_NESTING => self.object(text, depth + 3),
            b'[' | b'{' => {
                self.degrade(DegradationReason::JsonTooDeep);
                None
            }
            _ => self.number(text).map(Json::Number),
        }
    }

    fn array(&mut self, text: &str, depth: usize) -> Option<Json> {
        let elements: Vec<&RawValue> = self.parsed(text)?;
        let mut values = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            self.path.push(Step::Index(index));
            values.push(self.value(element, depth).unwrap_or(Json::Null));
            self.path.pop();
        }
        Some(Json::Array(values.into()))
    }

    /// In the order of keys, and of duplicate ones the last alone, as jsonb has
    /// them: equal content gives equal degradations on either database.
    fn object(&mut self, text: &str, depth: usize) -> Option<Json> {
        let entries = serde_json::from_str(text).ok();
        let damaged = entries.is_none();
        let Some(entries) = entries.or_else(|| raw_entries(text)) else {
            self.degrade(DegradationReason::JsonMalformed);
            return None;
        };
        let mut values = Vec::with_capacity(entries.len());
        for (key, raw) in entries {
            self.path.push(Step::Key(key.clone()));
            if damaged && key.contains(char::REPLACEMENT_CHARACTER) {
                self.degrade(DegradationReason::JsonMalformed);
            } else if let Some(value) = self.value(raw, depth) {
                values.push((key, value));
            }
            self.path.pop();
        }
        Some(Json::Object(values.into_iter().collect()))
    }

    fn number(&mut self, text: &str) -> Option<f64> {
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        if value.is_none() {
            self.degrade(DegradationReason::NumberOutOfRange);
        } else if is_integer_beyond_exact(text) {
            self.degrade(DegradationReason::NumberRounded);
        }
        // PostgreSQL's jsonb has no negative zero; adding zero removes it.
        value.map(|value| value + 0.0)
    }

    /// Syntax was checked before, but not that text holds whole characters.
    fn parsed<'a, T: Deserialize<'a>>(&mut self, text: &'a str) -> Option<T> {
        let parsed = serde_json::from_str(text).ok();
        if parsed.is_none() {
            self.degrade(DegradationReason::JsonMalformed);
        }
        parsed
    }

    fn degrade(&mut self, reason: DegradationReason) {
        if self.degradations_found.len() == MAX_DEGRADATIONS {
            self.more = true;
        } else {
            self.degradations_found
                .push((path_text(&self.path), reason));
        }
    }
}

/// Whether a number is written as an integer, as jsonb would write it, and is
/// beyond 2^53.
fn is_integer_beyond_exact(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", integer.trim_start_matches('-'));
    let digits = digits.trim_start_matches('0');
    let exponent = exponent
        .parse::<i64>()
        .unwrap_or(if exponent.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        });
    let Ok(zeros) = usize::try_from(exponent.saturating_sub_unsigned(fraction.len() as u64)) else {
        return false; // digits remain behind the point: not an integer
    };
    if digits.is_empty() {
        return false;
    }
    if digits.len().saturating_add(zeros) > 30 {
        return true;
    }
    format!("{digits}{}", "0".repeat(zeros))
        .parse::<u128>()
        .is_ok_and(|magnitude| magnitude > MAX_EXACT_INTEGER)
}

fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => _ = write!(text, "[{index}]"),
            Step::Key(key) if is_plain(key) => {
                text.push('.');
                text.push_str(key);
            }
            // Debug quotes and escapes; the cut below bounds it.
            Step::Key(key) => _ = write!(text, "[{key:?}]"),
        }
        if text.len() > MAX_PATH_BYTES {
            text.truncate(text.floor_char_boundary(MAX_PATH_BYTES));
            text.push('…');
            break;
        }
    }
    text
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The entries of the text of an object, each value as it stands there; `None`
/// where the text is no object. A key that holds half a character has U+FFFD in
/// place of each of its bytes.
pub fn raw_entries(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    let entries: BTreeMap<Key, &RawValue> = serde_json::from_str(text).ok()?;
    Some(
        entries
            .into_iter()
            .map(|(Key(key), raw)| (key, raw))
            .collect(),
    )
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Key, E> {
                Ok(Key(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        // As bytes, serde_json lets halves of characters through.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

#[cfg(test)]
mod tests;
