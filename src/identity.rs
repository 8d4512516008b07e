//! Callers and their rights.
//!
//! The server listens on addresses of this machine alone, so each caller is a process of
//! this machine. A caller may act for any viewer. As its own viewer, it has the role that
//! the operator set.

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
