//! Two shapes of a read: a whole account, and some inboxes of it with the rights
//! of one viewer. (The third is in `find`.)
//!
//! Each is one transaction. Its statements are as many for a thousand inboxes as
//! for one: the account, who belongs to it, the inboxes and what hangs on them,
//! and each channel table that is in use. Inboxes are made of it once the
//! transaction has ended, because Redis may have to be asked in between.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use super::{
    Ownership, Store,
    channel_tables::ChannelTables,
    columns::Stored,
    error::StoreError,
    patience::Patience,
    plan::Plan,
    reauthorizations::{Gathered, Reauthorizations},
    rows::{
        AccountRow, AccountUserRow, AgentBotInboxRow, AgentBotRow, AvatarRow, InboxMemberRow,
        InboxRow, ReauthorizationRow, WorkingHoursRow,
    },
    snapshot::{Argument, Snapshot},
    statements::{InboxStatements, Statements},
};
use crate::domain::{
    access::{Role, Viewer},
    account::{Account, Parts},
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
}

/// An account as it was read, before its inboxes are made.
pub(super) struct Found {
    parts: Parts,
    inboxes: Gathered,
}

impl Store {
    /// A whole account; without its inboxes where the viewer sees none.
    pub async fn account(
        &self,
        id: AccountId,
        viewer: Viewer,
        patience: &Patience,
    ) -> Result<Option<Account>, StoreError> {
        self.reached(id, Reach::Whole { viewer }, patience).await
    }

    /// Some inboxes of an account, and the rights of one viewer.
    pub async fn inboxes(
        &self,
        id: AccountId,
        viewer: Viewer,
        inboxes: &[InboxId],
        patience: &Patience,
    ) -> Result<Option<Account>, StoreError> {
        let excerpt = Reach::Excerpt { viewer, inboxes };
        self.reached(id, excerpt, patience).await
    }

    async fn reached(
        &self,
        id: AccountId,
        reach: Reach<'_>,
        patience: &Patience,
    ) -> Result<Option<Account>, StoreError> {
        let mut tries = self.tries(patience);
        loop {
            let plan = tries.plan();
            let account = async {
                let mut connection = self.pool.acquire(patience).await?;
                let mut snapshot = connection.begin(patience).await?;
                let found = self.read(&plan, &mut snapshot, id, reach).await?;
                snapshot.end(&plan).await?;
                drop(connection);
                self.complete(found, patience).await
            };
            if let Some(account) = tries.outcome(account.await).await {
                return account;
            }
        }
    }

    pub(super) async fn try_all(&self, plan: &Plan) -> Result<(), StoreError> {
        const NOWHERE: AccountId = AccountId(0);
        let patience = Patience::endless();
        let mut connection = self.pool.acquire(&patience).await?;
        let whole = |viewer| Reach::Whole { viewer };
        let excerpt = |viewer| Reach::Excerpt {
            viewer,
            inboxes: &[InboxId(0)],
        };
        for reach in [
            whole(Viewer::Service),
            excerpt(Viewer::User(UserId(0))),
            excerpt(Viewer::AgentBot(AgentBotId(0))),
        ] {
            let mut snapshot = connection.begin(&patience).await?;
            let mut reading = Reading::new(self, plan, &mut snapshot, NOWHERE, reach);
            reading.is_suspended().await?;
            reading.rights(&mut Parts::new(NOWHERE, false)).await?;
            reading.inboxes(Some(ChannelKind::ALL.into())).await?;
            snapshot.end(plan).await?;
        }
        let mut snapshot = connection.begin(&patience).await?;
        self.try_look_ups(plan, &mut snapshot).await?;
        snapshot.end(plan).await
    }

    pub(super) async fn read(
        &self,
        plan: &Plan,
        snapshot: &mut Snapshot<'_>,
        id: AccountId,
        reach: Reach<'_>,
    ) -> Result<Option<Found>, StoreError> {
        let mut reading = Reading::new(self, plan, snapshot, id, reach);
        // Rights are read for a missing account too: it takes as long as one that
        // the viewer does not belong to.
        let suspended = reading.is_suspended().await?;
        let mut parts = Parts::new(id, suspended.unwrap_or_default());
        reading.rights(&mut parts).await?;
        let inboxes = if suspended.is_some() && reading.narrow(&parts) {
            reading.inboxes(None).await?
        } else {
            Gathered::default()
        };
        Ok(suspended.map(|_| Found { parts, inboxes }))
    }

