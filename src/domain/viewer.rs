//! On whose behalf a call asks, and what limits the answer.
//!
//! Knows neither accounts nor inboxes: which of them a viewer may see is decided in
//! [`members`](super::members).

use super::id::{AgentBotId, UserId};

/// On whose behalf a caller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Viewer {
    User(UserId),
    AgentBot(AgentBotId),
    /// The calling service itself.
    Service,
}

/// The role of a viewer in an account. Ordered: an administrator may do all that an
/// agent may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Agent,
    Administrator,
}

/// The rights of the caller, for any viewer.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// The caller's role when it is its own viewer.
    pub as_service: Role,
    /// No viewer's role counts for more than this.
    pub ceiling: Role,
}

impl Rights {
    /// The caller's role as its own viewer, which is the same in every account.
    pub fn service_role(self) -> Role {
        self.limit(self.as_service)
    }

    /// A viewer's role as far as the caller may use it.
    pub(super) fn limit(self, role: Role) -> Role {
        role.min(self.ceiling)
    }
}

/// How much of an inbox is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The fields that a list of choices needs.
    Basic,
    /// All that is disclosed.
    Full,
}
