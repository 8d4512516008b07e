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

/// How much of an inbox is asked for. Ordered: full is more than basic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// The fields that a list of choices needs.
    Basic,
    /// All that is disclosed.
    Full,
}
