//! Every statement is run once at the start, so that a statement that cannot be served is
//! found then and not by a caller.

use strum::IntoEnumIterator;

use super::{
    account::{AccountReader, ReadScope},
    address::{find_owners, read_accounts},
    inboxes::read_inboxes,
};
use crate::{
    domain::{
        address::{Address, AddressKind},
        channel::ChannelKind,
        id::{AccountId, AgentBotId, InboxId, UserId},
        members::Members,
        viewer::Viewer,
    },
    store::{
        Read, ReadOperation, Store,
        error::StoreError,
        schema::rows::{AccountIdRow, NumberRow},
        snapshot::context::ReadContext,
        sql::Argument,
    },
};

/// Ids that no row has.
const ACCOUNT: AccountId = AccountId(0);
const INBOX: InboxId = InboxId(0);

impl Store {
    pub(in crate::store) async fn verify_statements(&self) -> Result<(), StoreError> {
        // One after the other, each with attempts of its own: a standby may often have
        // something to replay.
        for viewer in [
            None,
            Some(Viewer::User(UserId(0))),
            Some(Viewer::AgentBot(AgentBotId(0))),
        ] {
            self.read(&ReadContext::unlimited(), &VerifyAccount(viewer))
                .await?;
        }
        self.read(&ReadContext::unlimited(), &VerifyOthers).await
    }
}

/// A whole account, or an excerpt for a viewer.
struct VerifyAccount(Option<Viewer>);

impl ReadOperation for VerifyAccount {
    type Output = ();

    async fn attempt(&self, read: &mut Read<'_>) -> Result<(), StoreError> {
        let inboxes: &[InboxId] = &[INBOX];
        let (scope, inboxes) = match self.0 {
            None => (ReadScope::Whole, None),
            Some(viewer) => (ReadScope::Excerpt { viewer, inboxes }, Some(inboxes)),
        };
        let mut reader = AccountReader::new(read, ACCOUNT, scope);
        reader.is_suspended().await?;
        let mut members = Members::default();
        reader.read_viewers(&mut members).await?;
        reader.read_visibility(&mut members, inboxes).await?;
        let every = Some(ChannelKind::iter().collect());
        reader.read_inboxes(inboxes, every).await?;
        Ok(())
    }
}

struct VerifyOthers;

impl ReadOperation for VerifyOthers {
    type Output = ();

    async fn attempt(&self, read: &mut Read<'_>) -> Result<(), StoreError> {
        for kind in AddressKind::iter() {
            find_owners(read, &Address::new(kind, String::new())).await?;
        }
        read_accounts(read, &[(ACCOUNT, INBOX)]).await?;
        let statements = &read.plan.cross_account.inboxes;
        let every = Some(ChannelKind::iter().collect());
        read_inboxes(read, statements, &[Argument::Ids(vec![0])], every).await?;
        let list = &read.plan.account_list;
        let _: Vec<NumberRow> = read.fetch(&list.count, &[]).await?;
        let _: Vec<AccountIdRow> = read.fetch(&list.page, &[Argument::Id(0)]).await?;
        Ok(())
    }
}
