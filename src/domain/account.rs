//! An account as one consistent whole: its viewers and its inboxes, from one snapshot.
//!
//! It may be an excerpt: one viewer and a few inboxes. An excerpt is safe by
//! construction: a viewer outside of it is no member, and an inbox outside of it is not
//! found.

use std::{collections::HashMap, sync::Arc};

use super::{
    cursor::Cursor,
    fingerprint::Fingerprint,
    id::{AccountId, InboxId},
    inbox::Inbox,
    members::{AccessDenied, Members},
    reauthorization::{FlagKey, FlagKeys},
    size::{HeapSize, heap_size},
    viewer::Viewer,
};

/// An account, its viewers and its inboxes. Private fields: inboxes leave through
/// [`access`](super::access) and nothing else.
pub struct Account {
    id: AccountId,
    members: Members,
    /// Ordered by folded name, then id.
    inboxes: Vec<Arc<AccountInbox>>,
    by_id: HashMap<InboxId, usize>,
    flag_keys: FlagKeys,
}

/// An inbox of an account.
pub struct AccountInbox {
    folded_name: String,
    inbox: Inbox,
    flag_key: Option<FlagKey>,
    /// Of its rows, as far as they are known.
    fingerprint: Option<Fingerprint>,
}

heap_size! {
    Account { id, members, inboxes, by_id, flag_keys }

    AccountInbox { folded_name, inbox, flag_key, fingerprint }
}

impl Account {
    /// Inboxes of other accounts are left out.
    pub fn new<I: Into<Arc<AccountInbox>>>(
        id: AccountId,
        members: Members,
        inboxes: Vec<I>,
    ) -> Self {
        let inboxes = inboxes.into_iter().map(Into::into);
        let mut inboxes: Vec<Arc<AccountInbox>> = inboxes.collect();
        inboxes.retain(|listed| listed.inbox.account_id == id);
        inboxes.sort_by(|a, b| a.position().cmp(&b.position()));
        let by_id = inboxes
            .iter()
            .enumerate()
            .map(|(index, listed)| (listed.inbox.id, index))
            .collect();
        let flag_keys = inboxes.iter().filter_map(|it| it.flag_key).collect();
        Self {
            id,
            members,
            inboxes,
            by_id,
            flag_keys,
        }
    }

    pub const fn id(&self) -> AccountId {
        self.id
    }

    /// One of its inboxes, if its rows have this fingerprint.
    pub fn unchanged(&self, id: InboxId, fingerprint: Fingerprint) -> Option<Arc<AccountInbox>> {
        let inbox = self.inboxes.get(self.index_of(id)?)?;
        (inbox.fingerprint == Some(fingerprint)).then(|| Arc::clone(inbox))
    }

    /// One of its inboxes, for a state that shares it. For tests.
    #[cfg(test)]
    pub(super) fn shared_inbox(&self, id: InboxId) -> Option<Arc<AccountInbox>> {
        self.inboxes.get(self.index_of(id)?).cloned()
    }

    /// How many of its inboxes are the same in memory as those of another state. For tests.
    pub fn shared_inboxes(&self, other: &Self) -> usize {
        let inboxes = self.inboxes.iter();
        let is_shared = |inbox: &&Arc<AccountInbox>| {
            let index = other.index_of(inbox.inbox.id);
            let counterpart = index.and_then(|index| other.inboxes.get(index));
            counterpart.is_some_and(|counterpart| Arc::ptr_eq(inbox, counterpart))
        };
        inboxes.filter(is_shared).count()
    }

    /// The flags in Redis that its inboxes' states depend on.
    pub const fn flag_keys(&self) -> &FlagKeys {
        &self.flag_keys
    }

    /// Whether a viewer belongs to the account, suspended or not.
    pub fn has_member(&self, viewer: Viewer) -> bool {
        let denied = self.members.access(viewer).err();
        denied != Some(AccessDenied::NotAMember)
    }

    /// The bytes that it takes in memory: a weight, and for no viewer.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.heap_size()
    }

    pub(super) const fn members(&self) -> &Members {
        &self.members
    }

    /// The same account with those inboxes of an earlier state whose rows are the same, so that
    /// they are the same in memory. `None` where that changes nothing.
    pub fn sharing(&self, earlier: &Self) -> Option<Self> {
        let mut is_shared = false;
        let inboxes = self.inboxes.iter().map(|inbox| {
            let fingerprint = inbox.fingerprint;
            let same = fingerprint.and_then(|it| earlier.unchanged(inbox.inbox.id, it));
            let same = same.filter(|same| !Arc::ptr_eq(same, inbox));
            is_shared |= same.is_some();
            same.unwrap_or_else(|| Arc::clone(inbox))
        });
        let inboxes = inboxes.collect();
        is_shared.then(|| Self {
            id: self.id,
            members: self.members.clone(),
            inboxes,
            by_id: self.by_id.clone(),
            flag_keys: self.flag_keys.clone(),
        })
    }

    /// Whether another state of the account is the same: its inboxes in memory, and its
    /// members by their rights.
    pub fn is_same(&self, other: &Self) -> bool {
        let inboxes = self.inboxes.iter().zip(&other.inboxes);
        self.id == other.id
            && self.inboxes.len() == other.inboxes.len()
            && inboxes.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
            && self.members == other.members
    }

    pub(super) fn inbox(&self, id: InboxId) -> Option<&Inbox> {
        Some(&self.account_inbox(id)?.inbox)
    }

    pub(super) fn account_inbox(&self, id: InboxId) -> Option<&AccountInbox> {
        let inbox = self.inboxes.get(self.index_of(id)?)?;
        Some(inbox)
    }

    /// How many inboxes there are, visible or not.
    pub(super) const fn inbox_count(&self) -> usize {
        self.inboxes.len()
    }

    /// An inbox by its position in the order, and its folded name.
    pub(super) fn at(&self, index: usize) -> Option<(&str, &Inbox)> {
        let listed = self.inboxes.get(index)?;
        Some((&listed.folded_name, &listed.inbox))
    }

    pub(super) fn index_of(&self, id: InboxId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// How many inboxes lie before a position, for a viewer to whom its inbox is visible
    /// or not.
    pub(super) fn offset_of(&self, cursor: &Cursor, is_visible: bool) -> usize {
        cursor.offset_in(&self.inboxes, |inbox| inbox.position(), is_visible)
    }
}

impl AccountInbox {
    /// `flag_key` names the flag that its channel's state is read from, if it is.
    pub fn new(inbox: Inbox, flag_key: Option<FlagKey>) -> Self {
        Self {
            folded_name: fold(&inbox.name),
            inbox,
            flag_key,
            fingerprint: None,
        }
    }

    #[must_use]
    pub const fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    pub const fn account_id(&self) -> AccountId {
        self.inbox.account_id
    }

    pub(super) const fn flag_key(&self) -> Option<FlagKey> {
        self.flag_key
    }

    fn position(&self) -> (&str, InboxId) {
        (&self.folded_name, self.inbox.id)
    }
}

/// Folds a name so that case does not matter. Done here and not by a database:
/// theirs depends on locale and version.
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Whether a folded name begins with a folded prefix. A final sigma is folded
/// differently, and a sigma at the end of the prefix may not be final in the name.
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
mod tests;
