//! Values that only administrators may see.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::{access::AdminProof, size::HeapSize};

/// A value for administrators only. The type of a field is its classification:
/// what is wrapped in this cannot be read without an [`AdminProof`], which only
/// [`Access`](super::access::Access) makes.
///
/// There is no `Deref`, `Display`, `Serialize` or `PartialEq`, and `Debug`
/// prints no more than the name.
pub struct AdminOnly<T>(T);

impl<T> AdminOnly<T> {
    /// Seals a value.
    pub const fn seal(value: T) -> Self {
        Self(value)
    }

    /// Opens the seal for the holder of a proof.
    pub const fn open(&self, _: &AdminProof) -> &T {
        &self.0
    }
}

impl<T: Default> Default for AdminOnly<T> {
    fn default() -> Self {
        Self::seal(T::default())
    }
}

/// Only the domain sees a size, and only that of a whole account leaves it.
impl<T: HeapSize> HeapSize for AdminOnly<T> {
    fn heap_size(&self) -> usize {
        self.0.heap_size()
    }
}

impl HeapSize for SecretString {
    fn heap_size(&self) -> usize {
        self.expose_secret().len()
    }
}

impl<T> fmt::Debug for AdminOnly<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminOnly(..)")
    }
}