    /// What is found, with its inboxes. The database is no longer needed: its
    /// connection has to be given back by then.
    pub(super) async fn complete(
        &self,
        found: Option<Found>,
        patience: &Patience,
    ) -> Result<Option<Account>, StoreError> {
        let Some(Found { mut parts, inboxes }) = found else {
            return Ok(None);
        };
        parts.inboxes = self.assembled(inboxes, patience).await?;
        Ok(Some(Account::from(parts)))
    }

    /// Rows of inboxes. `kinds` are the channel tables to read; by default those
    /// in use.
    pub(super) async fn inboxes_of(
        &self,
        plan: &Plan,
        snapshot: &mut Snapshot<'_>,
        statements: &InboxStatements,
        scope: &[Argument],
        kinds: Option<BTreeSet<ChannelKind>>,
    ) -> Result<Gathered, StoreError> {
        let inboxes: Vec<InboxRow> = snapshot.fetch(&statements.inboxes, scope).await?;
        let kinds = kinds.unwrap_or_else(|| in_use(&inboxes));
        if inboxes.is_empty() && kinds.is_empty() {
            return Ok(Gathered::default());
        }

        let working_hours: Vec<WorkingHoursRow> =
            snapshot.fetch(&statements.working_hours, scope).await?;
        let avatars: Vec<AvatarRow> = snapshot.fetch(&statements.avatars, scope).await?;
        let reauthorizations = match (self.ownership, &self.redis) {
            (Ownership::Own, None) => {
                let rows: Vec<ReauthorizationRow> =
                    snapshot.fetch(&statements.reauthorizations, scope).await?;
                Reauthorizations::Rows(rows.into_iter().filter_map(channel).collect())
            }
            // Redis is asked later, if there is one.
            _ => Reauthorizations::Unknown,
        };
        let mut channels = ChannelTables::default();
        for kind in kinds {
            if let Some(statement) = statements.channel(kind) {
                channels.fetch(kind, snapshot, statement, scope).await?;
            }
        }

        Ok(Gathered {
            inboxes,
            channels,
            working_hours: by_key(working_hours, |row| row.inbox_id),
            avatars: by_key(avatars, |row| row.record_id),
            reauthorizations,
            age: plan.schema.age(),
        })
    }
}

/// One read under way.
struct Reading<'a, 'c> {
    store: &'a Store,
    plan: &'a Plan,
    snapshot: &'a mut Snapshot<'c>,
    statements: &'a Statements,
    account: Argument,
    /// What the statements' common condition on inboxes is bound to.
    scope: Vec<Argument>,
    reach: Reach<'a>,
}

impl<'a, 'c> Reading<'a, 'c> {
    fn new(
        store: &'a Store,
        plan: &'a Plan,
        snapshot: &'a mut Snapshot<'c>,
        id: AccountId,
        reach: Reach<'a>,
    ) -> Self {
        let account = Argument::Id(id.0);
        let (statements, scope) = match reach {
            Reach::Whole { .. } => (&plan.whole, vec![account.clone()]),
            Reach::Excerpt { inboxes, .. } => {
                let inboxes = Argument::Ids(inboxes.iter().map(|inbox| inbox.0).collect());
                (&plan.excerpt, vec![account.clone(), inboxes])
            }
        };
        Self {
            store,
            plan,
            snapshot,
            statements,
            account,
            scope,
            reach,
        }
    }

    /// `None` where there is no such account.
    async fn is_suspended(&mut self) -> Result<Option<bool>, StoreError> {
        let rows: Vec<AccountRow> = self
            .snapshot
            .fetch(
                &self.statements.account,
                std::slice::from_ref(&self.account),
            )
            .await?;
        Ok(rows.first().map(is_suspended))
    }

