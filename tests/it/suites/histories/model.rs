//! The state of the database as a history knows it, and what a viewer may see of it.
//!
//! A unit is the smallest thing that is written on its own. Each has versions, which are
//! numbers. This repeats the role rule in the plainest form, independent of the program.

use std::collections::BTreeSet;

/// Something that has versions. Numbers are ids of accounts, inboxes and users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Of an account: `SUSPENDED`, or anything else.
    Status(i64),
    /// Of a user in an account: `AGENT`, `ADMINISTRATOR`, or none.
    Role { account: i64, user: i64 },
    /// 1 if the user is a member of the inbox.
    Member { inbox: i64, user: i64 },
    /// The account of an inbox; 0 if there is no such inbox.
    Home(i64),
    /// Version of the name of an inbox.
    Name(i64),
    /// Version of the greeting of an inbox, which every viewer of the inbox sees.
    Greeting(i64),
    /// Version of the sealed token of the channel of an inbox.
    Secret(i64),
}

pub const SUSPENDED: i64 = 1;
pub const AGENT: i64 = 1;
pub const ADMINISTRATOR: i64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Viewer {
    User(i64),
    /// With the rights of an administrator.
    Service,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    Get(i64),
    List,
    Batch(Vec<i64>),
    /// By the address of this inbox.
    Find(i64),
    /// The same in all accounts.
    FindEverywhere(i64),
}

/// A request without its freshness.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    pub account: i64,
    pub viewer: Viewer,
    pub method: Method,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Denied,
    Suspended,
    NotFound,
    Shown {
        is_administrator: bool,
        /// Ordered by id.
        inboxes: Vec<Inbox>,
        /// In the order of the request.
        missing: Vec<i64>,
    },
}

/// An inbox in an answer. Its values are versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    pub id: i64,
    pub account: i64,
    pub name: i64,
    pub greeting: i64,
    pub secret: Option<i64>,
}

impl Request {
    /// The inboxes that the outcome may depend on.
    fn inboxes(&self, all: &BTreeSet<i64>) -> Vec<i64> {
        match &self.method {
            Method::Get(id) | Method::Find(id) | Method::FindEverywhere(id) => vec![*id],
            Method::Batch(ids) => ids.clone(),
            Method::List => all.iter().copied().collect(),
        }
    }

    /// Every unit that the outcome may depend on, where these inboxes ever exist.
    pub fn units(&self, accounts: &BTreeSet<i64>, all: &BTreeSet<i64>) -> Vec<Unit> {
        let mut units = Vec::new();
        match self.method {
            Method::FindEverywhere(_) => units.extend(accounts.iter().map(|id| Unit::Status(*id))),
            _ => units.push(Unit::Status(self.account)),
        }
        if let Viewer::User(user) = self.viewer {
            let account = self.account;
            units.push(Unit::Role { account, user });
        }
        for inbox in self.inboxes(all) {
            units.extend([Unit::Home(inbox), Unit::Name(inbox)]);
            units.extend([Unit::Greeting(inbox), Unit::Secret(inbox)]);
            if let Viewer::User(user) = self.viewer {
                units.push(Unit::Member { inbox, user });
            }
        }
        units
    }

    /// The only correct outcome in a state.
    pub fn outcome(&self, all: &BTreeSet<i64>, state: impl Fn(Unit) -> i64) -> Outcome {
        let inbox = |id: i64, is_administrator: bool| Inbox {
            id,
            account: state(Unit::Home(id)),
            name: state(Unit::Name(id)),
            greeting: state(Unit::Greeting(id)),
            secret: is_administrator.then(|| state(Unit::Secret(id))),
        };
        if let Method::FindEverywhere(id) = self.method {
            let home = state(Unit::Home(id));
            let is_found = home != 0 && state(Unit::Status(home)) != SUSPENDED;
            return Outcome::Shown {
                is_administrator: true,
                inboxes: is_found.then(|| inbox(id, true)).into_iter().collect(),
                missing: Vec::new(),
            };
        }
        let account = self.account;
        let is_administrator = match self.viewer {
            Viewer::Service => true,
            Viewer::User(user) => match state(Unit::Role { account, user }) {
                AGENT => false,
                ADMINISTRATOR => true,
                _ => return Outcome::Denied,
            },
        };
        if state(Unit::Status(account)) == SUSPENDED {
            return Outcome::Suspended;
        }
        let is_visible = |id: &i64| {
            let inbox = *id;
            let is_member = match self.viewer {
                Viewer::User(user) => state(Unit::Member { inbox, user }) == 1,
                Viewer::Service => true,
            };
            state(Unit::Home(inbox)) == account && (is_administrator || is_member)
        };
        let mut visible = self.inboxes(all);
        visible.retain(is_visible);
        let mut missing = Vec::new();
        match &self.method {
            Method::Get(_) if visible.is_empty() => return Outcome::NotFound,
            Method::Batch(ids) => {
                missing.clone_from(ids);
                missing.retain(|id| !visible.contains(id));
            }
            _ => {}
        }
        visible.sort_unstable();
        Outcome::Shown {
            is_administrator,
            inboxes: visible
                .into_iter()
                .map(|id| inbox(id, is_administrator))
                .collect(),
            missing,
        }
    }
}
