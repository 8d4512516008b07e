//! Disclosure: the only way from an account to its inboxes.
//!
//! [`Account::access`] applies the role rule ([`members`](super::members)), and
//! [`Access::inbox`] and [`Access::inboxes`] hand out [`InboxView`]s of the visible
//! inboxes. A sealed value of an inbox opens only through [`InboxView::reveal`], only for an
//! administrator, and only where the caller may pass on its group.
//!
//! | to get | there is only | which needs |
//! |---|---|---|
//! | an [`Access`] | [`Account::access`] | a [`Permit`], and a viewer that belongs to the account |
//! | an [`InboxView`] | [`Access::inbox`], [`Access::inboxes`] | an inbox that the viewer sees |
//! | an [`AdminProof`] | a view for the role administrator | the role, and the group in the permit |
//! | a sealed value | [`InboxView::reveal`] | the proof |

use std::{collections::BTreeSet, marker::PhantomData, ptr};

use super::{
    account::{Account, AccountInbox},
    cursor::Cursor,
    degradation::Degradation,
    id::InboxId,
    inbox::{Inbox, SealedDegradations},
    members::{AccessDenied, Grant},
    permit::Permit,
    reauthorization::{FlagSource, Reauthorization, ReauthorizationFlags},
    secret::AdminOnly,
    secret_group::{Group, SecretGroup, SecretGroups},
    viewer::{Detail, Role},
};

/// A viewer's rights in one account, as far as its caller may use them.
pub struct Access<'a> {
    account: &'a Account,
    flags: &'a ReauthorizationFlags,
    grant: Grant<'a>,
    disclosure: DisclosedParts,
}

/// The disclosed parts of an inbox.
#[derive(Clone, Copy, PartialEq, Eq)]
struct DisclosedParts {
    own_role: Role,
    role: Role,
    secrets: SecretGroups,
    detail: Detail,
}

/// Proof that the secrets of a group may be disclosed. Made only below, and only ever
/// lent.
pub struct AdminProof<G: Group>(PhantomData<G>);

impl Account {
    /// Decides what the viewer of `permit` may see here. `flags` are those of
    /// [`Account::flag_keys`], as far as they could be read. With a permit for another
    /// account nothing is seen.
    pub fn access<'a>(
        &'a self,
        flags: &'a ReauthorizationFlags,
        permit: &Permit,
    ) -> Result<Access<'a>, AccessDenied> {
        if permit.account() != self.id() {
            return Err(AccessDenied::NotAMember);
        }
        let grant = self.members().access(permit.viewer())?;
        let role = applied_role(grant.role(), permit.secrets());
        let secrets = match role {
            Role::Administrator => permit.secrets(),
            Role::Agent => SecretGroups::NONE,
        };
        Ok(Access {
            account: self,
            flags,
            disclosure: DisclosedParts {
                own_role: grant.role(),
                role,
                secrets,
                detail: permit.detail(),
            },
            grant,
        })
    }
}

/// A caller that may pass on no secrets gets what an agent would get.
pub fn applied_role(own: Role, secrets: SecretGroups) -> Role {
    if secrets.is_empty() { Role::Agent } else { own }
}

/// The groups that a role allows, and that a caller with these secrets does not pass on.
pub fn withheld_by_caller(role: Role, secrets: SecretGroups) -> SecretGroups {
    match role {
        Role::Administrator => SecretGroups::ALL.without(secrets),
        Role::Agent => SecretGroups::NONE,
    }
}

impl<'a> Access<'a> {
    /// The role that is applied.
    pub const fn role(&self) -> Role {
        self.disclosure.role
    }

    /// The role that the viewer has, whatever the caller may pass on.
    pub const fn own_role(&self) -> Role {
        self.grant.role()
    }

    /// The groups that the role allows and the caller may not pass on.
    pub fn withheld_by_caller(&self) -> SecretGroups {
        withheld_by_caller(self.disclosure.role, self.disclosure.secrets)
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

    /// The ids of all visible inboxes.
    pub fn visible_ids(&self) -> impl Iterator<Item = InboxId> + '_ {
        let all = 0..self.account.inbox_count();
        let ids: Box<dyn Iterator<Item = InboxId>> = match self.grant.ids() {
            None => Box::new(all.filter_map(|index| Some(self.account.at(index)?.1.id))),
            Some(ids) => Box::new(ids.filter(|id| self.account.inbox(*id).is_some())),
        };
        ids
    }

