//! The envelope of an encrypted value:
//! `{"p":"<payload>","h":{"iv":"..","at":"..","i":".."}}`, with Base64 in each text.
//!
//! The parser works on raw slices. JSON parsers reject some values (numbers beyond a
//! double, lone surrogates), and an envelope with such a value must not pass for plain
//! text. It copies next to nothing, because a list may have thousands of envelopes.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, de::Visitor};
use serde_json::value::RawValue;

/// A JSON object with a text `p` and an object `h` that has `iv` and `at`.
pub struct Envelope<'a> {
    payload: &'a str,
    headers: Entries<'a>,
}

/// The decoded parts of an envelope.
pub struct Message {
    pub payload: Vec<u8>,
    pub initialization_vector: [u8; 12],
    pub tag: [u8; 16],
    /// The reference of the key; `None` for any.
    pub key: Option<Vec<u8>>,
    pub is_compressed: bool,
    pub encoding: Encoding,
}

/// The encoding of the text. Texts of forms are UTF-8; texts made by Rails' code may have
/// another of Ruby's encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8. Binary strings of Ruby are read as UTF-8, too.
    Utf8,
    Ascii,
    /// ISO-8859-1: each byte is the character of that number.
    Latin1,
}

/// A header, as Rails takes it.
enum Header {
    Text(Vec<u8>),
    /// `null` and `false` count as no header.
    Absent,
    /// `true`, a number, or a message in the message.
    Other,
}

/// A header may be a message, and one of its headers may not.
const MAX_MESSAGE_DEPTH: u8 = 2;

/// The entries of an object, each value as it stands there; of those with the
/// same key the last.
type Entries<'a> = BTreeMap<Key<'a>, &'a RawValue>;

/// As bytes: it may hold half a character.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(Cow<'a, [u8]>);

impl<'a> Envelope<'a> {
    /// `None` where the text is plain.
    pub fn find(stored: &'a str) -> Option<Self> {
        // Most values are plain: look no further where there is no object.
        if !stored.trim_start().starts_with('{') {
            return None;
        }
        let envelope = parse_object(stored)?;
        let payload = get(&envelope, "p")?;
        let headers = parse_object(get(&envelope, "h")?)?;
        get(&headers, "iv")?;
        get(&headers, "at")?;
        payload
            .starts_with('"')
            .then_some(Self { payload, headers })
    }

    /// `None` where Rails could not decrypt it, whatever the key.
    pub fn message(&self) -> Option<Message> {
        let (mut initialization_vector, mut tag, mut key) = (None, None, None);
        let (mut is_compressed, mut encoding) = (false, Encoding::Utf8);
        for (Key(name), raw) in &self.headers {
            match (name.as_ref(), parse_header(raw.get(), 1)?) {
                (b"iv", Header::Text(bytes)) => initialization_vector = bytes.try_into().ok(),
                (b"at", Header::Text(bytes)) => tag = bytes.try_into().ok(),
                (b"i", Header::Text(bytes)) => key = Some(bytes),
                (b"e", Header::Text(name)) => encoding = Encoding::of(&name)?,
                (b"i" | b"e", Header::Other) => return None,
                (b"c", Header::Text(_) | Header::Other) => is_compressed = true,
                _ => {}
            }
        }
        Some(Message {
            payload: decode_base64(self.payload)?,
            initialization_vector: initialization_vector?,
            tag: tag?,
            key,
            is_compressed,
            encoding,
        })
    }
}

impl Encoding {
    /// By Ruby's names, in any case.
    fn of(name: &[u8]) -> Option<Self> {
        match name.to_ascii_uppercase().as_slice() {
            b"UTF-8" | b"CP65001" | b"ASCII-8BIT" | b"BINARY" => Some(Self::Utf8),
            b"US-ASCII" | b"ASCII" | b"ANSI_X3.4-1968" | b"646" => Some(Self::Ascii),
            b"ISO-8859-1" | b"ISO8859-1" => Some(Self::Latin1),
            _ => None,
        }
    }
}

/// A header of a message at this depth; `None` if Rails rejects it and the message with
/// it.
fn parse_header(raw: &str, depth: u8) -> Option<Header> {
    match raw.as_bytes().first()? {
        b'"' => decode_base64(raw).map(Header::Text),
        b'{' => is_message(raw, depth + 1).then_some(Header::Other),
        b'[' => None,
        b'n' | b'f' => Some(Header::Absent),
        _ => Some(Header::Other),
    }
}

fn is_message(raw: &str, depth: u8) -> bool {
    let parse = || {
        let message = parse_object(raw)?;
        let payload = get(&message, "p")?;
        if payload != "null" {
            decode_base64(payload)?;
        }
        if let Some(headers) = get(&message, "h").filter(|raw| *raw != "null") {
            for raw in parse_object(headers)?.into_values() {
                parse_header(raw.get(), depth)?;
            }
        }
        Some(())
    };
    depth <= MAX_MESSAGE_DEPTH && parse().is_some()
}

/// The bytes in a raw text of Base64.
fn decode_base64(raw: &str) -> Option<Vec<u8>> {
    let text = raw.strip_prefix('"')?.strip_suffix('"')?;
    if text.contains('\\') {
        let text: String = serde_json::from_str(raw).ok()?;
        return BASE64_STANDARD.decode(text).ok();
    }
    BASE64_STANDARD.decode(text).ok()
}

/// `None` where the text is no object.
fn parse_object(text: &str) -> Option<Entries<'_>> {
    serde_json::from_str(text).ok()
}

fn get<'a>(entries: &Entries<'a>, key: &str) -> Option<&'a str> {
    entries
        .get(&Key(key.as_bytes().into()))
        .map(|raw| raw.get())
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Key<'de>, E> {
                Ok(Key(bytes.into()))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Key<'de>, E> {
                Ok(Key(bytes.to_vec().into()))
            }
        }

        // As bytes, serde_json lets halves of characters through.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}
