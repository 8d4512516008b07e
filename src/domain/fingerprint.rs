//! The fingerprint of an inbox's rows. How it is made is not known here.

use super::size::no_heap;

/// A digest of the rows that an inbox was made of. It covers secrets, so it is neither
/// printed nor shown to a viewer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

no_heap!(Fingerprint);
