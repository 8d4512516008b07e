//! Positions, where names are longer than a cursor.

mod fuzz;

use proptest::prelude::*;

use super::*;
use crate::tests::{letter, text};

/// Short names, and long ones that differ behind what a token holds or nowhere.
pub fn name() -> impl Strategy<Value = String> {
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

fn offset_in(cursor: &Cursor, inboxes: &[(&str, i64)]) -> usize {
    cursor.offset_in(inboxes, |(name, id)| (name, InboxId(*id)), true)
}

#[test]
fn a_cursor_needs_no_inbox_at_its_position() {
    let inboxes = [("a", 1), ("b", 2), ("b", 5), ("c", 3)];
    for (name, id, expected) in [
        ("", 9, 0),
        ("a", 0, 0),
        ("a", 1, 1),
        ("a", 9, 1),
        ("b", 2, 2),
        ("b", 4, 2),
        ("b", 5, 3),
        ("d", 1, 4),
    ] {
        assert_eq!(
            offset_in(&Cursor::new(name, InboxId(id)), &inboxes),
            expected,
            "{name} {id}"
        );
    }
}

#[test]
fn long_names_with_the_same_prefix_are_repeated_rather_than_skipped() {
    let prefix = "x".repeat(MAX_NAME_BYTES);
    let names: Vec<_> = (0..4).map(|index| format!("{prefix}{index}")).collect();
    let mut inboxes = vec![("a", 1)];
    inboxes.extend(names.iter().zip(2..).map(|(name, id)| (name.as_str(), id)));
    inboxes.push(("y", 9));
    assert_eq!(offset_in(&Cursor::new(&names[2], InboxId(4)), &inboxes), 4);
    // It is gone: where it was cannot be told.
    assert_eq!(offset_in(&Cursor::new(&names[2], InboxId(99)), &inboxes), 1);
    // A name of just that length is told apart too.
    let whole = [(prefix.as_str(), 1), (names[0].as_str(), 2)];
    assert_eq!(offset_in(&Cursor::new(&prefix, InboxId(1)), &whole), 1);
}
