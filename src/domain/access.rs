//! Disclosure: the only way from an account to its inboxes.
//!
//! [`Account::access`] applies the role rule ([`members`](super::members)), and
//! [`Access::inbox`] and [`Access::inboxes`] hand out [`InboxView`]s of the visible
//! inboxes. A sealed value of an inbox opens only through [`InboxView::reveal`], and only
//! for an administrator.
//!
//! | to get | there is only | which needs |
//! |---|---|---|
//! | an [`Access`] | [`Account::access`] | a viewer that belongs to the account |
//! | an [`InboxView`] | [`Access::inbox`], [`Access::inboxes`] | an inbox that the viewer sees |
//! | an [`AdminProof`] | a view for the role administrator | the role, limited by the caller's rights |
//! | a sealed value | [`InboxView::reveal`] | the proof |

use super::{
    account::Account,
    cursor::Cursor,
    degradation::Degradation,
    id::InboxId,
    inbox::Inbox,
    members::{AccessDenied, Grant},
    reauthorization::{FlagSource, Reauthorization, ReauthorizationFlags},
    secret::AdminOnly,
    viewer::{Rights, Role, Viewer},
};

/// A viewer's rights in one account.
pub struct Access<'a> {
    account: &'a Account,
    flags: &'a ReauthorizationFlags,
    grant: Grant<'a>,
    role: Role,
}

/// Proof that administrator rights were established. Made only below, and only ever
/// lent.
pub struct AdminProof(());

static ADMINISTRATOR: AdminProof = AdminProof(());

impl Account {
    /// Decides what `viewer` may see here, for a caller with `rights`. `flags` are those of
    /// [`Account::flag_keys`], as far as they could be read.
    pub fn access<'a>(
        &'a self,
        flags: &'a ReauthorizationFlags,
        viewer: Viewer,
        rights: Rights,
    ) -> Result<Access<'a>, AccessDenied> {
        let grant = self.members().access(viewer)?;
        Ok(Access {
            account: self,
            flags,
            role: grant.role(rights),
            grant,
        })
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
            .filter(|inbox| self.grant.shows(inbox.id))
            .map(|inbox| self.view(inbox))
    }

    /// All visible inboxes in the account's order, each with its folded name.
    pub fn inboxes(&self) -> impl Iterator<Item = (&'a str, InboxView<'a>)> + '_ {
        self.inboxes_after(None)
    }

    /// The visible inboxes behind a position. No inbox before it is visited.
    pub fn inboxes_after(
        &self,
        cursor: Option<&Cursor>,
    ) -> impl Iterator<Item = (&'a str, InboxView<'a>)> + '_ {
        /// A viewer that sees less than one in so many inboxes gets these by their ids, which
        /// costs sorting them. Any other viewer's are found on the way.
        const SPARSE: usize = 8;

        let account = self.account;
        let begin = cursor.map_or(0, |cursor| {
            account.offset_of(cursor, self.grant.shows(cursor.id))
        });
        let all = begin..account.inbox_count();
        let indexes: Box<dyn Iterator<Item = usize>> =
            match self.grant.ids_fewer_than(account.inbox_count() / SPARSE) {
                None => Box::new(all),
                Some(ids) => {
                    let indexes = ids.filter_map(|id| account.index_of(id));
                    let mut indexes: Vec<_> = indexes.filter(|it| all.contains(it)).collect();
                    indexes.sort_unstable();
                    Box::new(indexes.into_iter())
                }
            };
        indexes
            .filter_map(move |index| account.at(index))
            .filter(|(_, inbox)| self.grant.shows(inbox.id))
            .map(|(folded_name, inbox)| (folded_name, self.view(inbox)))
    }

    fn view(&self, inbox: &'a Inbox) -> InboxView<'a> {
        let proof = match self.role {
            Role::Administrator => Some(&ADMINISTRATOR),
            Role::Agent => None,
        };
        InboxView {
            inbox,
            flags: self.flags,
            proof,
        }
    }
}

/// An inbox as one viewer may see it: the only form in which it leaves.
pub struct InboxView<'a> {
    inbox: &'a Inbox,
    flags: &'a ReauthorizationFlags,
    proof: Option<&'static AdminProof>,
}

impl<'a> InboxView<'a> {
    pub const fn inbox(&self) -> &'a Inbox {
        self.inbox
    }

    /// A sealed value, if the viewer is an administrator.
    pub fn reveal<'s, T>(&self, sealed: &'s AdminOnly<T>) -> Option<&'s T> {
        self.proof.map(|proof| sealed.open(proof))
    }

    /// Whether the channel must be connected again; `None` where leadchat does not say.
    pub fn reauthorization(&self, source: FlagSource) -> Option<Reauthorization> {
        self.flags.resolve(source)
    }

    /// The degradations of fields that the viewer may see.
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
