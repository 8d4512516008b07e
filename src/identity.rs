//! Callers, and what each of them may ask.
//!
//! The server listens on addresses of this machine alone, so each caller is a process of
//! this machine. A caller may act for any viewer, and passes on all secrets that an
//! administrator may see. As its own viewer, it passes on what the operator allows.
//!
//! Knows neither connections nor messages, and does no input or output.

mod policy;

use crate::domain::{
    id::AccountId,
    secret_group::SecretGroups,
    viewer::{Detail, Role, Viewer},
};

/// The service on the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The secrets that it gets as its own viewer.
    secrets_as_itself: SecretGroups,
}

/// A question about one account.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub account: AccountId,
    pub viewer: Viewer,
    pub detail: Detail,
}

/// A question about an address in any account.
#[derive(Clone, Copy, Debug)]
pub struct SearchAsk {
    pub detail: Detail,
}

impl Caller {
    /// A process on this machine, with this role as its own viewer.
    pub const fn local(role: Role) -> Self {
        Self {
            secrets_as_itself: match role {
                Role::Agent => SecretGroups::NONE,
                Role::Administrator => SecretGroups::ALL,
            },
        }
    }
}
