//! The maximum size of a response: by default less than the 4 MiB that clients accept.
//!
//! A list ends before that size, and continues on the next page. An inbox that would not
//! fit by itself loses its largest values, each of which is a degradation. The omissions
//! depend on the disclosed message and the limit alone. So a viewer learns nothing of
//! withheld values, and all replicas omit the same.

mod values;

use std::{cmp::Reverse, collections::BTreeSet, mem};

use prost::{Message, length_delimiter_len};

use super::{
    disclosure::{Disclosure, UndisclosedInbox},
    pb::{self, DegradationReason},
};
use values::Visit;

/// Bytes of a response beside the content of one inbox: etag, role, page token, time of
/// the read, and the ids of a batch.
const RESERVED_BYTES: usize = 8 << 10;

/// The most bytes of a response message.
#[derive(Clone, Copy, Debug)]
pub struct ResponseLimit {
    bytes: usize,
}

impl ResponseLimit {
    pub const fn new(bytes: usize) -> Self {
        Self { bytes }
    }

    /// Omits the largest values of an inbox until it fits into a response of its own. Its
    /// etag must not be set yet.
    pub(super) fn fit(self, inbox: &mut pb::Inbox) {
        let limit = self.bytes.saturating_sub(RESERVED_BYTES);
        let bytes = inbox.encoded_len();
        if bytes > limit {
            omit_largest(inbox, bytes, limit);
        }
    }
}

fn omit_largest(inbox: &mut pb::Inbox, mut bytes: usize, limit: usize) {
    let degradations = mem::take(&mut inbox.degradations);
    let mut values = Vec::new();
    inbox.visit("", &mut |path, bytes| {
        let within = degradations.iter().filter(|it| is_within(&it.field, path));
        let within: usize = within.map(|it| element_bytes(it.encoded_len())).sum();
        values.push((path.to_owned(), bytes + within));
        false
    });

    // Of equal ones, the first.
    let mut largest: Vec<_> = values.iter().collect();
    largest.sort_by_key(|(_, bytes)| Reverse(*bytes));
    let mut omitted = BTreeSet::new();
    for (path, freed) in largest {
        if bytes <= limit {
            break;
        }
        bytes =
            bytes.saturating_sub(*freed) + element_bytes(too_large_degradation(path).encoded_len());
        omitted.insert(path.as_str());
    }

    inbox.visit("", &mut |path, _| omitted.contains(path));
    let is_omitted = |field: &str| omitted.iter().any(|path| is_within(field, path));
    let kept = degradations.into_iter().filter(|it| !is_omitted(&it.field));
    // Ordered by field: an order by size would depend on values that are not shown.
    let paths = values.iter().map(|(path, _)| path.as_str());
    let added = paths
        .filter(|path| omitted.contains(path))
        .map(too_large_degradation);
    inbox.degradations = kept.chain(added).collect();
}

fn too_large_degradation(path: &str) -> pb::Degradation {
    pb::Degradation {
        field: path.to_owned(),
        reason: DegradationReason::TooLarge.into(),
    }
}

/// Whether a field is the one at a path, or in it: `a.b.c` and `a.b[2]` are in `a.b`.
fn is_within(field: &str, path: &str) -> bool {
    let rest = field.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The bytes of a message of so many bytes in a list: its own, its length, and a tag.
fn element_bytes(bytes: usize) -> usize {
    1 + length_delimiter_len(bytes) + bytes
}

/// Collects inboxes for a response until it is full.
pub struct PageBuilder {
    pub inboxes: Vec<pb::Inbox>,
    disclosure: Disclosure,
    free_bytes: usize,
    is_full: bool,
}

impl PageBuilder {
    /// For a response that holds no more than `rest` beside its inboxes.
    pub fn new(limit: ResponseLimit, rest: &impl Message, disclosure: Disclosure) -> Self {
        Self {
            inboxes: Vec::new(),
            disclosure,
            free_bytes: limit.bytes.saturating_sub(rest.encoded_len()),
            is_full: false,
        }
    }

    /// Whether the inbox was added. After a refusal, no further inbox is.
    pub fn try_push(&mut self, inbox: UndisclosedInbox) -> bool {
        let bytes = element_bytes(inbox.encoded_len());
        let free_bytes = self.free_bytes.checked_sub(bytes);
        match free_bytes {
            Some(free_bytes) if !self.is_full => {
                self.free_bytes = free_bytes;
                self.inboxes.push(self.disclosure.disclose(inbox));
            }
            _ => self.is_full = true,
        }
        !self.is_full
    }
}

#[cfg(test)]
mod tests;
