//! The known keys of a JSON object, for typed messages.

use super::Json;

/// An object that a typed message takes its known keys out of. A key whose value is of
/// another type stays behind, and what stays behind is shown as `unrecognized`. A value
/// that is no object has no keys, and stays as it is.
pub struct Fields {
    /// In the order of keys.
    entries: Vec<(Box<str>, Json)>,
    other: Option<Json>,
}

impl Fields {
    pub fn of(json: Json) -> Self {
        let (entries, other) = match json {
            Json::Object(entries) => (entries.into_entries(), None),
            other => (Vec::new(), Some(other)),
        };
        Self { entries, other }
    }

    fn take<T>(&mut self, key: &str, convert: impl FnOnce(Json) -> Result<T, Json>) -> Option<T> {
        let position = |(other, _): &(Box<str>, Json)| (**other).cmp(key);
        let index = self.entries.binary_search_by(position).ok()?;
        let (key, value) = self.entries.remove(index);
        match convert(value) {
            Ok(value) => Some(value),
            Err(value) => {
                self.entries.insert(index, (key, value));
                None
            }
        }
    }

    pub fn string(&mut self, key: &str) -> Option<String> {
        self.take(key, |value| match value {
            Json::String(text) => Ok(text.into()),
            other => Err(other),
        })
    }

    pub fn bool(&mut self, key: &str) -> Option<bool> {
        self.take(key, |value| match value {
            Json::Bool(value) => Ok(value),
            other => Err(other),
        })
    }

    pub fn integer(&mut self, key: &str) -> Option<i32> {
        self.take(key, |value| match value {
            Json::Number(number) => to_i32(number).ok_or(Json::Number(number)),
            other => Err(other),
        })
    }

    /// A list that is not empty and holds nothing but strings. (An empty list stays among
    /// the keys: the contract's repeated field does not distinguish it from an absent
    /// one.)
    pub fn strings(&mut self, key: &str) -> Vec<String> {
        self.take(key, |value| match value {
            Json::Array(elements)
                if !elements.is_empty()
                    && elements
                        .iter()
                        .all(|element| matches!(element, Json::String(_))) =>
            {
                Ok(elements
                    .into_iter()
                    .filter_map(|element| match element {
                        Json::String(text) => Some(text.into()),
                        _ => None,
                    })
                    .collect())
            }
            other => Err(other),
        })
        .unwrap_or_default()
    }

    pub fn object<T: From<Json>>(&mut self, key: &str) -> Option<T> {
        self.take(key, |value| match value {
            Json::Object(_) => Ok(T::from(value)),
            other => Err(other),
        })
    }

    /// A list that is not empty and holds nothing but objects.
    pub fn objects<T: From<Json>>(&mut self, key: &str) -> Vec<T> {
        self.take(key, |value| match value {
            Json::Array(elements)
                if !elements.is_empty()
                    && elements
                        .iter()
                        .all(|element| matches!(element, Json::Object(_))) =>
            {
                Ok(elements.into_iter().map(T::from).collect())
            }
            other => Err(other),
        })
        .unwrap_or_default()
    }

    /// The keys without a typed field.
    pub fn unrecognized(self) -> Option<Json> {
        let entries = self.entries;
        let rest = || (!entries.is_empty()).then(|| Json::Object(entries.into_iter().collect()));
        self.other.or_else(rest)
    }
}

/// A number as an `i32`, if it is one.
fn to_i32(number: f64) -> Option<i32> {
    let in_range = f64::from(i32::MIN)..=f64::from(i32::MAX);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer within the range"
    )]
    let integer = || number as i32;
    (number.fract() == 0.0 && in_range.contains(&number)).then(integer)
}
