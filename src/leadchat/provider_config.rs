//! The keys that leadchat reads from a WhatsApp channel's `provider_config`.
//!
//! These keys stand among tokens. The parser works on raw slices: it copies nothing, and
//! a value that JSON parsers reject affects no other.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::is_blank;
use crate::domain::json::raw_entries;

/// A `provider_config`, by its type in Ruby.
pub enum ProviderConfig<'a> {
    Null,
    Object(BTreeMap<String, &'a RawValue>),
    Text(&'a str),
    /// A list, a number, a boolean, or what is no JSON: leadchat raises.
    Other,
}

impl<'a> ProviderConfig<'a> {
    /// Of the column's text, `None` for NULL.
    pub fn read(text: Option<&'a str>) -> Self {
        let Some(text) = text else {
            return Self::Null;
        };
        if let Some(entries) = raw_entries(text) {
            return Self::Object(entries);
        }
        match serde_json::from_str::<&RawValue>(text).map(RawValue::get) {
            Ok("null") => Self::Null,
            Ok(text) if text.starts_with('"') => Self::Text(text),
            _ => Self::Other,
        }
    }

    /// Whether calls were switched on. `None` where leadchat raises.
    pub fn is_calling_enabled(&self) -> Option<bool> {
        self.entry("calling_enabled").map(is_present)
    }

    /// Whether incoming calls are taken: they are, unless switched off. `None`
    /// where leadchat raises.
    pub fn accepts_inbound_calls(&self) -> Option<bool> {
        self.entry("inbound_calls_enabled")
            .map(|value| value != "false")
    }

    /// Whether the channel was connected by signing up within leadchat. `None`
    /// where leadchat raises, which it does not for NULL here.
    pub fn has_embedded_signup(&self) -> Option<bool> {
        if matches!(self, Self::Null) {
            return Some(false);
        }
        let source = serde_json::from_str::<String>(self.entry("source")?);
        Some(source.is_ok_and(|source| source == "embedded_signup"))
    }

    /// The JSON that stands for a key; null where there is none. Of a text, Ruby
    /// gives the part that reads like the key. `None` where it raises.
    fn entry(&self, key: &'static str) -> Option<&str> {
        const NIL: &str = "null";
        match self {
            Self::Object(entries) => Some(entries.get(key).map_or(NIL, |value| value.get())),
            Self::Text(text) => Some(if text.contains(key) { key } else { NIL }),
            Self::Null | Self::Other => None,
        }
    }
}

/// Rails' `present?`, of JSON.
fn is_present(json: &str) -> bool {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(json).map_or(true, |text| !is_blank(&text)),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(json).is_ok_and(|it| !it.is_empty()),
        Some(b'{') => raw_entries(json).is_some_and(|entries| !entries.is_empty()),
        _ => !matches!(json, "null" | "false"),
    }
}

#[cfg(test)]
mod tests {
    use super::ProviderConfig;

    #[test]
    fn calls_are_on_where_rails_finds_something() {
        for (config, is_on) in [
            (r#"{"calling_enabled": true}"#, Some(true)),
            (r#"{"calling_enabled": 0}"#, Some(true)),
            (r#"{"calling_enabled": "false"}"#, Some(true)),
            (r#"{"calling_enabled": [[]]}"#, Some(true)),
            (r#"{"calling_enabled": {"a": 1e999}}"#, Some(true)),
            (r#"{"calling_enabled": "\ud800"}"#, Some(true)),
            (r#"{"calling_enabled": false}"#, Some(false)),
            (r#"{"calling_enabled": null}"#, Some(false)),
            (r#"{"calling_enabled": " \u3000"}"#, Some(false)),
            (r#"{"calling_enabled": [ ]}"#, Some(false)),
            (r#"{"calling_enabled": { }}"#, Some(false)),
            (
                r#"{"calling_enabled": true, "calling_enabled": false}"#,
                Some(false),
            ),
            (r#"{"a": {"calling_enabled": true}}"#, Some(false)),
            ("{}", Some(false)),
            (r#""calling_enabled""#, Some(true)),
            (r#""""#, Some(false)),
            ("null", None),
            ("[]", None),
            ("5", None),
            ("{", None),
        ] {
            let found = ProviderConfig::read(Some(config)).is_calling_enabled();
            assert_eq!(found, is_on, "{config}");
        }
        assert_eq!(ProviderConfig::read(None).is_calling_enabled(), None);
    }

    #[test]
    fn incoming_calls_are_taken_unless_switched_off() {
        for (config, are_taken) in [
            ("{}", Some(true)),
            (r#"{"inbound_calls_enabled": null}"#, Some(true)),
            (r#"{"inbound_calls_enabled": "false"}"#, Some(true)),
            (r#"{"inbound_calls_enabled": 0}"#, Some(true)),
            (r#"{"inbound_calls_enabled": false}"#, Some(false)),
            (r#""inbound_calls_enabled""#, Some(true)),
            ("null", None),
            ("[false]", None),
        ] {
            let found = ProviderConfig::read(Some(config)).accepts_inbound_calls();
            assert_eq!(found, are_taken, "{config}");
        }
        assert_eq!(ProviderConfig::read(None).accepts_inbound_calls(), None);
    }

    #[test]
    fn only_one_source_is_an_embedded_signup() {
        for (config, is_embedded) in [
            (Some(r#"{"source": "embedded_signup"}"#), Some(true)),
            (Some(r#"{"source": "embedded\u005fsignup"}"#), Some(true)),
            (Some(r#"{"source": "Embedded_signup"}"#), Some(false)),
            (Some(r#"{"source": ["embedded_signup"]}"#), Some(false)),
            (Some("{}"), Some(false)),
            (Some("null"), Some(false)),
            (None, Some(false)),
            (Some("[]"), None),
            (Some("{"), None),
        ] {
            let found = ProviderConfig::read(config).has_embedded_signup();
            assert_eq!(found, is_embedded, "{config:?}");
        }
    }
}
