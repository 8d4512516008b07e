//! Limits the lines of the log that one peer or caller can cause. Of lines with the same key, one
//! a second is written, and the others are counted. It does not know what a line says.

use std::{
    collections::HashMap,
    hash::Hash,
    mem,
    sync::{Mutex, PoisonError},
};

/// Keys at a time. Lines of further ones are counted together.
const MAX_KEYS: usize = 2048;

/// The lines of each key since the last one that was written.
#[derive(Debug)]
pub struct LineLimit<K, L> {
    /// `None` has the lines of all keys that were too many.
    held: Mutex<HashMap<Option<K>, HeldLines<L>>>,
}

#[derive(Debug)]
struct HeldLines<L> {
    /// Whether a line was written in this interval.
    is_recent: bool,
    count: u64,
    last: Option<L>,
}

impl<K, L> Default for LineLimit<K, L> {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash, L> LineLimit<K, L> {
    /// Returns the line if it is to be written at once. Otherwise it is counted.
    pub fn admit(&self, key: K, line: L) -> Option<L> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Some(key);
        let has_room = held.len() < MAX_KEYS || held.contains_key(&key);
        let key = key.filter(|_| has_room);
        if let Some(lines) = held.get_mut(&key) {
            lines.count += 1;
            lines.last = Some(line);
            return None;
        }
        let lines = HeldLines {
            is_recent: true,
            count: 0,
            last: None,
        };
        held.insert(key, lines);
        Some(line)
    }

    /// The last line of each key that may have one again, with the number of all of them.
    /// Called at each end of an interval.
    pub fn take(&self) -> Vec<(u64, L)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        held.retain(|_, lines| {
            if mem::take(&mut lines.is_recent) {
                return true;
            }
            let last = lines.last.take();
            lines.is_recent = last.is_some();
            taken.extend(last.map(|last| (mem::take(&mut lines.count), last)));
            lines.is_recent
        });
        taken
    }

    /// The same of every key, at the end of the server.
    pub fn take_all(&self) -> Vec<(u64, L)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all = held
            .drain()
            .filter_map(|(_, lines)| Some((lines.count, lines.last?)));
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_keys_one_line_an_interval_is_written() {
        let limit = LineLimit::default();
        assert_eq!(limit.admit("a", 1), Some(1));
        assert_eq!(limit.admit("b", 2), Some(2));
        assert_eq!(limit.admit("a", 3), None);
        // The first line may be of this very moment.
        assert_eq!(limit.take(), []);
        assert_eq!(limit.admit("a", 4), None);
        assert_eq!(limit.take(), [(2, 4)]);
        assert_eq!(limit.admit("a", 5), None);
        assert_eq!(limit.take(), []);
        assert_eq!(limit.take(), [(1, 5)]);
        assert_eq!(limit.take(), []);
        assert_eq!(limit.take(), []);
        assert_eq!(limit.admit("a", 6), Some(6));
        assert_eq!(limit.admit("a", 7), None);
        assert_eq!(limit.take_all(), [(1, 7)]);
        assert_eq!(limit.take_all(), []);
    }

    #[test]
    fn keys_are_bounded() {
        let limit = LineLimit::default();
        let lines = MAX_KEYS as u64 + 10;
        let written = (0..lines).filter_map(|line| limit.admit(line, line));
        assert_eq!(written.count(), MAX_KEYS + 1);
        assert_eq!(limit.admit(0, 0), None);
        limit.take();
        let mut taken = limit.take();
        taken.sort_unstable();
        assert_eq!(taken, [(1, 0), (9, lines - 1)]);
    }
}
