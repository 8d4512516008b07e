//! One read of an account: all of it, or some inboxes with the rights of one viewer. The
//! inboxes are named, or they own an address. (For an address in any account see
//! `address`.)
//!
//! Members come first. [`Members::access`] then says what is worth reading, so that a
//! hidden inbox costs the same statements as a missing one.

use std::collections::BTreeSet;

use super::{address::find_owners, inboxes::read_inboxes, is_suspended, number};
use crate::{
    domain::{
        account::Account,
        address::Address,
        channel::ChannelKind,
        id::{AccountId, AgentBotId, InboxId, UserId},
        members::Members,
        viewer::{Role, Viewer},
    },
    store::{
        Read, ReadOperation, Store,
        assemble::rows::InboxRows,
        error::StoreError,
        schema::rows::{AccountRow, AccountUserRow, AgentBotInboxRow, AgentBotRow, InboxMemberRow},
        snapshot::context::ReadContext,
        sql::{Argument, select::AccountStatements},
    },
};

/// The scope of a read.
#[derive(Clone, Copy)]
pub(super) enum ReadScope<'a> {
    Whole,
    Excerpt {
        viewer: Viewer,
        inboxes: &'a [InboxId],
    },
    /// An excerpt of the owners of an address. They are looked for once the viewer is
    /// known to belong to the account.
    Owners {
        viewer: Viewer,
        address: &'a Address,
    },
}

impl Store {
    /// A whole account; `None` where there is none. A suspended one comes without inboxes.
    /// Inboxes that have not changed since `previous`, a whole one of this store, are
    /// shared with it.
    pub async fn account(
        &self,
        id: AccountId,
        previous: Option<&Account>,
        context: ReadContext,
    ) -> Result<Option<Account>, StoreError> {
        self.read_account(id, ReadScope::Whole, previous, context)
            .await
    }

    /// Some inboxes of an account, and the rights of one viewer. The inboxes that the
    /// viewer does not see are left out.
    pub async fn inboxes(
        &self,
        id: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        context: ReadContext,
    ) -> Result<Option<Account>, StoreError> {
        let scope = ReadScope::Excerpt { viewer, inboxes };
        self.read_account(id, scope, None, context).await
    }

    /// The inboxes of an account that own an address, and the rights of one viewer.
    pub async fn find(
        &self,
        id: AccountId,
        viewer: Viewer,
        address: &Address,
        context: ReadContext,
    ) -> Result<Option<Account>, StoreError> {
        let scope = ReadScope::Owners { viewer, address };
        self.read_account(id, scope, None, context).await
    }

    async fn read_account(
        &self,
        id: AccountId,
        scope: ReadScope<'_>,
        previous: Option<&Account>,
        context: ReadContext,
    ) -> Result<Option<Account>, StoreError> {
        let found = self.read(&context, &AccountRead { id, scope }).await?;
        let Some((members, rows)) = found else {
            return Ok(None);
        };
        let inboxes = match rows {
            Some(rows) => self.assemble(&rows, previous).await?,
            None => Vec::new(),
        };
        Ok(Some(Account::new(id, members, inboxes)))
    }
}

struct AccountRead<'s> {
    id: AccountId,
    scope: ReadScope<'s>,
}

impl ReadOperation for AccountRead<'_> {
    /// `None` where there is no such account.
    type Output = Option<(Members, Option<InboxRows>)>;

    async fn attempt(&self, read: &mut Read<'_>) -> Result<Self::Output, StoreError> {
        let reader = AccountReader::new(read, self.id, self.scope);
        reader.account().await
    }
}

/// One attempt to read an account.
pub(super) struct AccountReader<'r, 'a> {
    read: &'r mut Read<'a>,
    statements: &'a AccountStatements,
    id: AccountId,
    scope: ReadScope<'r>,
}

impl<'r, 'a> AccountReader<'r, 'a> {
    pub fn new(read: &'r mut Read<'a>, id: AccountId, scope: ReadScope<'r>) -> Self {
        let statements = match scope {
            ReadScope::Whole => &read.plan.whole,
            ReadScope::Excerpt { .. } | ReadScope::Owners { .. } => &read.plan.excerpt,
        };
        Self {
            read,
            statements,
            id,
            scope,
        }
    }

    /// Members and inboxes; `None` where there is no such account. Rights are read for a
    /// missing account too: it costs the same statements as one that the viewer does not
    /// belong to.
    async fn account(mut self) -> Result<Option<(Members, Option<InboxRows>)>, StoreError> {
        let is_suspended = self.is_suspended().await?;
        let mut members = Members::new(is_suspended.unwrap_or_default());
        self.read_viewers(&mut members).await?;
        let asked = match self.scope {
            ReadScope::Whole => None,
            ReadScope::Excerpt { inboxes, .. } => Some(inboxes.to_vec()),
            ReadScope::Owners { viewer, address }
                if is_suspended.is_some() && members.access(viewer).is_ok() =>
            {
                let owners = find_owners(self.read, address).await?;
                let here = owners
                    .into_iter()
                    .filter(|(account, _)| *account == self.id);
                Some(here.map(|(_, inbox)| inbox).collect())
            }
            ReadScope::Owners { .. } => Some(Vec::new()),
        };
        self.read_visibility(&mut members, asked.as_deref()).await?;
        if is_suspended.is_none() {
            return Ok(None);
        }
        let viewer = self.viewer().unwrap_or(Viewer::Service);
        let rows = match members.access(viewer) {
            Err(_) => None,
            Ok(grant) => {
                let mut visible = asked;
                if let Some(inboxes) = &mut visible {
                    inboxes.retain(|inbox| grant.shows(*inbox));
                }
                match visible.as_deref() {
                    Some([]) => None,
                    visible => self.read_inboxes(visible, None).await?,
                }
            }
        };
        Ok(Some((members, rows)))
    }

