//! Any text as a page token, and positions in any list.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::tests::{damaged, for_all, letter, noise, text};

fn binding() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..30)
}

/// Short names, and long ones that differ behind what a token holds or nowhere.
fn name() -> impl Strategy<Value = String> {
    let long = (MAX_NAME_BYTES - 3..MAX_NAME_BYTES + 3, letter(), text(3)).prop_map(
        |(length, letter, end)| {
            let mut name = String::new();
            while name.len() < length {
                name.push(letter);
            }
            name + &end
        },
    );
    let alike = (MAX_NAME_BYTES - 2..MAX_NAME_BYTES + 2, "[ab]{0,2}")
        .prop_map(|(length, end)| "x".repeat(length) + &end);
    prop_oneof![3 => "[ab]{0,3}", 2 => text(10), 2 => alike, 1 => long]
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
fn a_token_of_any_position_is_harmless() {
    let id = || prop_oneof![-2..5_i64, any::<i64>()];
    let names = prop_oneof![bytes(), name().prop_map(String::into_bytes),];
    let inboxes = vec((name(), id()), 0..12);
    for_all(400, (names, id(), inboxes), |(name, id, mut inboxes)| {
        let token = BASE64_URL_SAFE_NO_PAD.encode(forged(VERSION, &name, id, b"b"));
        let cursor = Cursor::parse(&token, b"b").unwrap();
        assert_eq!((&cursor.name, cursor.id), (&name, InboxId(id)));
        inboxes.sort();
        assert_eq!(offset_of(&cursor, &inboxes), counted(&name, id, &inboxes));
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

fn offset_of(cursor: &Cursor, inboxes: &[(String, i64)]) -> usize {
    let inboxes: Vec<_> = inboxes
        .iter()
        .map(|(name, id)| (name.as_str(), *id))
        .collect();
    offset_in(cursor, &inboxes)
}

/// How many inboxes lie before a position, counted one by one.
fn counted(name: &[u8], id: i64, inboxes: &[(String, i64)]) -> usize {
    let cut = |name: &str| name.as_bytes()[..name.len().min(MAX_NAME_BYTES)].to_vec();
    if name.len() != MAX_NAME_BYTES {
        let before =
            |(other, other_id): &&(String, i64)| (other.as_bytes(), *other_id) <= (name, id);
        return inboxes.iter().filter(before).count();
    }
    let itself = inboxes
        .iter()
        .position(|(other, other_id)| cut(other) == name && *other_id == id);
    let smaller = inboxes
        .iter()
        .filter(|(other, _)| *cut(other) < *name)
        .count();
    itself.map_or(smaller, |index| index + 1)
}

/// Walks page by page; what was shown and does not stay is gone when the next
/// page is asked for. Gives what was shown.
fn walk(all: &[(String, i64, bool)], page: usize, last_stays: bool) -> Vec<i64> {
    let mut shown = Vec::new();
    let mut cursor: Option<(Cursor, i64)> = None;
    loop {
        let is_last = |id| last_stays && cursor.as_ref().is_some_and(|(_, last)| *last == id);
        let there: Vec<_> = all
            .iter()
            .filter(|(_, id, stays)| *stays || !shown.contains(id) || is_last(*id))
            .map(|(name, id, _)| (name.clone(), *id))
            .collect();
        let begin = cursor.map_or(0, |(cursor, _)| offset_of(&cursor, &there));
        let end = there.len().min(begin + page);
        shown.extend(there[begin..end].iter().map(|(_, id)| *id));
        if end == there.len() {
            return shown;
        }
        assert!(shown.len() < 1000, "it does not come to an end");
        let (name, id) = &there[end - 1];
        cursor = Some((Cursor::new(name, InboxId(*id)), *id));
    }
}

#[test]
fn a_walk_skips_nothing_while_inboxes_are_deleted() {
    let inboxes = vec((name(), any::<bool>()), 0..25);
    for_all(200, (inboxes, 1_usize..4), |(inboxes, page)| {
        let mut all: Vec<_> = (1..)
            .zip(inboxes)
            .map(|(id, (name, stays))| (name, id, stays))
            .collect();
        all.sort();
        let order: Vec<_> = all.iter().map(|(_, id, _)| *id).collect();
        // While the inbox that a page ended with is there, nothing is shown twice.
        assert_eq!(walk(&all, page, true), order);

        let shown: BTreeSet<_> = walk(&all, page, false).into_iter().collect();
        assert_eq!(shown, order.into_iter().collect());
    });
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
