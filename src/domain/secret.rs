//! Values that only administrators may see, each of one group of secrets.
//!
//! The type of a field says both: `AdminOnly<Option<Smtp>, group::Smtp>`. Which groups a
//! viewer gets is decided in [`access`](super::access), and not here.

use std::{fmt, marker::PhantomData};

use secrecy::{ExposeSecret, SecretString};

use super::{access::AdminProof, secret_group::Group, size::HeapSize};

/// A value for administrators only, of a group. The type of a field is its classification:
/// it cannot be read without an [`AdminProof`] of the same group. Only
/// [`Access`](super::access::Access) makes one.
///
/// There is no `Deref`, `Display`, `Serialize` or `PartialEq`, and `Debug`
/// prints no more than the name.
pub struct AdminOnly<T, G: Group>(T, PhantomData<G>);

impl<T, G: Group> AdminOnly<T, G> {
    /// Seals a value. The group is that of the field it is put into.
    pub const fn seal(value: T) -> Self {
        Self(value, PhantomData)
    }

    /// Opens the seal for the holder of a proof.
    pub const fn open(&self, _: &AdminProof<G>) -> &T {
        &self.0
    }
}

impl<T: Default, G: Group> Default for AdminOnly<T, G> {
    fn default() -> Self {
        Self::seal(T::default())
    }
}

/// Only the domain sees a size, and only that of a whole account leaves it.
impl<T: HeapSize, G: Group> HeapSize for AdminOnly<T, G> {
    fn heap_size(&self) -> usize {
        self.0.heap_size()
    }
}

impl HeapSize for SecretString {
    fn heap_size(&self) -> usize {
        self.expose_secret().len()
    }
}

impl<T, G: Group> fmt::Debug for AdminOnly<T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminOnly(..)")
    }
}
