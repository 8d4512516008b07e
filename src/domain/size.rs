//! How many bytes a domain value takes, by a walk over all of it.
//!
//! A size is the weight of an account in memory, and no viewer gets one: it would tell of
//! sealed values. A type is taken apart without `..` and without a wildcard, so that a
//! forgotten field does not compile. Space that an allocator adds is not counted.

mod channel;
mod inbox;

use std::{
    collections::{HashMap, HashSet},
    mem::size_of,
    sync::Arc,
};

use zeroize::Zeroizing;

/// A value that may own memory on the heap.
pub(super) trait HeapSize {
    /// The bytes on the heap, without those of the value itself.
    fn heap_size(&self) -> usize;
}

/// Implements [`HeapSize`] for structs, each with all its fields.
macro_rules! heap_size {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::domain::size::HeapSize for $name {
            fn heap_size(&self) -> usize {
                let Self { $($field),* } = self;
                0 $(+ $crate::domain::size::HeapSize::heap_size($field))*
            }
        }
    )*};
}
pub(super) use heap_size;

/// Implements [`HeapSize`] for types that own nothing. A type that can be copied does not.
macro_rules! no_heap {
    ($($name:ty),* $(,)?) => {$(
        impl $crate::domain::size::HeapSize for $name {
            fn heap_size(&self) -> usize {
                const fn assert_copy<T: Copy>() {}
                const { assert_copy::<$name>() };
                0
            }
        }
    )*};
}
pub(super) use no_heap;

no_heap!(bool, i32, i64, u64, usize, f64);

impl HeapSize for String {
    fn heap_size(&self) -> usize {
        self.capacity()
    }
}

impl HeapSize for str {
    fn heap_size(&self) -> usize {
        0
    }
}

impl<T: HeapSize> HeapSize for [T] {
    fn heap_size(&self) -> usize {
        self.iter().map(T::heap_size).sum()
    }
}

impl<T: HeapSize> HeapSize for Vec<T> {
    fn heap_size(&self) -> usize {
        self.capacity() * size_of::<T>() + self.as_slice().heap_size()
    }
}

impl<T: HeapSize> HeapSize for Option<T> {
    fn heap_size(&self) -> usize {
        self.as_ref().map_or(0, T::heap_size)
    }
}

impl<T: HeapSize + ?Sized> HeapSize for Box<T> {
    fn heap_size(&self) -> usize {
        size_of_val::<T>(self) + T::heap_size(self)
    }
}

/// As if this were its only owner.
impl<T: HeapSize + ?Sized> HeapSize for Arc<T> {
    fn heap_size(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        COUNTS + size_of_val::<T>(self) + T::heap_size(self)
    }
}

impl<T: HeapSize + zeroize::Zeroize> HeapSize for Zeroizing<T> {
    fn heap_size(&self) -> usize {
        T::heap_size(self)
    }
}

impl<K: HeapSize, V: HeapSize> HeapSize for HashMap<K, V> {
    fn heap_size(&self) -> usize {
        let entries = self.iter();
        let entries = entries.map(|(key, value)| key.heap_size() + value.heap_size());
        table_size::<(K, V)>(self.capacity()) + entries.sum::<usize>()
    }
}

impl<T: HeapSize> HeapSize for HashSet<T> {
    fn heap_size(&self) -> usize {
        table_size::<T>(self.capacity()) + self.iter().map(T::heap_size).sum::<usize>()
    }
}

/// The bytes of a hash table: a power of two of entries, and a byte for each, in groups of
/// sixteen. Seven eighths of the entries are used at most.
const fn table_size<E>(capacity: usize) -> usize {
    const GROUP: usize = 16;
    if capacity == 0 {
        return 0;
    }
    let buckets = (capacity * 8 / 7).next_power_of_two();
    (buckets * size_of::<E>()).next_multiple_of(GROUP) + buckets + GROUP
}
