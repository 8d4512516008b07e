//! Which texts are envelopes.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::super::*;
use super::{OBSERVED, decrypted, is_envelope, keys, to_envelope};

/// Rails decrypts once.
#[test]
fn a_text_may_look_like_an_envelope() {
    let inner = &OBSERVED.encrypt[1].ciphertext;
    let keys = keys();
    let outer = keys.primary.encrypt(inner).unwrap();
    assert_eq!(decrypted(outer.expose_secret()).as_ref(), Some(inner));
}

/// In the encodings that Ruby names, each of which has names of its own.
#[test]
fn texts_are_decoded() {
    let to_envelope = |text: &[u8], encoding: &str| {
        let name = BASE64_STANDARD.encode(encoding);
        to_envelope(text, &format!(r#","e":"{name}""#))
    };
    for (bytes, encoding, expected) in [
        (&b"abc"[..], "UTF-8", Some("abc")),
        ("é".as_bytes(), "utf-8", Some("é")),
        (b"\xe9", "UTF-8", None),
        (b"abc", "US-ASCII", Some("abc")),
        ("é".as_bytes(), "US-ASCII", None),
        (b"\xe9\xff\x80", "ISO-8859-1", Some("éÿ\u{80}")),
        (b"\xe9", "iso8859-1", Some("é")),
        ("é".as_bytes(), "ASCII-8BIT", Some("é")),
        (b"\xff", "BINARY", None),
        (b"a\0", "UTF-16LE", None),
        (b"abc", "", None),
        (b"abc", "\u{fffd}", None),
    ] {
        let read = decrypted(&to_envelope(bytes, encoding));
        assert_eq!(read.as_deref(), expected, "{encoding}");
    }
}

#[test]
fn headers_are_what_rails_takes() {
    let reference = BASE64_STANDARD.encode(keys().primary.reference());
    let nested = |inner: &str| format!(r#","k":{inner}"#);
    for (more, is_taken) in [
        (String::new(), true),
        (format!(r#","i":"{reference}""#), true),
        (r#","i":null"#.to_owned(), true),
        (r#","i":false"#.to_owned(), true),
        (r#","i":true"#.to_owned(), false),
        (r#","i":1"#.to_owned(), false),
        (r#","i":"""#.to_owned(), false),
        (r#","i":"!""#.to_owned(), false),
        (r#","e":null"#.to_owned(), true),
        (r#","e":1"#.to_owned(), false),
        (r#","c":null"#.to_owned(), true),
        (r#","c":false"#.to_owned(), true),
        // Ruby takes 0 for true: the text would be inflated.
        (r#","c":0"#.to_owned(), false),
        (r#","c":"""#.to_owned(), false),
        (r#","k":"no Base64""#.to_owned(), false),
        (r#","k":[]"#.to_owned(), false),
        (r#","k":1e999"#.to_owned(), true),
        (nested("{}"), false),
        (nested(r#"{"p":null}"#), true),
        (nested(r#"{"p":1}"#), false),
        (nested(r#"{"p":"YQ==","h":null}"#), true),
        (nested(r#"{"p":"YQ==","h":"x"}"#), false),
        (nested(r#"{"p":"YQ==","h":{"a":1,"b":"YQ=="}}"#), true),
        (nested(r#"{"p":"YQ==","h":{"a":[]}}"#), false),
        (nested(r#"{"p":"YQ==","h":{"a":{"p":"YQ=="}}}"#), false),
    ] {
        let read = decrypted(&to_envelope(b"abc", &more));
        assert_eq!(read.as_deref(), is_taken.then_some("abc"), "{more}");
    }
}

/// A decompression bomb is refused.
#[test]
fn text_beyond_the_inflate_ratio_is_not_inflated() {
    let to_envelope = |text: &str| keys().primary.encrypt(text).unwrap();
    let (most, more) = (128 << 10, (128 << 10) + 1);
    let long = "x".repeat(most);
    assert_eq!(decrypted(to_envelope(&long).expose_secret()), Some(long));
    for length in [more, 8 << 20] {
        let bomb = to_envelope(&"x".repeat(length));
        assert!(bomb.expose_secret().len() < length / 100);
        assert_eq!(decrypted(bomb.expose_secret()), None);
    }
}

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
        assert_eq!(decrypted(envelope), None, "{envelope}");
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
        assert_eq!(decrypted(plain).as_deref(), Some(plain));
    }
}
