//! The question that a caller may ask of an account, and no other.
//!
//! `identity` decides and grants. There is no permit in a request, and nothing of an
//! account is opened without one.

use std::{ops::RangeInclusive, sync::Arc};

use super::{
    id::AccountId,
    secret_group::SecretGroups,
    viewer::{Detail, Viewer},
};

/// One viewer's question about one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    account: AccountId,
    viewer: Viewer,
    secrets: SecretGroups,
    detail: Detail,
}

/// A service's question about an address in any account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPermit {
    accounts: AccountSet,
    secrets: SecretGroups,
    detail: Detail,
}

/// Accounts, by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccountSet {
    All,
    Among(Arc<[RangeInclusive<i64>]>),
}

impl AccountSet {
    pub fn contains(&self, account: AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Among(ranges) => ranges.iter().any(|ids| ids.contains(&account.0)),
        }
    }
}

impl FromIterator<Self> for AccountSet {
    /// The accounts of any of the sets.
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        let mut all = Vec::new();
        for set in sets {
            match set {
                Self::All => return Self::All,
                Self::Among(ranges) => all.extend(ranges.iter().cloned()),
            }
        }
        Self::Among(all.into())
    }
}

impl Permit {
    /// A permit for the question. `secrets` are the groups that the caller may pass on.
    pub const fn grant(
        account: AccountId,
        viewer: Viewer,
        secrets: SecretGroups,
        detail: Detail,
    ) -> Self {
        Self {
            account,
            viewer,
            secrets,
            detail,
        }
    }

    pub const fn account(&self) -> AccountId {
        self.account
    }

    pub const fn viewer(&self) -> Viewer {
        self.viewer
    }

    /// The groups that the caller may pass on, to an administrator.
    pub const fn secrets(&self) -> SecretGroups {
        self.secrets
    }

    pub const fn detail(&self) -> Detail {
        self.detail
    }
}

impl SearchPermit {
    /// The accounts that are searched.
    pub const fn accounts(&self) -> &AccountSet {
        &self.accounts
    }

    /// A permit for the search of these accounts.
    pub const fn grant(accounts: AccountSet, secrets: SecretGroups, detail: Detail) -> Self {
        Self {
            accounts,
            secrets,
            detail,
        }
    }

    pub const fn secrets(&self) -> SecretGroups {
        self.secrets
    }

    /// The permit of an account that was found; `None` outside the search.
    pub fn permit(&self, account: AccountId) -> Option<Permit> {
        self.accounts
            .contains(account)
            .then(|| Permit::grant(account, Viewer::Service, self.secrets, self.detail))
    }
}
