//! Who calls, and what a caller may do.
//!
//! The server listens where only this machine's own processes reach it, so a
//! caller is "somebody on this machine": it may act for any viewer, and as its
//! own viewer has the role that the operator gave it.

use crate::domain::viewer::{Rights, Role};

/// The service on the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub rights: Rights,
}

impl Caller {
    /// A process on this machine.
    pub const fn local(role: Role) -> Self {
        Self {
            rights: Rights {
                as_service: role,
                ceiling: Role::Administrator,
            },
        }
    }
}
