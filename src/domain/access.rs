//! The role rule, on one page.
//!
//! An [`Account`] holds who belongs to it and what there is. The only way to an
//! inbox in it is [`Account::access`], which decides what the viewer is in the
//! account, and [`Access::inbox`] or [`Access::inboxes`], which hand out
//! [`InboxView`]s of what is visible. What is sealed in an inbox opens only
//! through [`InboxView::reveal`], and only for an administrator.
//!
//! Roles come from `account_users`, never from a request.

use std::collections::HashSet;

use super::{
    account::{Account, Parts},
    degradation::Degradation,
    id::{AgentBotId, InboxId, UserId},
    inbox::Inbox,
    secret::AdminOnly,
};

/// On whose behalf a caller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Viewer {
    User(UserId),
    AgentBot(AgentBotId),
    /// The calling service itself.
    Service,
}

/// What a viewer is in an account. Ordered: an administrator may do all that an
/// agent may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Agent,
    Administrator,
}

/// What the caller may do, whoever the viewer is.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// The caller's role when it is its own viewer.
    pub as_service: Role,
    /// No viewer's role counts for more than this.
    pub ceiling: Role,
}

impl Rights {
    /// The caller's role as its own viewer, which is the same in every account.
    pub fn of_service(self) -> Role {
        self.as_service.min(self.ceiling)
    }
}

/// Why a viewer gets nothing of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The viewer does not belong to the account.
    NotAMember,
    /// It does, but the account is suspended.
    Suspended,
}

/// A viewer's rights in one account.
pub struct Access<'a> {
    account: &'a Account,
    sight: Sight<'a>,
    role: Role,
}

/// Which inboxes of the account are visible.
enum Sight<'a> {
    All,
    Only(&'a HashSet<InboxId>),
}

/// Proof that administrator rights were established. Made only below, and only
/// ever lent.
pub struct AdminProof(());

static ADMINISTRATOR: AdminProof = AdminProof(());

impl Account {
    /// Decides what `viewer` may see here. Whether the account is suspended is
    /// told only to those who belong to it.
    pub fn access(&self, viewer: Viewer, rights: Rights) -> Result<Access<'_>, Refusal> {
        let (role, sight) = match viewer {
            Viewer::User(user) => match self.member(user).ok_or(Refusal::NotAMember)? {
                (Role::Administrator, _) => (Role::Administrator, Sight::All),
                (Role::Agent, inboxes) => (Role::Agent, Sight::Only(inboxes)),
            },
            Viewer::AgentBot(bot) => {
                let inboxes = self.agent_bot(bot).ok_or(Refusal::NotAMember)?;
                (Role::Agent, Sight::Only(inboxes))
            }
            Viewer::Service => (rights.as_service, Sight::All),
        };
        if self.is_suspended() {
            return Err(Refusal::Suspended);
        }
        Ok(Access {
            account: self,
            sight,
            role: role.min(rights.ceiling),
        })
    }
}

impl Parts {
    /// Whether the viewer belongs to the account, and is served: nobody else is
    /// made to wait while its inboxes are read.
    pub fn is_open_to(&self, viewer: Viewer) -> bool {
        let belongs = match viewer {
            Viewer::User(user) => self.roles.iter().any(|(member, _)| *member == user),
            Viewer::AgentBot(bot) => self.agent_bots.contains(&bot),
            Viewer::Service => true,
        };
        belongs && !self.suspended
    }

    /// Which of these inboxes the viewer may see, as far as is known before the
    /// inboxes are read: no more than [`Account::access`] would show, so that a
    /// hidden inbox costs no more time than a missing one.
    pub fn worth_reading(&self, viewer: Viewer, inboxes: &[InboxId]) -> Vec<InboxId> {
        let is_visible = |inbox: &InboxId| match viewer {
            _ if self.suspended => false,
            Viewer::User(user) => match self.roles.iter().find(|(member, _)| *member == user) {
                Some((_, Role::Administrator)) => true,
                Some((_, Role::Agent)) => self.memberships.contains(&(user, *inbox)),
                None => false,
            },
            Viewer::AgentBot(bot) => {
                self.agent_bots.contains(&bot) && self.connections.contains(&(bot, *inbox))
            }
            Viewer::Service => true,
        };
        inboxes.iter().copied().filter(is_visible).collect()
    }
}

impl<'a> Access<'a> {
    /// The role that is applied.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// One inbox. Missing, of another account and not visible are all `None`.
    pub fn inbox(&self, id: InboxId) -> Option<InboxView<'a>> {
        self.account
            .inbox(id)
            .filter(|inbox| self.sees(inbox))
            .map(|inbox| self.view(inbox))
    }

    /// All visible inboxes in the account's order, each with its folded name.
    pub fn inboxes(&self) -> impl Iterator<Item = (&'a str, InboxView<'a>)> + '_ {
        self.account
            .inboxes()
            .filter(|(_, inbox)| self.sees(inbox))
            .map(|(folded_name, inbox)| (folded_name, self.view(inbox)))
    }

    fn sees(&self, inbox: &Inbox) -> bool {
        match self.sight {
            Sight::All => true,
            Sight::Only(inboxes) => inboxes.contains(&inbox.id),
        }
    }

    fn view(&self, inbox: &'a Inbox) -> InboxView<'a> {
        let proof = match self.role {
            Role::Administrator => Some(&ADMINISTRATOR),
            Role::Agent => None,
        };
        InboxView { inbox, proof }
    }
}

/// An inbox as one viewer may see it: the only form in which it leaves.
pub struct InboxView<'a> {
    inbox: &'a Inbox,
    proof: Option<&'static AdminProof>,
}

impl<'a> InboxView<'a> {
    pub const fn inbox(&self) -> &'a Inbox {
        self.inbox
    }

    /// What is sealed, if the viewer is an administrator.
    pub fn reveal<'s, T>(&self, sealed: &'s AdminOnly<T>) -> Option<&'s T> {
        self.proof.map(|proof| sealed.open(proof))
    }

    /// What could not be read of the fields that the viewer may see.
    pub fn degradations(&self) -> impl Iterator<Item = &'a Degradation> + use<'a> {
        let inbox = self.inbox;
        let sealed = self
            .proof
            .map(|proof| inbox.sealed_degradations.open(proof));
        let sealed = sealed.into_iter().flatten();
        inbox.degradations.iter().chain(sealed)
    }

    /// The role that the view was made for.
    pub const fn role(&self) -> Role {
        match self.proof {
            Some(_) => Role::Administrator,
            None => Role::Agent,
        }
    }
}

#[cfg(test)]
mod tests;
