//! Views with one value changed, at random.

use std::cell::Cell;

use serde_json::{Map, Value, json};

use super::compare::step;
use crate::support::golden::BEYOND_A_DOUBLE;

/// Picks at random; prints what it began from, so that a failure can be had
/// again.
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    state: Cell<u64>,
}

impl Dice {
    pub fn new() -> Self {
        let seed = getrandom::u64().unwrap();
        Self {
            seed,
            state: Cell::new(seed),
        }
    }

    /// Splitmix64.
    fn roll(&self, sides: usize) -> usize {
        self.state
            .set(self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.state.get() ^ self.seed.rotate_left(17);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }

    /// The view with one value changed, at any depth, and what was changed. What
    /// an exception covers is not changed.
    pub fn change(&mut self, view: &Map<String, Value>) -> Option<(Map<String, Value>, String)> {
        if view.contains_key("__raises__") {
            return None;
        }
        let keys: Vec<_> = view.keys().filter(|key| *key != "avatar_url").collect();
        let key = (*self.pick(&keys)).clone();
        let mut changed = view.clone();
        let path = self.change_value(changed.get_mut(&key).unwrap(), &key)?;
        Some((changed, path))
    }

    fn change_value(&mut self, value: &mut Value, path: &str) -> Option<String> {
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