    /// Who belongs to the account: everyone, or as much as the viewer is.
    async fn rights(&mut self, parts: &mut Parts) -> Result<(), StoreError> {
        match self.reach {
            Reach::Whole { .. } => {
                self.users(None, parts).await?;
                self.agent_bots(None, parts).await
            }
            Reach::Excerpt {
                viewer: Viewer::User(id),
                ..
            } => self.users(Some(id.0), parts).await,
            Reach::Excerpt {
                viewer: Viewer::AgentBot(id),
                ..
            } => self.agent_bots(Some(id.0), parts).await,
            Reach::Excerpt {
                viewer: Viewer::Service,
                ..
            } => Ok(()),
        }
    }

    async fn users(&mut self, only: Option<i64>, parts: &mut Parts) -> Result<(), StoreError> {
        let (of_account, of_inboxes) = self.arguments(only);
        let roles: Vec<AccountUserRow> = self
            .snapshot
            .fetch(&self.statements.roles, &of_account)
            .await?;
        let memberships: Vec<InboxMemberRow> = self
            .snapshot
            .fetch(&self.statements.memberships, &of_inboxes)
            .await?;
        parts.roles = roles.iter().filter_map(role).collect();
        parts.memberships = memberships
            .iter()
            .filter_map(|row| Some((UserId(number(&row.user_id)?), InboxId(row.inbox_id))))
            .collect();
        Ok(())
    }

    async fn agent_bots(&mut self, only: Option<i64>, parts: &mut Parts) -> Result<(), StoreError> {
        let (of_account, of_inboxes) = self.arguments(only);
        let bots: Vec<AgentBotRow> = self
            .snapshot
            .fetch(&self.statements.agent_bots, &of_account)
            .await?;
        let connections: Vec<AgentBotInboxRow> = self
            .snapshot
            .fetch(&self.statements.connections, &of_inboxes)
            .await?;
        parts.agent_bots = bots.iter().map(|row| AgentBotId(row.id)).collect();
        parts.connections = connections
            .iter()
            .filter_map(|row| {
                Some((
                    AgentBotId(number(&row.agent_bot_id)?),
                    InboxId(row.inbox_id),
                ))
            })
            .collect();
        Ok(())
    }

    /// Narrows the inboxes to those that the viewer may see; whether any are left.
    fn narrow(&mut self, parts: &Parts) -> bool {
        let (viewer, inboxes) = match self.reach {
            Reach::Whole { viewer } => return parts.is_open_to(viewer),
            Reach::Excerpt { viewer, inboxes } => (viewer, inboxes),
        };
        let visible = parts.worth_reading(viewer, inboxes);
        let any = !visible.is_empty();
        let visible = Argument::Ids(visible.iter().map(|inbox| inbox.0).collect());
        self.scope = vec![self.account.clone(), visible];
        any
    }

    /// What a statement on the account, and one on its inboxes, are bound to;
    /// narrowed to one viewer, who is bound last.
    fn arguments(&self, only: Option<i64>) -> (Vec<Argument>, Vec<Argument>) {
        let viewer = only.map(Argument::Id);
        (
            [self.account.clone()]
                .into_iter()
                .chain(viewer.clone())
                .collect(),
            self.scope.iter().cloned().chain(viewer).collect(),
        )
    }

    async fn inboxes(
        &mut self,
        kinds: Option<BTreeSet<ChannelKind>>,
    ) -> Result<Gathered, StoreError> {
        let statements = &self.statements.inboxes;
        self.store
            .inboxes_of(self.plan, self.snapshot, statements, &self.scope, kinds)
            .await
    }
}

/// `accounts.status`: 1 is suspended; every other number is an active account's.
pub(super) fn is_suspended(row: &AccountRow) -> bool {
    number(&row.status) == Some(1)
}

fn in_use(inboxes: &[InboxRow]) -> BTreeSet<ChannelKind> {
    let class_names = inboxes.iter().map(|row| row.channel_type.text());
    class_names
        .filter_map(|class_name| ChannelKind::from_class_name(class_name.ok()??))
        .collect()
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

/// Which channel a row is about.
fn channel(row: ReauthorizationRow) -> Option<((String, i64), Stored<bool>)> {
    let class_name = row.channel_type.text().ok()??.to_owned();
    Some(((class_name, number(&row.channel_id)?), row.required))
}

fn by_key<K: Eq + Hash, R>(rows: Vec<R>, key: impl Fn(&R) -> K) -> HashMap<K, Vec<R>> {
    let mut groups: HashMap<K, Vec<R>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}