    /// The inboxes that may look different than in an earlier access of the same viewer, by
    /// what they are in memory. Each that looks different is among them.
    pub fn differences(&self, earlier: &Access<'_>) -> BTreeSet<InboxId> {
        let is_same_state =
            ptr::eq(self.account, earlier.account) && ptr::eq(self.flags, earlier.flags);
        if is_same_state && self.disclosure == earlier.disclosure {
            return BTreeSet::new();
        }
        let ids = self.visible_ids().chain(earlier.visible_ids());
        ids.filter(|id| self.may_differ(earlier, *id)).collect()
    }

    /// Whether one inbox may look different than in an earlier access of the same viewer.
    pub fn may_differ(&self, earlier: &Access<'_>, id: InboxId) -> bool {
        match (self.visible(id), earlier.visible(id)) {
            (Some(now), Some(before)) => {
                self.disclosure != earlier.disclosure
                    || !ptr::eq(now, before)
                    || self.flags.of(now.flag_key()) != earlier.flags.of(before.flag_key())
            }
            (None, None) => false,
            _ => true,
        }
    }

    /// Whether another access is to the same state in memory. For tests.
    #[cfg(test)]
    pub(super) fn has_account_of(&self, other: &Access<'_>) -> bool {
        ptr::eq(self.account, other.account)
    }

    fn visible(&self, id: InboxId) -> Option<&'a AccountInbox> {
        self.account
            .account_inbox(id)
            .filter(|_| self.grant.shows(id))
    }

    const fn view(&self, inbox: &'a Inbox) -> InboxView<'a> {
        InboxView {
            inbox,
            flags: self.flags,
            disclosure: self.disclosure,
        }
    }
}

/// An inbox as one viewer may see it: the only form in which it leaves.
pub struct InboxView<'a> {
    inbox: &'a Inbox,
    flags: &'a ReauthorizationFlags,
    disclosure: DisclosedParts,
}

impl<'a> InboxView<'a> {
    pub const fn inbox(&self) -> &'a Inbox {
        self.inbox
    }

    /// A sealed value, if the viewer is an administrator and the caller may pass on its
    /// group.
    pub fn reveal<'s, T, G: Group>(&self, sealed: &'s AdminOnly<T, G>) -> Option<&'s T> {
        self.discloses(G::GROUP)
            .then(|| sealed.open(&AdminProof(PhantomData)))
    }

    /// Whether secrets of a group may be seen.
    pub fn discloses(&self, group: SecretGroup) -> bool {
        self.disclosure.secrets.contains(group)
    }

    /// Whether the channel must be connected again; `None` where leadchat does not say.
    pub fn reauthorization(&self, source: FlagSource) -> Option<Reauthorization> {
        self.flags.resolve(source)
    }

    /// The degradations of fields that the viewer may see.
    pub fn degradations(&self) -> impl Iterator<Item = &'a Degradation> {
        let inbox = self.inbox;
        let sealed = inbox.sealed_degradations.as_deref().map(|sealed| {
            let SealedDegradations {
                signing,
                imap,
                smtp,
                twilio,
                whatsapp,
            } = sealed;
            [
                self.reveal(signing),
                self.reveal(imap),
                self.reveal(smtp),
                self.reveal(twilio),
                self.reveal(whatsapp),
            ]
        });
        let sealed = sealed.into_iter().flatten().flatten().flatten();
        inbox.degradations.iter().chain(sealed)
    }

    /// The role that the view was made for.
    pub const fn role(&self) -> Role {
        self.disclosure.role
    }

    /// The role that the viewer has, whatever the caller may pass on.
    pub const fn own_role(&self) -> Role {
        self.disclosure.own_role
    }

    /// The detail that was permitted and asked for.
    pub const fn detail(&self) -> Detail {
        self.disclosure.detail
    }
}

#[cfg(test)]
mod tests;
