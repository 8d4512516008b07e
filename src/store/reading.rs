//! One read of an account under way: who belongs to it, what owns the address that is
//! asked for, and which inboxes are worth reading.

use std::collections::BTreeSet;

use super::{
    Store,
    columns::Stored,
    error::StoreError,
    plan::Plan,
    reauthorizations::Gathered,
    rows::{AccountRow, AccountUserRow, AgentBotInboxRow, AgentBotRow, InboxMemberRow},
    snapshot::{Argument, Snapshot},
    statements::Statements,
};
use crate::domain::{
    access::{Role, Viewer},
    account::Parts,
    address::Address,
    channel::ChannelKind,
    id::{AccountId, AgentBotId, InboxId, UserId},
};

/// What is read of an account.
#[derive(Clone, Copy)]
pub(super) enum Reach<'a> {
    Whole {
        viewer: Viewer,
    },
    Excerpt {
        viewer: Viewer,
        inboxes: &'a [InboxId],
    },
    /// An excerpt of what owns an address, which is looked for once the viewer is known
    /// to belong to the account.
    Owners {
        viewer: Viewer,
        address: &'a Address,
    },
}

/// One read under way.
pub(super) struct Reading<'a, 'c> {
    store: &'a Store,
    plan: &'a Plan,
    snapshot: &'a mut Snapshot<'c>,
    statements: &'a Statements,
    account: Argument,
    /// The inboxes that are asked for, where not all are.
    asked: Vec<InboxId>,
    /// What the statements' common condition on inboxes is bound to.
    scope: Vec<Argument>,
    reach: Reach<'a>,
}

impl<'a, 'c> Reading<'a, 'c> {
    pub fn new(
        store: &'a Store,
        plan: &'a Plan,
        snapshot: &'a mut Snapshot<'c>,
        id: AccountId,
        reach: Reach<'a>,
    ) -> Self {
        let account = Argument::Id(id.0);
        let (statements, asked) = match reach {
            Reach::Whole { .. } => (&plan.whole, Vec::new()),
            Reach::Excerpt { inboxes, .. } => (&plan.excerpt, inboxes.to_vec()),
            Reach::Owners { .. } => (&plan.excerpt, Vec::new()),
        };
        let mut reading = Self {
            store,
            plan,
            snapshot,
            statements,
            account,
            asked: Vec::new(),
            scope: Vec::new(),
            reach,
        };
        reading.ask_for(asked);
        reading
    }

    /// Names the inboxes that are read, where not all are.
    fn ask_for(&mut self, inboxes: Vec<InboxId>) {
        self.scope = vec![self.account.clone()];
        if !matches!(self.reach, Reach::Whole { .. }) {
            let ids = inboxes.iter().map(|inbox| inbox.0);
            self.scope.push(Argument::Ids(ids.collect()));
        }
        self.asked = inboxes;
    }

    /// `None` where there is no such account.
    pub async fn is_suspended(&mut self) -> Result<Option<bool>, StoreError> {
        let rows: Vec<AccountRow> = self
            .snapshot
            .fetch(
                &self.statements.account,
                std::slice::from_ref(&self.account),
            )
            .await?;
        Ok(rows.first().map(is_suspended))
    }

    /// Whose rights are read: of users, and of agent bots.
    const fn whose(&self) -> (Whose, Whose) {
        match self.reach {
            Reach::Whole { .. } => (Whose::Everyones, Whose::Everyones),
            Reach::Excerpt { viewer, .. } | Reach::Owners { viewer, .. } => match viewer {
                Viewer::User(id) => (Whose::Of(id.0), Whose::Nobodys),
                Viewer::AgentBot(id) => (Whose::Nobodys, Whose::Of(id.0)),
                Viewer::Service => (Whose::Nobodys, Whose::Nobodys),
            },
        }
    }

    /// Who belongs to the account.
    pub async fn members(&mut self, parts: &mut Parts) -> Result<(), StoreError> {
        let (users, agent_bots) = self.whose();
        let of_account = std::slice::from_ref(&self.account);
        if let Some(arguments) = users.bound_to(of_account) {
            let statement = &self.statements.roles;
            let rows: Vec<AccountUserRow> = self.snapshot.fetch(statement, &arguments).await?;
            parts.roles = rows.iter().filter_map(role).collect();
        }
        if let Some(arguments) = agent_bots.bound_to(of_account) {
            let statement = &self.statements.agent_bots;
            let rows: Vec<AgentBotRow> = self.snapshot.fetch(statement, &arguments).await?;
            parts.agent_bots = rows.iter().map(|row| AgentBotId(row.id)).collect();
        }
        Ok(())
    }

