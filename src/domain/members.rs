//! The role rule, once: which viewers belong to an account, and which of its inboxes
//! each of them sees.
//!
//! | viewer | belongs to the account | sees | role |
//! |---|---|---|---|
//! | user, administrator | a row of `account_users` | every inbox | administrator |
//! | user, agent | a row of `account_users` | the inboxes of its `inbox_members` | agent |
//! | agent bot | the bot is the account's or the system's | the inboxes of its active `agent_bot_inboxes` | agent |
//! | service | always | every inbox | administrator |
//!
//! A caller may pass on less than the role allows ([`access`](super::access)).
//!
//! A suspended account shows nothing, and says so only to viewers that belong to it.
//! Roles come from `account_users`, never from a request.
//!
//! The store asks [`Members::access`] before it reads inboxes, and
//! [`access`](super::access) asks it before any leaves. So both go by the same rule. This
//! module does not know the content of inboxes.

use std::collections::{HashMap, HashSet};

use super::{
    id::{AgentBotId, InboxId, UserId},
    size::heap_size,
    viewer::{Role, Viewer},
};

/// The viewers of an account, as far as they were read: an excerpt may hold one viewer
/// and some inboxes. An absent viewer does not belong, and an absent inbox is not visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    is_suspended: bool,
    users: HashMap<UserId, Role>,
    user_inboxes: HashMap<UserId, HashSet<InboxId>>,
    agent_bots: HashSet<AgentBotId>,
    agent_bot_inboxes: HashMap<AgentBotId, HashSet<InboxId>>,
}

heap_size! {
    Members { is_suspended, users, user_inboxes, agent_bots, agent_bot_inboxes }
}

/// Why a viewer gets nothing of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDenied {
    /// The viewer does not belong to the account.
    NotAMember,
    /// It does, but the account is suspended.
    Suspended,
}

/// The rights that an account grants a member.
pub struct Grant<'a> {
    role: Role,
    visible: VisibleInboxes<'a>,
}

enum VisibleInboxes<'a> {
    All,
    Only(Option<&'a HashSet<InboxId>>),
}

impl Members {
    /// Of an account without viewers.
    pub fn new(is_suspended: bool) -> Self {
        Self {
            is_suspended,
            ..Self::default()
        }
    }

    /// Adds a row of `account_users`.
    pub fn add_user(&mut self, user: UserId, role: Role) {
        self.users.insert(user, role);
    }

    /// Adds a row of `inbox_members`. It gives nothing to a user without a role.
    pub fn add_user_inbox(&mut self, user: UserId, inbox: InboxId) {
        self.user_inboxes.entry(user).or_default().insert(inbox);
    }

    /// Adds a bot that exists for the account.
    pub fn add_agent_bot(&mut self, bot: AgentBotId) {
        self.agent_bots.insert(bot);
    }

    /// Adds an active row of `agent_bot_inboxes`. It gives nothing to another account's bot.
    pub fn add_agent_bot_inbox(&mut self, bot: AgentBotId, inbox: InboxId) {
        self.agent_bot_inboxes.entry(bot).or_default().insert(inbox);
    }

    /// Decides what `viewer` may see.
    pub fn access(&self, viewer: Viewer) -> Result<Grant<'_>, AccessDenied> {
        let (role, visible) = match viewer {
            Viewer::User(user) => {
                let role = *self.users.get(&user).ok_or(AccessDenied::NotAMember)?;
                let visible = match role {
                    Role::Administrator => VisibleInboxes::All,
                    Role::Agent => VisibleInboxes::Only(self.user_inboxes.get(&user)),
                };
                (role, visible)
            }
            Viewer::AgentBot(bot) => {
                if !self.agent_bots.contains(&bot) {
                    return Err(AccessDenied::NotAMember);
                }
                let visible = VisibleInboxes::Only(self.agent_bot_inboxes.get(&bot));
                (Role::Agent, visible)
            }
            Viewer::Service => (Role::Administrator, VisibleInboxes::All),
        };
        if self.is_suspended {
            return Err(AccessDenied::Suspended);
        }
        Ok(Grant { role, visible })
    }
}

impl Grant<'_> {
    /// The viewer's own role, whatever its caller may pass on.
    pub(super) const fn role(&self) -> Role {
        self.role
    }

    /// The visible inboxes, if they are fewer than this and not all.
    pub(super) fn ids_fewer_than(&self, count: usize) -> Option<impl Iterator<Item = InboxId>> {
        let VisibleInboxes::Only(inboxes) = self.visible else {
            return None;
        };
        let are_fewer = inboxes.is_none_or(|it| it.len() < count);
        are_fewer.then(|| inboxes.into_iter().flatten().copied())
    }

    /// The visible inboxes, of any account, unless they are all of this one.
    pub(super) fn ids(&self) -> Option<impl Iterator<Item = InboxId>> {
        self.ids_fewer_than(usize::MAX)
    }

    /// Whether an inbox of the account is visible.
    pub fn shows(&self, inbox: InboxId) -> bool {
        match self.visible {
            VisibleInboxes::All => true,
            VisibleInboxes::Only(inboxes) => inboxes.is_some_and(|it| it.contains(&inbox)),
        }
    }
}
