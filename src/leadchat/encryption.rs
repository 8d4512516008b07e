//! Active Record Encryption: how an encrypted value is told from a plain one.

use crate::domain::json::raw_entries;

/// Whether a stored text is an encryption envelope: a JSON object with a text
/// `p` and an object `h` that has `iv` and `at`. Rails shows one that it cannot
/// decrypt as if it were the secret; here an envelope is never shown.
///
/// Looks at raw slices, so that nothing a reader of JSON stumbles over (a number
/// beyond a double, half a character) makes an envelope pass for plain text.
pub fn is_envelope(stored: &str) -> bool {
    // Most values are plain: look no further where there is no object.
    if !stored.trim_start().starts_with('{') {
        return false;
    }
    let Some(envelope) = raw_entries(stored) else {
        return false;
    };
    let is = |key, first| {
        envelope
            .get(key)
            .is_some_and(|raw| raw.get().starts_with(first))
    };
    let headers = envelope.get("h").and_then(|raw| raw_entries(raw.get()));
    is("p", '"')
        && headers.is_some_and(|headers| headers.contains_key("iv") && headers.contains_key("at"))
}

#[cfg(test)]
mod tests {
    mod fuzz;

    use super::is_envelope;

    #[test]
    fn an_envelope_has_a_text_and_two_headers() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        for envelope in [
            r#"{"p":"","h":{"iv":"AA","at":"BB"}}"#,
            r#"  {"h":{"at":"BB","iv":"AA","i":"x","c":true},"p":"zz","more":[1e999]} "#,
            r#"{"p":"x","h":{"iv":1e999,"at":"BB"}}"#,
            r#"{"p":"S\ud800","h":{"iv":"AA","at":"BB"}}"#,
            r#"{"p":"x","h":{"iv":"AA","at":"BB"},"\ud800":1}"#,
            r#"{"p":"x","h":{"iv":"AA","at":"BB","\ud800":1}}"#,
            r#"{"p":"x","h":{"iv":null,"at":null}}"#,
            r#"{"p":1,"p":"x","h":{"iv":"AA","at":"BB"}}"#,
            &format!(r#"{{"p":"x","h":{{"iv":{deep},"at":{deep}}}}}"#),
        ] {
            assert!(is_envelope(envelope), "{envelope}");
        }
    }

    #[test]
    fn anything_else_is_plain() {
        for plain in [
            "",
            "secret",
            "{",
            "{}",
            r#"{"p":1,"h":{"iv":"AA","at":"BB"}}"#,
            r#"{"p":"x","p":1,"h":{"iv":"AA","at":"BB"}}"#,
            r#"{"p":"x","h":"{}"}"#,
            r#"{"p":"x","h":{"iv":"AA"}}"#,
            r#"[{"p":"x","h":{"iv":"AA","at":"BB"}}]"#,
            r#"{"p":"x","h":{"iv":"AA","at":"BB"}"#,
        ] {
            assert!(!is_envelope(plain), "{plain}");
        }
    }
}