    /// Finds what owns the address, if that is what is asked for, and the viewer may ask.
    pub async fn look_up(&mut self, parts: &Parts) -> Result<(), StoreError> {
        let Reach::Owners { viewer, address } = self.reach else {
            return Ok(());
        };
        if parts.is_open_to(viewer) {
            let found = self
                .store
                .look_up(self.plan, self.snapshot, address)
                .await?;
            let here = found
                .into_iter()
                .filter(|(account, _)| *account == parts.id);
            self.ask_for(here.map(|(_, inbox)| inbox).collect());
        }
        Ok(())
    }

    /// Which inboxes those who belong to the account are members of.
    pub async fn memberships(&mut self, parts: &mut Parts) -> Result<(), StoreError> {
        let (users, agent_bots) = self.whose();
        if let Some(arguments) = users.bound_to(&self.scope) {
            let statement = &self.statements.memberships;
            let rows: Vec<InboxMemberRow> = self.snapshot.fetch(statement, &arguments).await?;
            let pair =
                |row: &InboxMemberRow| Some((UserId(number(&row.user_id)?), InboxId(row.inbox_id)));
            parts.memberships = rows.iter().filter_map(pair).collect();
        }
        if let Some(arguments) = agent_bots.bound_to(&self.scope) {
            let statement = &self.statements.connections;
            let rows: Vec<AgentBotInboxRow> = self.snapshot.fetch(statement, &arguments).await?;
            let pair = |row: &AgentBotInboxRow| {
                let agent_bot = AgentBotId(number(&row.agent_bot_id)?);
                Some((agent_bot, InboxId(row.inbox_id)))
            };
            parts.connections = rows.iter().filter_map(pair).collect();
        }
        Ok(())
    }

    /// Narrows the inboxes to those that the viewer may see; whether any are left.
    pub fn narrow(&mut self, parts: &Parts) -> bool {
        let viewer = match self.reach {
            Reach::Whole { viewer } => return parts.is_open_to(viewer),
            Reach::Excerpt { viewer, .. } | Reach::Owners { viewer, .. } => viewer,
        };
        self.ask_for(parts.worth_reading(viewer, &self.asked));
        !self.asked.is_empty()
    }

    pub async fn inboxes(
        &mut self,
        kinds: Option<BTreeSet<ChannelKind>>,
    ) -> Result<Gathered, StoreError> {
        let statements = &self.statements.inboxes;
        self.store
            .inboxes_of(self.plan, self.snapshot, statements, &self.scope, kinds)
            .await
    }
}

/// Whose rights a read is about.
#[derive(Clone, Copy)]
enum Whose {
    Everyones,
    /// One viewer's, by its id.
    Of(i64),
    Nobodys,
}

impl Whose {
    /// What a statement is bound to: the viewer comes last.
    fn bound_to(self, scope: &[Argument]) -> Option<Vec<Argument>> {
        let viewer = match self {
            Self::Everyones => None,
            Self::Of(id) => Some(Argument::Id(id)),
            Self::Nobodys => return None,
        };
        Some(scope.iter().cloned().chain(viewer).collect())
    }
}

/// `accounts.status`: 1 is suspended; every other number is an active account's.
pub(super) fn is_suspended(row: &AccountRow) -> bool {
    number(&row.status) == Some(1)
}

/// `account_users.role`: 1 is administrator; every other number and NULL are an
/// agent's.
fn role(row: &AccountUserRow) -> Option<(UserId, Role)> {
    const ADMINISTRATOR: i64 = 1;
    let role = if number(&row.role) == Some(ADMINISTRATOR) {
        Role::Administrator
    } else {
        Role::Agent
    };
    Some((UserId(number(&row.user_id)?), role))
}

/// A number that says who somebody is or what they may do. What is none gives no
/// right, and no field shows it.
pub(super) fn number(stored: &Stored<i64>) -> Option<i64> {
    stored.get().ok().flatten().copied()
}
