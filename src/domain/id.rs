//! Ids, each a type of its own, so that one cannot stand in for another.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// `accounts.id`.
    AccountId,
    /// `inboxes.id`.
    InboxId,
    /// `users.id`.
    UserId,
    /// `agent_bots.id`.
    AgentBotId,
    /// The id of a row in the table of a channel's class.
    ChannelId,
}
