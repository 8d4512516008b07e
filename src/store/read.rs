//! What is read within an account: all of it, or some inboxes with the rights of one
//! viewer: those that are named, or those that own an address. (What owns one in any
//! account is in `find`.)
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
    reading::{Reach, Reading, number},
    reauthorizations::{Gathered, Reauthorizations},
    rows::{AvatarRow, InboxRow, ReauthorizationRow, WorkingHoursRow},
    snapshot::{Argument, Snapshot},
    statements::InboxStatements,
};
use crate::domain::{
    access::Viewer,
    account::{Account, Parts},
    address::Address,
    channel::ChannelKind,
    id::{AccountId, AgentBotId, InboxId, UserId},
};

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

    /// The inboxes of an account that own an address, and the rights of one viewer.
    pub async fn find(
        &self,
        id: AccountId,
        viewer: Viewer,
        address: &Address,
        patience: &Patience,
    ) -> Result<Option<Account>, StoreError> {
        let owners = Reach::Owners { viewer, address };
        self.reached(id, owners, patience).await
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

    /// Runs every statement once, so that what cannot be served is found at the start
    /// and not by a caller.
    pub(super) async fn try_statements(&self) -> Result<(), StoreError> {
        let inboxes = &[InboxId(0)];
        let excerpt = |viewer| Some(Reach::Excerpt { viewer, inboxes });
        let viewer = Viewer::Service;
        // One after the other, each with tries of its own: a standby may often have
        // something to replay.
        for reach in [
            Some(Reach::Whole { viewer }),
            excerpt(Viewer::User(UserId(0))),
            excerpt(Viewer::AgentBot(AgentBotId(0))),
            None,
        ] {
            let patience = Patience::endless();
            let mut tries = self.tries(&patience);
            loop {
                let plan = tries.plan();
                let tried = self.try_some(&plan, reach, &patience);
                if let Some(tried) = tries.outcome(tried.await).await {
                    tried?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// The statements of a read, or of look-ups.
    async fn try_some(
        &self,
        plan: &Plan,
        reach: Option<Reach<'_>>,
        patience: &Patience,
    ) -> Result<(), StoreError> {
        const NOWHERE: AccountId = AccountId(0);
        let mut connection = self.pool.acquire(patience).await?;
        let mut snapshot = connection.begin(patience).await?;
        match reach {
            Some(reach) => {
                let mut reading = Reading::new(self, plan, &mut snapshot, NOWHERE, reach);
                reading.is_suspended().await?;
                let mut parts = Parts::new(NOWHERE, false);
                reading.members(&mut parts).await?;
                reading.memberships(&mut parts).await?;
                reading.inboxes(Some(ChannelKind::ALL.into())).await?;
            }
            None => self.try_look_ups(plan, &mut snapshot).await?,
        }
        snapshot.end(plan).await
    }

    async fn read(
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
        reading.members(&mut parts).await?;
        if suspended.is_some() {
            reading.look_up(&parts).await?;
        }
        reading.memberships(&mut parts).await?;
        let inboxes = if suspended.is_some() && reading.narrow(&parts) {
            reading.inboxes(None).await?
        } else {
            Gathered::default()
        };
        Ok(suspended.map(|_| Found { parts, inboxes }))
    }

    /// What is found, with its inboxes. The database is no longer needed: its
    /// connection has to be given back by then.
    async fn complete(
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

fn in_use(inboxes: &[InboxRow]) -> BTreeSet<ChannelKind> {
    let class_names = inboxes.iter().map(|row| row.channel_type.text());
    class_names
        .filter_map(|class_name| ChannelKind::from_class_name(class_name.ok()??))
        .collect()
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