    const fn viewer(&self) -> Option<Viewer> {
        match self.scope {
            ReadScope::Whole => None,
            ReadScope::Excerpt { viewer, .. } | ReadScope::Owners { viewer, .. } => Some(viewer),
        }
    }

    /// The arguments of the statements about inboxes.
    fn arguments(&self, inboxes: Option<&[InboxId]>) -> Vec<Argument> {
        let account = Argument::Id(self.id.0);
        let inboxes = inboxes.map(|ids| Argument::Ids(ids.iter().map(|id| id.0).collect()));
        [account].into_iter().chain(inboxes).collect()
    }

    /// `None` where there is no such account.
    pub async fn is_suspended(&mut self) -> Result<Option<bool>, StoreError> {
        let statement = &self.statements.account;
        let arguments = self.arguments(None);
        let rows: Vec<AccountRow> = self.read.fetch(statement, &arguments).await?;
        Ok(rows.first().map(is_suspended))
    }

    /// Reads which viewers belong to the account.
    pub async fn read_viewers(&mut self, members: &mut Members) -> Result<(), StoreError> {
        let (users, agent_bots) = Subjects::of(self.viewer());
        let account = self.arguments(None);
        if let Some(arguments) = users.arguments(&account) {
            let statement = &self.statements.roles;
            let rows: Vec<AccountUserRow> = self.read.fetch(statement, &arguments).await?;
            for (user, role) in rows.iter().filter_map(role) {
                members.add_user(user, role);
            }
        }
        if let Some(arguments) = agent_bots.arguments(&account) {
            let statement = &self.statements.agent_bots;
            let rows: Vec<AgentBotRow> = self.read.fetch(statement, &arguments).await?;
            for row in rows {
                members.add_agent_bot(AgentBotId(row.id));
            }
        }
        Ok(())
    }

    /// Reads which of these inboxes the viewers see; `None` stands for all inboxes.
    pub async fn read_visibility(
        &mut self,
        members: &mut Members,
        inboxes: Option<&[InboxId]>,
    ) -> Result<(), StoreError> {
        // The membership alone is asked for. The owners of an address may be none: then
        // the statements are run all the same, as for owners that are hidden.
        if matches!(self.scope, ReadScope::Excerpt { inboxes: [], .. }) {
            return Ok(());
        }
        let (users, agent_bots) = Subjects::of(self.viewer());
        let inboxes = self.arguments(inboxes);
        if let Some(arguments) = users.arguments(&inboxes) {
            let statement = &self.statements.memberships;
            let rows: Vec<InboxMemberRow> = self.read.fetch(statement, &arguments).await?;
            for row in rows {
                if let Some(user) = number(&row.user_id) {
                    members.add_user_inbox(UserId(user), InboxId(row.inbox_id));
                }
            }
        }
        if let Some(arguments) = agent_bots.arguments(&inboxes) {
            let statement = &self.statements.bot_inboxes;
            let rows: Vec<AgentBotInboxRow> = self.read.fetch(statement, &arguments).await?;
            for row in rows {
                if let Some(bot) = number(&row.agent_bot_id) {
                    members.add_agent_bot_inbox(AgentBotId(bot), InboxId(row.inbox_id));
                }
            }
        }
        Ok(())
    }

    /// Reads these inboxes; `None` stands for all.
    pub async fn read_inboxes(
        &mut self,
        inboxes: Option<&[InboxId]>,
        kinds: Option<BTreeSet<ChannelKind>>,
    ) -> Result<Option<InboxRows>, StoreError> {
        let arguments = self.arguments(inboxes);
        read_inboxes(self.read, &self.statements.inboxes, &arguments, kinds).await
    }
}

/// The users, or the agent bots, whose rights are read.
#[derive(Clone, Copy)]
enum Subjects {
    All,
    /// One, by its id.
    One(i64),
    None,
}

impl Subjects {
    /// The users and the agent bots for one viewer; `None` stands for all viewers.
    const fn of(viewer: Option<Viewer>) -> (Self, Self) {
        match viewer {
            None => (Self::All, Self::All),
            Some(Viewer::User(id)) => (Self::One(id.0), Self::None),
            Some(Viewer::AgentBot(id)) => (Self::None, Self::One(id.0)),
            Some(Viewer::Service) => (Self::None, Self::None),
        }
    }

    /// The arguments of a statement, the viewer last; `None` where none is needed.
    fn arguments(self, scope: &[Argument]) -> Option<Vec<Argument>> {
        let viewer = match self {
            Self::All => None,
            Self::One(id) => Some(Argument::Id(id)),
            Self::None => return None,
        };
        Some(scope.iter().cloned().chain(viewer).collect())
    }
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
