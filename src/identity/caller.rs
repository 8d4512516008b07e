//! The entries of a policy, and the entry that a peer leads to.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use tokio::sync::watch;

use super::{
    credential::{Credential, Identity},
    limiter::{CallSlot, Limit, Limiter, Limits},
    peer::{Peer, PeerCertificate},
    policy::{Ask, Explanation, Method, Needs, Rule, SearchAsk, decide, decide_search},
    trust::Authorities,
};
use crate::domain::{
    permit::{Permit, SearchPermit},
    viewer::Role,
};

/// The name of the only entry where there is no callers file.
const BUILT_IN: &str = "local";

/// The generation of the first policy of a process.
const FIRST_GENERATION: u64 = 1;

/// All callers that there are, and the authorities of their certificates.
#[derive(Debug)]
pub struct Policy {
    entries: Vec<Arc<Entry>>,
    by_identity: HashMap<Identity, Arc<Entry>>,
    /// The entry of a process on this machine that no other entry names.
    local: Option<Arc<Entry>>,
    authorities: Authorities,
    /// Differs from that of every other policy of this process.
    generation: u64,
}

/// The policy that counts now. Every call sees one version from beginning to end.
#[derive(Clone, Debug)]
pub struct PolicySource(pub(super) watch::Receiver<Arc<Policy>>);

impl PolicySource {
    /// One that does not change.
    pub fn fixed(policy: Policy) -> Self {
        Self(watch::channel(Arc::new(policy)).1)
    }

    pub fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.0.borrow())
    }
}

/// One caller of the file.
#[derive(Debug)]
pub struct Entry {
    /// Unique; a label of logs and metrics.
    pub name: String,
    pub identities: Vec<Identity>,
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

/// The reasons why a peer is no caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifyError {
    /// It presents nothing.
    Missing,
    /// It has proved identities that no entry has.
    Unknown { identity: String },
    /// The names of one credential, or two credentials, lead to two entries.
    Ambiguous { credential: Credential },
    /// A credential was good, and is not any more.
    Ended { credential: Credential },
}

impl Entry {
    pub(super) fn new(name: String, rules: Vec<Rule>, limits: Limits) -> Self {
        Self {
            name,
            identities: Vec::new(),
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
        Self::new(vec![Entry::built_in(role)], Authorities::default(), None)
    }

    /// Names and identities are unique; the file sees to it. Entries count on from those
    /// of `previous`.
    pub(super) fn new(
        mut entries: Vec<Entry>,
        authorities: Authorities,
        previous: Option<&Self>,
    ) -> Self {
        if let Some(previous) = previous {
            for entry in &mut entries {
                entry.continue_limiter(previous);
            }
        }
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        let by_identity = entries.iter().flat_map(|entry| {
            let identities = entry.identities.iter().cloned();
            identities.map(|identity| (identity, Arc::clone(entry)))
        });
        Self {
            by_identity: by_identity.collect(),
            local: entries.iter().find(|entry| entry.is_local).cloned(),
            entries,
            authorities,
            generation: previous.map_or(FIRST_GENERATION, |it| it.generation + 1),
        }
    }

    /// Without any caller.
    pub fn none() -> Self {
        Self::new(Vec::new(), Authorities::default(), None)
    }

    /// Whether a process of this machine is a caller without any proof.
    pub const fn has_local(&self) -> bool {
        self.local.is_some()
    }

    /// The same callers, with other authorities.
    pub(super) fn with_authorities(&self, authorities: Authorities) -> Self {
        Self {
            entries: self.entries.clone(),
            by_identity: self.by_identity.clone(),
            local: self.local.clone(),
            authorities,
            generation: self.generation + 1,
        }
    }

    pub const fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The caller at the other end of a connection, at a time.
    pub fn identify(&self, peer: &Peer, now: SystemTime) -> Result<Caller, IdentifyError> {
        let caller = |entry: &Arc<Entry>, credential| Caller {
            entry: Arc::clone(entry),
            credential,
        };
        let uid = match peer {
            Peer::Tls(_, None) => return Err(IdentifyError::Missing),
            Peer::Tls(_, Some(certificate)) => return self.identify_certificate(certificate, now),
            Peer::Loopback => None,
            Peer::Unix(uid) => uid.map(Identity::Uid),
        };
        let by_uid = uid.as_ref().and_then(|uid| self.by_identity.get(uid));
        match (by_uid, &self.local, uid) {
            (Some(entry), _, _) => Ok(caller(entry, Credential::Uid)),
            (None, Some(entry), _) => Ok(caller(entry, Credential::Local)),
            (None, None, Some(uid)) => Err(IdentifyError::Unknown {
                identity: uid.to_string(),
            }),
            (None, None, None) => Err(IdentifyError::Missing),
        }
    }

    /// The caller whose certificate this is, at a time.
    pub fn identify_certificate(
        &self,
        certificate: &PeerCertificate,
        now: SystemTime,
    ) -> Result<Caller, IdentifyError> {
        let credential = Credential::Certificate;
        if !certificate.holds(&self.authorities, self.generation, now) {
            return Err(IdentifyError::Ended { credential });
        }
        let entry = self.entry_of(&certificate.leaf.names, credential)?;
        Ok(Caller {
            entry: Arc::clone(entry),
            credential,
        })
    }

    /// The entry that all names of a credential lead to, as far as the file has them.
    fn entry_of(
        &self,
        names: &[Identity],
        credential: Credential,
    ) -> Result<&Arc<Entry>, IdentifyError> {
        let mut entries = names.iter().filter_map(|name| self.by_identity.get(name));
        let Some(entry) = entries.next() else {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            return Err(IdentifyError::Unknown {
                identity: names.join(", "),
            });
        };
        if entries.any(|other| !Arc::ptr_eq(other, entry)) {
            return Err(IdentifyError::Ambiguous { credential });
        }
        Ok(entry)
    }
}

impl Caller {
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// The kind of proof, for logs.
    pub const fn credential(&self) -> &'static str {
        self.credential.name()
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
