//! An account as one consistent whole: who belongs to it and what inboxes it
//! has, from one snapshot.
//!
//! What an account holds may be an excerpt: one viewer and a few inboxes. That
//! is safe by construction: who is not in it is no member, and what is not in
//! it is not found.

use std::collections::{HashMap, HashSet};

use super::{
    access::Role,
    id::{AccountId, AgentBotId, InboxId, UserId},
    inbox::Inbox,
};

/// An account, its members and its inboxes. Private fields: who may see an
/// inbox is decided in [`access`](super::access) and nowhere else.
pub struct Account {
    suspended: bool,
    members: HashMap<UserId, Member>,
    agent_bots: HashMap<AgentBotId, HashSet<InboxId>>,
    /// Ordered by folded name, then id.
    inboxes: Vec<Listed>,
    by_id: HashMap<InboxId, usize>,
}

/// One row of `account_users`, with the user's `inbox_members`.
struct Member {
    role: Role,
    inboxes: HashSet<InboxId>,
}

struct Listed {
    folded_name: String,
    inbox: Inbox,
}

/// What an account is made of, as read.
pub struct Parts {
    pub id: AccountId,
    pub suspended: bool,
    /// Every row of `account_users`.
    pub roles: Vec<(UserId, Role)>,
    /// Rows of `inbox_members`. Those of users without a role give nothing.
    pub memberships: Vec<(UserId, InboxId)>,
    /// The bots that exist for this account.
    pub agent_bots: Vec<AgentBotId>,
    /// Active rows of `agent_bot_inboxes`. Those of other bots give nothing.
    pub connections: Vec<(AgentBotId, InboxId)>,
    pub inboxes: Vec<Inbox>,
}

impl Parts {
    /// An account that nobody belongs to and that has no inbox.
    pub const fn new(id: AccountId, suspended: bool) -> Self {
        Self {
            id,
            suspended,
            roles: Vec::new(),
            memberships: Vec::new(),
            agent_bots: Vec::new(),
            connections: Vec::new(),
            inboxes: Vec::new(),
        }
    }
}

impl From<Parts> for Account {
    fn from(parts: Parts) -> Self {
        let Parts {
            id,
            suspended,
            roles,
            memberships,
            agent_bots,
            connections,
            inboxes,
        } = parts;

        let mut members: HashMap<_, _> = roles
            .into_iter()
            .map(|(user, role)| {
                (
                    user,
                    Member {
                        role,
                        inboxes: HashSet::new(),
                    },
                )
            })
            .collect();
        for (user, inbox) in memberships {
            if let Some(member) = members.get_mut(&user) {
                member.inboxes.insert(inbox);
            }
        }

        let mut agent_bots: HashMap<_, _> = agent_bots
            .into_iter()
            .map(|bot| (bot, HashSet::new()))
            .collect();
        for (bot, inbox) in connections {
            if let Some(inboxes) = agent_bots.get_mut(&bot) {
                inboxes.insert(inbox);
            }
        }

        let mut inboxes: Vec<_> = inboxes
            .into_iter()
            .filter(|inbox| inbox.account_id == id)
            .map(|inbox| Listed {
                folded_name: fold(&inbox.name),
                inbox,
            })
            .collect();
        inboxes.sort_by(|a, b| a.position().cmp(&b.position()));
        let by_id = inboxes
            .iter()
            .enumerate()
            .map(|(index, listed)| (listed.inbox.id, index))
            .collect();

        Self {
            suspended,
            members,
            agent_bots,
            inboxes,
            by_id,
        }
    }
}

impl Listed {
    fn position(&self) -> (&str, InboxId) {
        (&self.folded_name, self.inbox.id)
    }
}

impl Account {
    pub(super) const fn is_suspended(&self) -> bool {
        self.suspended
    }

    pub(super) fn member(&self, user: UserId) -> Option<(Role, &HashSet<InboxId>)> {
        self.members
            .get(&user)
            .map(|member| (member.role, &member.inboxes))
    }

    pub(super) fn agent_bot(&self, bot: AgentBotId) -> Option<&HashSet<InboxId>> {
        self.agent_bots.get(&bot)
    }

    pub(super) fn inbox(&self, id: InboxId) -> Option<&Inbox> {
        self.by_id
            .get(&id)
            .and_then(|index| self.inboxes.get(*index))
            .map(|listed| &listed.inbox)
    }

    pub(super) fn inboxes(&self) -> impl Iterator<Item = (&str, &Inbox)> {
        self.inboxes
            .iter()
            .map(|listed| (listed.folded_name.as_str(), &listed.inbox))
    }
}

/// Folds a name so that case does not matter. Done here and not by a database:
/// theirs depends on locale and version.
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Whether a folded name begins with a folded prefix. A final sigma is folded
/// differently from others, and what is final in the prefix may not be in the
/// name.
pub fn has_prefix(folded_name: &str, folded_prefix: &str) -> bool {
    const FINAL_SIGMA: char = 'ς';
    const SIGMA: char = 'σ';
    let same = |letter| if letter == FINAL_SIGMA { SIGMA } else { letter };
    let mut name = folded_name.chars().map(same);
    folded_prefix
        .chars()
        .map(same)
        .all(|letter| name.next() == Some(letter))
}

#[cfg(test)]
mod tests {
    mod fuzz;
}
