//! Limits the lines of the log that one peer or caller causes. Of lines with the same key, one an
//! interval is written, and the rest are counted. The interval is that of the calls of `take`. It
//! knows neither what a line says nor how it is written.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    mem,
    sync::{Mutex, PoisonError},
};

/// Keys at a time. Lines of further ones are counted together.
const MAX_KEYS: usize = 2048;

/// A limit of lines, by key. It keeps a count and the last line of each key.
#[derive(Debug)]
pub struct LineLimit<K, L> {
    /// `None` has the lines of all keys that were too many.
    counted: Mutex<HashMap<Option<K>, CountedLines<L>>>,
}

#[derive(Debug)]
struct CountedLines<L> {
    /// Whether the first line was written since the last `take`: an interval has not passed.
    is_new: bool,
    /// Lines that were not written.
    count: u64,
    last: Option<L>,
}

/// A number of lines that were not written, and the last of them. There is no last one for the
/// keys that were too many.
pub type Counted<L> = (u64, Option<L>);

impl<K, L> Default for LineLimit<K, L> {
    fn default() -> Self {
        Self {
            counted: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash, L> LineLimit<K, L> {
    /// Returns the line if it is to be written at once, because its key had none lately.
    /// Otherwise it is counted, and takes the place of the last line of its key.
    pub fn admit(&self, key: K, line: L) -> Option<L> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Some(key);
        let has_room = counted.len() < MAX_KEYS || counted.contains_key(&key);
        let key = key.filter(|_| has_room);
        let is_known = key.is_some();
        match counted.entry(key) {
            Entry::Occupied(mut entry) => {
                let lines = entry.get_mut();
                lines.count += 1;
                // The last line of another key would say too much.
                lines.last = Some(line).filter(|_| is_known);
                None
            }
            Entry::Vacant(entry) => {
                entry.insert(CountedLines {
                    is_new: true,
                    count: 0,
                    last: None,
                });
                Some(line)
            }
        }
    }

    /// The counted lines of each key whose line before is an interval old. Called at the end of
    /// each interval.
    pub fn take(&self) -> Vec<Counted<L>> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        counted.retain(|_, lines| {
            if mem::take(&mut lines.is_new) {
                return true;
            }
            let count = mem::take(&mut lines.count);
            if count > 0 {
                taken.push((count, lines.last.take()));
            }
            count > 0
        });
        taken
    }

    /// The counted lines of every key, at the end of the server.
    pub fn take_all(&self) -> Vec<Counted<L>> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let all = counted.drain().map(|(_, lines)| (lines.count, lines.last));
        all.filter(|(count, _)| *count > 0).collect()
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
        assert_eq!(limit.take(), [(2, Some(4))]);
        // In a flood, each interval has one.
        assert_eq!(limit.admit("a", 5), None);
        assert_eq!(limit.take(), [(1, Some(5))]);
        assert_eq!(limit.take(), []);
        assert_eq!(limit.admit("a", 6), Some(6));
        assert_eq!(limit.admit("a", 7), None);
        assert_eq!(limit.take_all(), [(1, Some(7))]);
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
        assert_eq!(taken, [(1, Some(0)), (9, None)]);
    }
}
