//! The entries of a policy, and the entry that a peer leads to.

use std::{collections::HashMap, sync::Arc};

use super::{
    limiter::{CallSlot, Limit, Limiter, Limits},
    peer::Peer,
    policy::{Ask, Explanation, Method, Needs, Rule, SearchAsk, decide, decide_search},
};
use crate::domain::{
    permit::{Permit, SearchPermit},
    viewer::Role,
};

/// The name of the only entry where there is no callers file.
const BUILT_IN: &str = "local";

/// All callers that there are.
#[derive(Debug)]
pub struct Policy {
    entries: Vec<Arc<Entry>>,
    by_uid: HashMap<u32, Arc<Entry>>,
    /// The entry of a process on this machine that no other entry names.
    local: Option<Arc<Entry>>,
}

/// One caller of the file.
#[derive(Debug)]
pub struct Entry {
    /// Unique; a label of logs and metrics.
    pub name: String,
    pub uids: Vec<u32>,
    pub is_local: bool,
    pub rules: Vec<Rule>,
    limiter: Limiter,
}

/// The service on the other end of a call.
#[derive(Clone, Debug)]
pub struct Caller {
    entry: Arc<Entry>,
    credential: Credential,
}

/// The proof by which a caller was identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credential {
    /// Nothing but a connection of this machine.
    Local,
    Uid,
}

/// The reasons why a peer is no caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifyError {
    /// It presents nothing.
    Missing,
    /// It has proved an identity that no entry has.
    Unknown { identity: String },
}

impl Entry {
    pub(super) fn new(name: String, rules: Vec<Rule>, limits: Limits) -> Self {
        Self {
            name,
            uids: Vec::new(),
            is_local: false,
            rules,
            limiter: Limiter::new(limits),
        }
    }

    fn built_in(role: Role) -> Self {
        let rules = Rule::built_in(role).into();
        Self {
            is_local: true,
            ..Self::new(BUILT_IN.to_owned(), rules, Limits::NONE)
        }
    }

    pub fn limits(&self) -> Limits {
        self.limiter.limits
    }

    /// Counts on from an entry of the same name.
    fn continue_limiter(&mut self, previous: &Policy) {
        if let Some(same) = previous.entry(&self.name) {
            self.limiter.continue_from(&same.limiter);
        }
    }

    /// The decision on a question, with its reasons, for people.
    pub fn explain(&self, ask: &Ask) -> Explanation<'_> {
        decide(&self.rules, ask).map(|(rules, permit)| (rules, permit.secrets()))
    }

    /// The same for a search of all accounts.
    pub fn explain_search(&self, ask: SearchAsk) -> Explanation<'_> {
        decide_search(&self.rules, ask).map(|(rules, permit)| (rules, permit.secrets()))
    }
}

impl Policy {
    /// Without a callers file: every process of this machine may ask as anybody, and has
    /// this role as its own viewer.
    pub fn built_in(role: Role) -> Self {
        Self::new(vec![Entry::built_in(role)], None)
    }

    /// Names and identities are unique; the file sees to it. Entries count on from those
    /// of `previous`.
    pub(super) fn new(mut entries: Vec<Entry>, previous: Option<&Self>) -> Self {
        if let Some(previous) = previous {
            for entry in &mut entries {
                entry.continue_limiter(previous);
            }
        }
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        let by_uid = entries.iter().flat_map(|entry| {
            let uids = entry.uids.iter();
            uids.map(|uid| (*uid, Arc::clone(entry)))
        });
        Self {
            by_uid: by_uid.collect(),
            local: entries.iter().find(|entry| entry.is_local).cloned(),
            entries,
        }
    }

    fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The caller at the other end of a connection.
    pub fn identify(&self, peer: Peer) -> Result<Caller, IdentifyError> {
        let caller = |entry: &Arc<Entry>, credential| Caller {
            entry: Arc::clone(entry),
            credential,
        };
        let uid = match peer {
            Peer::Loopback => None,
            Peer::Unix(uid) => uid,
        };
        let by_uid = uid.and_then(|uid| self.by_uid.get(&uid));
        match (by_uid, &self.local, uid) {
            (Some(entry), _, _) => Ok(caller(entry, Credential::Uid)),
            (None, Some(entry), _) => Ok(caller(entry, Credential::Local)),
            (None, None, Some(uid)) => Err(IdentifyError::Unknown {
                identity: format!("uid:{uid}"),
            }),
            (None, None, None) => Err(IdentifyError::Missing),
        }
    }
}

impl Caller {
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// The kind of proof, for logs.
    pub const fn credential(&self) -> &'static str {
        match self.credential {
            Credential::Local => "local",
            Credential::Uid => "uid",
        }
    }

    /// Whether any rule names a method. Decided before the request is read.
    pub fn may_call(&self, method: Method) -> Result<(), Needs> {
        let names_it = |rule: &Rule| rule.methods[method];
        let may = self.entry.rules.iter().any(names_it);
        may.then_some(()).ok_or(Needs::Method)
    }

    /// Counts a call against the limits of the caller.
    pub fn begin_call(&self) -> Result<CallSlot, Limit> {
        self.entry.limiter.begin()
    }

    pub fn permit(&self, ask: &Ask) -> Result<Permit, Needs> {
        decide(&self.entry.rules, ask)
            .map(|(_, permit)| permit)
            .map_err(|refusal| refusal.needs)
    }

    pub fn permit_search(&self, ask: SearchAsk) -> Result<SearchPermit, Needs> {
        decide_search(&self.entry.rules, ask)
            .map(|(_, permit)| permit)
            .map_err(|refusal| refusal.needs)
    }
}
