//! Any position in any list.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::tests::{for_all, noise};

/// The position of a forged token may have a name that is no text.
#[test]
fn any_position_is_found() {
    let id = || prop_oneof![-2..5_i64, any::<i64>()];
    let names = prop_oneof![noise(), name().prop_map(String::into_bytes)];
    let inboxes = vec((name(), id()), 0..12);
    for_all(400, (names, id(), inboxes), |(name, id, mut inboxes)| {
        inboxes.sort();
        let expected = counted(&name, id, &inboxes);
        let cursor = Cursor {
            name,
            id: InboxId(id),
        };
        assert_eq!(offset_of(&cursor, &inboxes), expected);
    });
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
