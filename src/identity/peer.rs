//! The other end of a connection, as far as the system knows it.

use std::fmt;

/// A process on this machine. It presents nothing; the system says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Over a loopback address.
    Loopback,
    /// Over a Unix socket: the user id of the process at the time of its `connect`. `None`
    /// where the system does not tell.
    Unix(Option<u32>),
}

impl Peer {
    /// The identity that the system proves; `None` where it proves none.
    pub const fn uid(self) -> Option<u32> {
        match self {
            Self::Loopback => None,
            Self::Unix(uid) => uid,
        }
    }
}

/// A user id, as callers and operators read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uid(pub u32);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid:{}", self.0)
    }
}
