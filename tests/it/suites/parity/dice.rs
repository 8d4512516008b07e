//! Views with one value changed, at random.

use serde_json::{Map, Value, json};

use super::compare::step;
pub use crate::support::dice::Dice;
use crate::support::golden::BEYOND_A_DOUBLE;

impl Dice {
    /// The view with one value changed, at any depth, and what was changed. Values of
    /// exceptions are not changed.
    pub fn change(&self, view: &Map<String, Value>) -> Option<(Map<String, Value>, String)> {
        if view.contains_key("__raises__") {
            return None;
        }
        let keys: Vec<_> = view.keys().collect();
        let key = (*self.pick(&keys)).clone();
        let mut changed = view.clone();
        let path = self.change_value(changed.get_mut(&key).unwrap(), &key)?;
        Some((changed, path))
    }

    fn change_value(&self, value: &mut Value, path: &str) -> Option<String> {
        // The chain of these is deeper than the wire allows: an exception.
        const EXCEPTED: [&str; 1] = ["d"];
        match value {
            Value::Object(entries) if !entries.is_empty() && self.roll(4) != 0 => {
                let keys: Vec<_> = entries.keys().cloned().collect();
                let key = self.pick(&keys).clone();
                if EXCEPTED.contains(&key.as_str()) {
                    return None;
                }
                self.change_value(
                    entries.get_mut(&key).unwrap(),
                    &format!("{path}{}", step(&key)),
                )
            }
            Value::Array(elements) if !elements.is_empty() && self.roll(4) != 0 => {
                let index = self.roll(elements.len());
                self.change_value(&mut elements[index], &format!("{path}[{index}]"))
            }
            Value::Number(number) if number.as_f64().is_none_or(|n| n.abs() > 1e15) => None,
            Value::String(text) if text == BEYOND_A_DOUBLE => None,
            other => {
                let changed = match &*other {
                    Value::Null => json!("was null"),
                    Value::Bool(value) => json!(!value),
                    Value::Number(number) => json!(number.as_f64().unwrap() + 1.0),
                    Value::String(text) => json!(format!("{text}!")),
                    Value::Array(elements) => {
                        json!([elements.as_slice(), &[json!("one more")]].concat())
                    }
                    Value::Object(entries) => {
                        let mut entries = entries.clone();
                        entries.insert("one more".to_owned(), Value::Null);
                        Value::Object(entries)
                    }
                };
                *other = changed;
                Some(path.to_owned())
            }
        }
    }
}
