//! Any text as a page token.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{
    domain::cursor::tests::name,
    tests::{damaged, for_all, noise, text},
};

fn binding() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..30)
}

/// Any bytes, now and then more than a token holds.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    (noise(), prop_oneof![Just(1), 1_usize..10]).prop_map(|(noise, times)| noise.repeat(times))
}

/// A token that is right in form: whoever knows the form can make one.
fn forged(version: u8, name: &[u8], id: i64, binding: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    [&[version], digest(binding, name, id).as_slice(), &id, name].concat()
}

#[test]
fn other_texts_are_no_tokens() {
    let forged = (0_u8..3, bytes(), any::<i64>())
        .prop_map(|(version, name, id)| forged(version, &name, id, b"b"))
        .boxed();
    let encoded = prop_oneof![noise(), forged.clone(), damaged(forged)]
        .prop_map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes).into_bytes())
        .boxed();
    let texts = prop_oneof![
        noise(),
        text(30).prop_map(String::into_bytes),
        encoded.clone(),
        damaged(encoded)
    ]
    .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    for_all(800, texts, |text| {
        if let Ok(cursor) = Cursor::parse(&text, b"b") {
            assert_eq!(cursor.token(b"b"), text);
        }
    });
}

/// A forged token with a valid digest may hold a name that is no text.
#[test]
fn a_token_of_any_position_is_read() {
    let names = prop_oneof![bytes(), name().prop_map(String::into_bytes)];
    for_all(400, (names, any::<i64>()), |(name, id)| {
        let token = BASE64_URL_SAFE_NO_PAD.encode(forged(VERSION, &name, id, b"b"));
        let cursor = Cursor::parse(&token, b"b").unwrap();
        assert_eq!((cursor.name, cursor.id), (name, InboxId(id)));
    });
}

#[test]
fn any_cursor_is_read_back() {
    for_all(
        800,
        (name(), any::<i64>(), binding()),
        |(name, id, binding)| {
            let cursor = Cursor::new(&name, InboxId(id));
            let token = cursor.token(&binding);
            assert!(token.len() < 1024);
            assert_eq!(Cursor::parse(&token, &binding).ok(), Some(cursor));
        },
    );
}

#[test]
fn a_changed_token_is_rejected() {
    let changed = (any::<Index>(), prop_oneof!["[A-Za-z0-9_=+/-]", text(3)]);
    let tokens = (name(), any::<i64>(), binding(), changed);
    for_all(1000, tokens, |(name, id, binding, (place, letter))| {
        let token = Cursor::new(&name, InboxId(id)).token(&binding);
        let place = place.index(token.len());
        let changed = format!("{}{letter}{}", &token[..place], &token[place + 1..]);
        let is_same = changed == token;
        assert_eq!(
            Cursor::parse(&changed, &binding).is_ok(),
            is_same,
            "{changed}"
        );
    });
}

#[test]
fn a_token_for_another_request_is_rejected() {
    let bindings = (damaged(binding()), binding());
    for_all(
        600,
        (name(), any::<i64>(), bindings),
        |(name, id, (one, other))| {
            let token = Cursor::new(&name, InboxId(id)).token(&one);
            for binding in [
                other,
                [one.as_slice(), b"\0"].concat(),
                one[..one.len() / 2].to_vec(),
            ] {
                let is_same = binding == one;
                assert_eq!(Cursor::parse(&token, &binding).is_ok(), is_same);
            }
        },
    );
}

#[test]
fn guided_bytes_are_a_token_or_rejected() {
    bolero::check!().for_each(|bytes: &[u8]| {
        for text in [
            String::from_utf8_lossy(bytes).into_owned(),
            BASE64_URL_SAFE_NO_PAD.encode(bytes),
        ] {
            if let Ok(cursor) = Cursor::parse(&text, b"b") {
                assert_eq!(cursor.token(b"b"), text);
            }
        }
    });
}
