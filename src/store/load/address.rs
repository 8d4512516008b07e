//! The inboxes that own an external address: how they are found, and what is read where
//! any account may have them. (Within one account, see `account`.)
//!
//! One statement finds them, and the rest is read in the same snapshot. The statements
//! are as many for a hundred accounts as for one.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use secrecy::{ExposeSecret, SecretString};

use super::{inboxes::read_inboxes, is_suspended, number, storable::storable};
use crate::{
    domain::{
        account::Account,
        address::{Address, AddressKind, Match},
        id::{AccountId, InboxId},
        members::Members,
        permit::AccountSet,
        viewer::Viewer,
    },
    store::{
        Read, ReadOperation, Store,
        assemble::rows::InboxRows,
        error::StoreError,
        schema::{
            columns::Unreadable,
            rows::{AccountRow, FoundRow},
            tables::may_be_encrypted,
        },
        snapshot::context::ReadContext,
        sql::{
            Argument,
            address_lookup::{TWILIO_WHATSAPP, phone_number_lists},
        },
    },
};

impl Store {
    /// The inboxes that own an address in any of these accounts that is not suspended,
    /// for the calling service; ordered by account.
    pub async fn find_everywhere(
        &self,
        address: &Address,
        accounts: &AccountSet,
        context: ReadContext,
    ) -> Result<Vec<Account>, StoreError> {
        let find = FindEverywhere { address, accounts };
        let (accounts, rows) = self.read(&context, &find).await?;
        let mut inboxes = BTreeMap::<_, Vec<_>>::new();
        let assembled = match rows {
            Some(rows) => self.assemble(&rows, None).await?,
            None => Vec::new(),
        };
        for inbox in assembled {
            inboxes.entry(inbox.account_id()).or_default().push(inbox);
        }
        let accounts = accounts.into_iter();
        Ok(accounts
            .map(|(id, members)| {
                let inboxes = inboxes.remove(&id).unwrap_or_default();
                Account::new(id, members, inboxes)
            })
            .collect())
    }
}

struct FindEverywhere<'a> {
    address: &'a Address,
    accounts: &'a AccountSet,
}

impl ReadOperation for FindEverywhere<'_> {
    /// The accounts of the owners, and the inboxes of those that are not suspended.
    type Output = (BTreeMap<AccountId, Members>, Option<InboxRows>);

    async fn attempt(&self, read: &mut Read<'_>) -> Result<Self::Output, StoreError> {
        let mut owners = find_owners(read, self.address).await?;
        owners.retain(|(account, _)| self.accounts.contains(*account));
        let accounts = read_accounts(read, &owners).await?;
        let is_active = |account: &AccountId| {
            let members = accounts.get(account);
            members.is_some_and(|members| members.access(Viewer::Service).is_ok())
        };
        let open = owners.iter().filter(|(account, _)| is_active(account));
        let open: Vec<_> = open.map(|(_, inbox)| inbox.0).collect();
        let mut rows = None;
        if !open.is_empty() {
            let statements = &read.plan.cross_account.inboxes;
            rows = read_inboxes(read, statements, &[Argument::Ids(open)], None).await?;
        }
        Ok((accounts, rows))
    }
}

/// Finds the inboxes that own an address, each with its account.
pub(super) async fn find_owners(
    read: &mut Read<'_>,
    address: &Address,
) -> Result<Vec<(AccountId, InboxId)>, StoreError> {
    let mut address = Cow::Borrowed(address);
    if read.snapshot.converts_encoding() {
        let Some(storable) = storable(&mut read.snapshot, &address).await? else {
            return Ok(Vec::new());
        };
        address = Cow::Owned(storable);
    }
    let plan = read.plan;
    let statement = plan.address_lookups.of(address.kind);
    let arguments = match &address.form {
        Match::AnyOf(texts) => {
            let texts = stored_texts(read.store, address.kind, texts);
            vec![Argument::Texts(texts)]
        }
        Match::PhoneNumber { exact, whatsapp } => phone_number_lists(exact, whatsapp).into(),
        Match::IgnoreCase(characters) => plan.address_lookups.collation().arguments(characters),
    };
    let rows: Vec<FoundRow> = read.fetch(statement, &arguments).await?;
    let exact: BTreeSet<_> = rows
        .iter()
        .filter(|row| has_exactly(row, &address.form))
        .map(channels_of)
        .collect();
    // The other form that WhatsApp has of a number counts where no channel has the
    // number itself.
    let owns = |row: &FoundRow| match address.form {
        Match::PhoneNumber { .. } => {
            has_exactly(row, &address.form) || !exact.contains(&channels_of(row))
        }
        Match::AnyOf(_) | Match::IgnoreCase(_) => has_exactly(row, &address.form),
    };
    // An inbox whose account is no number belongs to no account.
    let position =
        |row: &FoundRow| Some((AccountId(number(&row.account_id)?), InboxId(row.inbox_id)));
    let found: BTreeSet<_> = rows
        .iter()
        .filter(|row| owns(row))
        .filter_map(position)
        .collect();
    Ok(found.into_iter().collect())
}

/// The texts that a column may hold for these: they themselves, and what leadchat makes
/// of them where it encrypts.
fn stored_texts(store: &Store, kind: AddressKind, texts: &[SecretString]) -> Vec<SecretString> {
    let mut stored = texts.to_vec();
    if may_be_encrypted(kind) {
        let encryption = &store.decryption.encryption;
        stored.extend(
            texts
                .iter()
                .filter_map(|text| encryption.deterministic(text)),
        );
    }
    stored
}

/// The accounts of some inboxes, without viewers.
pub(super) async fn read_accounts(
    read: &mut Read<'_>,
    owners: &[(AccountId, InboxId)],
) -> Result<BTreeMap<AccountId, Members>, StoreError> {
    let ids: BTreeSet<_> = owners.iter().map(|(account, _)| account.0).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = [Argument::Ids(ids.into_iter().collect())];
    let statement = &read.plan.cross_account.accounts;
    let rows: Vec<AccountRow> = read.fetch(statement, &ids).await?;
    let accounts = rows.iter();
    Ok(accounts
        .map(|row| (AccountId(row.id), Members::new(is_suspended(row))))
        .collect())
}

/// Whether a channel that was found has an address as it was given.
fn has_exactly(row: &FoundRow, form: &Match) -> bool {
    match (form, row.stored_text.text()) {
        (Match::IgnoreCase(characters), Ok(Some(stored))) => characters.matches(stored),
        (Match::PhoneNumber { exact, .. }, Ok(Some(stored))) => {
            exact.iter().any(|number| number.expose_secret() == stored)
        }
        (_, Err(Unreadable)) => false,
        // Compared by the statement alone.
        (_, Ok(None)) | (Match::AnyOf(_), Ok(Some(_))) => true,
    }
}

/// The channels among which a number is looked for: those of a kind, and of Twilio's
/// those for WhatsApp by themselves.
fn channels_of(row: &FoundRow) -> (Option<&str>, bool) {
    let text = |stored: Result<Option<_>, Unreadable>| stored.ok().flatten();
    let is_of_whatsapp =
        text(row.stored_text.text()).is_some_and(|number| number.starts_with(TWILIO_WHATSAPP));
    (text(row.channel_type.text()), is_of_whatsapp)
}
