//! Where a page of an account's inboxes begins: behind an inbox, in the order of names.
//!
//! A cursor needs no inbox at its position. So inboxes that are added or deleted between
//! pages cause no gap and no repetition. How cursors travel is not known here.

use super::id::InboxId;

/// The bytes of a long name that a cursor holds.
pub const MAX_NAME_BYTES: usize = 512;

/// The position behind an inbox in the order of folded names, then ids.
#[derive(Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The folded name, cut to [`MAX_NAME_BYTES`].
    pub name: Vec<u8>,
    pub id: InboxId,
}

impl Cursor {
    pub fn new(folded_name: &str, id: InboxId) -> Self {
        Self {
            name: prefix(folded_name).to_vec(),
            id,
        }
    }

    /// How many of some ordered inboxes lie before this position. `position` is the folded
    /// name and the id of one.
    ///
    /// Names longer than a cursor holds are distinguished by the inbox itself, if it is
    /// visible. If it was deleted or hidden, inboxes with the same prefix are shown again
    /// rather than skipped: where a hidden one is must not show.
    pub fn offset_in<T>(
        &self,
        inboxes: &[T],
        position: impl Fn(&T) -> (&str, InboxId),
        is_visible: bool,
    ) -> usize {
        let cut = self.name.len() == MAX_NAME_BYTES;
        if !cut {
            return inboxes.partition_point(|inbox| {
                let (name, id) = position(inbox);
                (name.as_bytes(), id) <= (&self.name, self.id)
            });
        }
        let begin =
            inboxes.partition_point(|inbox| prefix(position(inbox).0) < self.name.as_slice());
        if !is_visible {
            return begin;
        }
        let alike = inboxes
            .iter()
            .skip(begin)
            .take_while(|inbox| prefix(position(inbox).0) == self.name);
        let found = alike
            .map(|inbox| position(inbox).1)
            .position(|id| id == self.id);
        begin + found.map_or(0, |index| index + 1)
    }
}

fn prefix(name: &str) -> &[u8] {
    let name = name.as_bytes();
    name.get(..MAX_NAME_BYTES).unwrap_or(name)
}

#[cfg(test)]
pub mod tests;
