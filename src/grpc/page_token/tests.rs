//! Tokens and positions, where names are longer than a token.

mod fuzz;

use super::*;

fn offset_in(cursor: &Cursor, inboxes: &[(&str, i64)]) -> usize {
    let positions: Vec<_> = inboxes
        .iter()
        .map(|(name, id)| move || (*name, InboxId(*id)))
        .collect();
    cursor.offset_in(&positions)
}

#[test]
fn a_token_is_read_back_for_its_binding_alone() {
    for name in ["", "a", "zürich 😀", &"ä".repeat(400)] {
        let cursor = Cursor::new(name, InboxId(7));
        let token = cursor.token(b"binding");
        assert!(token.len() < 1024);
        assert_eq!(Cursor::parse(&token, b"binding").ok(), Some(cursor));
        assert!(Cursor::parse(&token, b"other").is_err());
    }
    assert!(Cursor::parse("", b"").is_err());
    assert!(Cursor::parse(&BASE64_URL_SAFE_NO_PAD.encode([VERSION; 24]), b"").is_err());
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
