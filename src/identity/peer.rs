//! The other end of a connection, as far as the system knows it.

/// A process on this machine. It presents nothing; the system says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Over a loopback address.
    Loopback,
    /// Over a Unix socket: the user id of the process at the time of its `connect`. `None`
    /// where the system does not tell.
    Unix(Option<u32>),
}
