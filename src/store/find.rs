//! The inboxes that own an external address: how they are found, and what is read
//! where any account may have them. (Within one account, see `read`.)
//!
//! One statement finds them, and the rest is read in the same snapshot. The statements
//! are as many for a hundred accounts as for one.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    Store,
    columns::Unreadable,
    encoding::storable,
    error::StoreError,
    look_ups::{TWILIO_WHATSAPP, may_be_encrypted, phone_number_lists},
    patience::Patience,
    plan::Plan,
    reading::{is_suspended, number},
    reauthorizations::Gathered,
    rows::{AccountRow, FoundRow},
    snapshot::{Argument, Snapshot},
};
use crate::domain::{
    access::Viewer,
    account::{Account, Parts},
    address::{Address, AddressKind, Spelling},
    channel::ChannelKind,
    id::{AccountId, InboxId},
};

impl Store {
    /// The inboxes that own an address in any account that is not suspended,
    /// for the calling service; ordered by account.
    pub async fn find_everywhere(
        &self,
        address: &Address,
        patience: &Patience,
    ) -> Result<Vec<Account>, StoreError> {
        let mut tries = self.tries(patience);
        loop {
            let plan = tries.plan();
            let accounts = self.try_find_everywhere(&plan, address, patience);
            if let Some(accounts) = tries.outcome(accounts.await).await {
                return accounts;
            }
        }
    }

    async fn try_find_everywhere(
        &self,
        plan: &Plan,
        address: &Address,
        patience: &Patience,
    ) -> Result<Vec<Account>, StoreError> {
        let mut connection = self.pool.acquire(patience).await?;
        let mut snapshot = connection.begin(patience).await?;
        let found = self.look_up(plan, &mut snapshot, address).await?;
        let mut accounts = self.accounts(plan, &mut snapshot, &found).await?;
        let open = found.into_iter().filter(|(account, _)| {
            let account = accounts.get(account);
            account.is_some_and(|account| account.is_open_to(Viewer::Service))
        });
        let open: Vec<_> = open.map(|(_, inbox)| inbox.0).collect();
        let mut inboxes = Gathered::default();
        if !open.is_empty() {
            let scope = [Argument::Ids(open)];
            let statements = &plan.anywhere.inboxes;
            inboxes = self
                .inboxes_of(plan, &mut snapshot, statements, &scope, None)
                .await?;
        }
        snapshot.end(plan).await?;
        drop(connection);
        for inbox in self.assembled(inboxes, patience).await? {
            if let Some(account) = accounts.get_mut(&inbox.account_id) {
                account.inboxes.push(inbox);
            }
        }
        Ok(accounts.into_values().map(Account::from).collect())
    }

    /// Runs the statements of look-ups once.
    pub(super) async fn try_look_ups(
        &self,
        plan: &Plan,
        snapshot: &mut Snapshot<'_>,
    ) -> Result<(), StoreError> {
        for kind in AddressKind::ALL {
            let nothing = Address::new(kind, String::new());
            self.look_up(plan, snapshot, &nothing).await?;
        }
        let nowhere = (AccountId(0), InboxId(0));
        self.accounts(plan, snapshot, &[nowhere]).await?;
        let scope = [Argument::Ids(vec![0])];
        let every = Some(ChannelKind::ALL.into());
        let statements = &plan.anywhere.inboxes;
        self.inboxes_of(plan, snapshot, statements, &scope, every)
            .await?;
        Ok(())
    }

    pub(super) async fn look_up(
        &self,
        plan: &Plan,
        snapshot: &mut Snapshot<'_>,
        address: &Address,
    ) -> Result<Vec<(AccountId, InboxId)>, StoreError> {
        let mut address = Cow::Borrowed(address);
        if snapshot.converts() {
            let Some(storable) = storable(snapshot, &address).await? else {
                return Ok(Vec::new());
            };
            address = Cow::Owned(storable);
        }
        let statement = plan.look_ups.of(address.kind);
        let arguments = match &address.spelling {
            Spelling::OneOf(texts) => vec![Argument::Texts(self.stored(address.kind, texts))],
            Spelling::PhoneNumber { exact, whatsapp } => phone_number_lists(exact, whatsapp).into(),
            Spelling::AnyCase(letters) => plan.look_ups.order().arguments(letters),
        };
        let rows: Vec<FoundRow> = snapshot.fetch(statement, &arguments).await?;
        let exact: BTreeSet<_> = rows
            .iter()
            .filter(|row| has_exactly(row, &address.spelling))
            .map(channels_of)
            .collect();
        // The other form that WhatsApp has of a number counts where no channel has the
        // number itself.
        let owns = |row: &FoundRow| match address.spelling {
            Spelling::PhoneNumber { .. } => {
                has_exactly(row, &address.spelling) || !exact.contains(&channels_of(row))
            }
            Spelling::OneOf(_) | Spelling::AnyCase(_) => has_exactly(row, &address.spelling),
        };
        // An inbox whose account is no number is nobody's.
        let position =
            |row: &FoundRow| Some((AccountId(number(&row.account_id)?), InboxId(row.inbox_id)));
        let found: BTreeSet<_> = rows
            .iter()
            .filter(|row| owns(row))
            .filter_map(position)
            .collect();
        Ok(found.into_iter().collect())
    }

    /// What may be stored for these texts: they themselves, and what leadchat
    /// makes of them where it encrypts.
    fn stored(&self, kind: AddressKind, texts: &[SecretString]) -> Vec<SecretString> {
        let mut stored = texts.to_vec();
        if may_be_encrypted(kind) {
            let encryption = &self.decryption.encryption;
            stored.extend(
                texts
                    .iter()
                    .filter_map(|text| encryption.deterministic(text)),
            );
        }
        stored
    }

    /// The accounts of inboxes, by id and without these.
    async fn accounts(
        &self,
        plan: &Plan,
        snapshot: &mut Snapshot<'_>,
        found: &[(AccountId, InboxId)],
    ) -> Result<BTreeMap<AccountId, Parts>, StoreError> {
        let ids: BTreeSet<_> = found.iter().map(|(account, _)| account.0).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids = [Argument::Ids(ids.into_iter().collect())];
        let rows: Vec<AccountRow> = snapshot.fetch(&plan.anywhere.accounts, &ids).await?;
        let accounts = rows.iter().map(|row| {
            let id = AccountId(row.id);
            (id, Parts::new(id, is_suspended(row)))
        });
        Ok(accounts.collect())
    }
}

/// Whether a channel that was found has an address as it was given.
fn has_exactly(row: &FoundRow, spelling: &Spelling) -> bool {
    match (spelling, row.spelled.text()) {
        (Spelling::AnyCase(letters), Ok(Some(stored))) => letters.spell(stored),
        (Spelling::PhoneNumber { exact, .. }, Ok(Some(stored))) => {
            exact.iter().any(|number| number.expose_secret() == stored)
        }
        (_, Err(Unreadable)) => false,
        // Compared by the statement alone.
        (_, Ok(None)) | (Spelling::OneOf(_), Ok(Some(_))) => true,
    }
}

/// The channels among which a number is looked for: those of a kind, and of Twilio's
/// those for WhatsApp by themselves.
fn channels_of(row: &FoundRow) -> (Option<&str>, bool) {
    let text = |stored: Result<Option<_>, Unreadable>| stored.ok().flatten();
    let is_of_whatsapp =
        text(row.spelled.text()).is_some_and(|number| number.starts_with(TWILIO_WHATSAPP));
    (text(row.channel_type.text()), is_of_whatsapp)
}
