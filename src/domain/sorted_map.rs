//! A small map in one sorted slice.
//!
//! A tree takes over 600 bytes for a single key, and there is one for each JSON object of
//! each inbox. A slice takes what its entries take. It is not changed once it is made.

use super::size::HeapSize;

/// A map from texts, ordered by them.
#[derive(Clone, Debug, PartialEq)]
pub struct SortedMap<V>(Box<[(Box<str>, V)]>);

impl<V> SortedMap<V> {
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Its entries, in order.
    pub fn into_entries(self) -> Vec<(Box<str>, V)> {
        self.0.into_vec()
    }
}

impl<V: HeapSize> HeapSize for SortedMap<V> {
    fn heap_size(&self) -> usize {
        let entries = self.0.iter();
        let entries = entries.map(|(key, value)| key.heap_size() + value.heap_size());
        size_of_val(&*self.0) + entries.sum::<usize>()
    }
}

impl<K: Into<Box<str>>, V> FromIterator<(K, V)> for SortedMap<V> {
    /// Of equal keys the last counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut entries: Vec<_> = entries.map(|(key, value)| (key.into(), value)).collect();
        // The sort keeps the order of equal keys, and the first of them is then kept.
        entries.reverse();
        entries.sort_by(|(one, _): &(Box<str>, V), (other, _)| one.cmp(other));
        entries.dedup_by(|(one, _), (other, _)| one == other);
        Self(entries.into())
    }
}
