//! Active Record Encryption: how an encrypted value is told from a plain one.

use crate::domain::json::Json;

/// Whether a stored text is an encryption envelope: a JSON object with a text
/// `p` and an object `h` that has `iv` and `at`. Rails shows one that it cannot
/// decrypt as if it were the secret; here an envelope is never shown.
pub fn is_envelope(stored: &str) -> bool {
    // Most values are plain: look no further where there is no object.
    if !stored.trim_start().starts_with('{') {
        return false;
    }
    let Some(Json::Object(envelope)) = Json::read(stored, "", &mut Vec::new()) else {
        return false;
    };
    let (Some(Json::String(_)), Some(Json::Object(headers))) =
        (envelope.get("p"), envelope.get("h"))
    else {
        return false;
    };
    headers.contains_key("iv") && headers.contains_key("at")
}

#[cfg(test)]
mod tests {
    use super::is_envelope;

    #[test]
    fn an_envelope_has_a_text_and_two_headers() {
        for envelope in [
            r#"{"p":"","h":{"iv":"AA","at":"BB"}}"#,
            r#"  {"h":{"at":"BB","iv":"AA","i":"x","c":true},"p":"zz","more":[1e999]} "#,
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
            r#"{"p":"x","h":"{}"}"#,
            r#"{"p":"x","h":{"iv":"AA"}}"#,
            r#"[{"p":"x","h":{"iv":"AA","at":"BB"}}]"#,
        ] {
            assert!(!is_envelope(plain), "{plain}");
        }
    }
}
