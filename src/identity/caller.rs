//! The entries of a policy, and the entry that a peer leads to.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use tokio::sync::watch;

use super::{
    credential::{Credential, CredentialError, CredentialProblem, Identity},
    limiter::{CallSlot, Limit, Limiter, Limits},
    peer::Peer,
    policy::{Ask, Explanation, Method, Needs, Rule, SearchAsk, decide, decide_search},
    token::{Subject, VerifiedToken, Verifier, bearer},
    trust::Authorities,
};
use crate::domain::{
    id::UserId,
    permit::{Permit, SearchPermit},
    viewer::Role,
};

/// The name of the only entry where there is no callers file.
const BUILT_IN: &str = "local";

/// The generation of the first policy of a process.
const FIRST_GENERATION: u64 = 1;

/// Whom to believe.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Signers of certificates.
    pub authorities: Authorities,
    /// Of tokens. `None` where nobody is known by one: then they are not read.
    pub tokens: Option<Arc<Verifier>>,
}

/// All callers that there are, and whom to believe about them.
#[derive(Debug)]
pub struct Policy {
    entries: Vec<Arc<Entry>>,
    by_identity: HashMap<Identity, Arc<Entry>>,
    /// The entry of a process on this machine that no other entry names.
    local: Option<Arc<Entry>>,
    trust: Trust,
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
    /// Whether it needs both a token and a credential of its connection.
    pub needs_all: bool,
    pub is_local: bool,
    pub rules: Vec<Rule>,
    limiter: Limiter,
}

/// All that is presented with a call.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'p> {
    pub peer: &'p Peer,
    /// The values of `authorization`.
    pub authorization: &'p [&'p [u8]],
    /// The values of `viewer-authorization`.
    pub viewer_authorization: &'p [&'p [u8]],
}

/// The service on the other end of a call.
#[derive(Clone, Debug)]
pub struct Caller {
    entry: Arc<Entry>,
    /// The credential of the connection that has proved it, if one has.
    peer: Option<Credential>,
    /// The token that has.
    token: Option<Arc<VerifiedToken>>,
    /// The user of a token for viewers.
    user: Option<UserId>,
    /// The identities that were proved.
    identities: Vec<Identity>,
    until: Option<SystemTime>,
}

/// The reasons why nobody is identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifyError {
    /// Nothing is presented, or this is missing beside another credential.
    Missing { lacks: Option<Credential> },
    /// It has proved identities that no entry has.
    Unknown { identity: String },
    /// A credential is bad, or two lead to two entries.
    Refused(CredentialError),
}

impl From<CredentialError> for IdentifyError {
    fn from(error: CredentialError) -> Self {
        Self::Refused(error)
    }
}

impl Entry {
    pub(super) fn new(name: String, rules: Vec<Rule>, limits: Limits) -> Self {
        Self {
            name,
            identities: Vec::new(),
            needs_all: false,
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

    /// The decision on a question, with its reasons, for people. `proved` is the user of a
    /// token.
    pub fn explain(&self, ask: &Ask, proved: Option<UserId>) -> Explanation<'_> {
        decide(&self.rules, ask, proved).map(|(rules, permit)| (rules, permit.secrets()))
    }

    /// The same for a search of all accounts.
    pub fn explain_search(&self, ask: SearchAsk) -> Explanation<'_> {
        decide_search(&self.rules, ask, None).map(|(rules, permit)| (rules, permit.secrets()))
    }
}

impl Policy {
    /// Without a callers file: every process of this machine may ask as anybody, and has
    /// this role as its own viewer.
    pub fn built_in(role: Role) -> Self {
        Self::new(vec![Entry::built_in(role)], Trust::default(), None)
    }

    /// Names and identities are unique; the file sees to it. Entries count on from those
    /// of `previous`.
    pub(super) fn new(mut entries: Vec<Entry>, trust: Trust, previous: Option<&Self>) -> Self {
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
            trust,
            generation: previous.map_or(FIRST_GENERATION, |it| it.generation + 1),
        }
    }

    /// Without any caller.
    pub fn none() -> Self {
        Self::new(Vec::new(), Trust::default(), None)
    }

    /// Whether a process of this machine is a caller without any proof.
    pub const fn has_local(&self) -> bool {
        self.local.is_some()
    }

    /// The same callers, believed by others.
    pub(super) fn with_trust(&self, trust: Trust) -> Self {
        Self {
            entries: self.entries.clone(),
            by_identity: self.by_identity.clone(),
            local: self.local.clone(),
            trust,
            generation: self.generation + 1,
        }
    }

    pub const fn authorities(&self) -> &Authorities {
        &self.trust.authorities
    }

    fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The caller by all that is presented, at a time. Everything is verified, and has to lead
    /// to one entry.
    pub fn identify(
        &self,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Result<Caller, IdentifyError> {
        let certificate = match presented.peer {
            Peer::Tls(_, certificate) => certificate.as_deref(),
            Peer::Loopback | Peer::Unix(_) => None,
        };
        if let Some(certificate) = certificate {
            certificate.check(&self.trust.authorities, self.generation, now)?;
        }
        let token = self.verify(presented.authorization, Subject::Caller, now)?;
        let viewer = self.verify(presented.viewer_authorization, Subject::Viewer, now)?;

        let by_certificate = certificate
            .map(|it| self.entry_of(&it.leaf.names, Credential::Certificate))
            .transpose()?;
        let uid = match presented.peer {
            Peer::Unix(Some(uid)) => Some(Identity::Uid(*uid)),
            _ => None,
        };
        let by_uid = uid.as_ref().and_then(|uid| self.by_identity.get(uid));
        let by_peer = match (by_certificate, by_uid) {
            (Some(entry), _) => Some((entry, Credential::Certificate)),
            (None, entry) => entry.map(|entry| (entry, Credential::Uid)),
        };
        let by_token = token
            .as_ref()
            .map(|token| self.entry_of(&[token.identity()], Credential::Token))
            .transpose()?;
        let entry = match (by_peer, by_token) {
            (Some((entry, _)), Some(other)) if !Arc::ptr_eq(entry, other) => {
                let problem = CredentialProblem::TwoCallers;
                return Err(CredentialError::new(Credential::Token, problem).into());
            }
            (Some((entry, _)), _) | (None, Some(entry)) => entry,
            (None, None) => self.local_entry(presented.peer, uid.as_ref())?,
        };
        let lacks = match (by_peer, &token) {
            (None, _) => Some(Credential::Certificate),
            (_, None) => Some(Credential::Token),
            _ => None,
        };
        if let Some(lacks) = lacks.filter(|_| entry.needs_all) {
            return Err(IdentifyError::Missing { lacks: Some(lacks) });
        }
        let proved = match (certificate, by_uid.and(uid)) {
            (Some(certificate), _) => certificate.leaf.names.clone(),
            (None, uid) => uid.into_iter().collect(),
        };
        let of_token = token.iter().map(|token| token.identity());
        let ends = certificate.map(|it| it.leaf.not_after);
        let tokens = token.iter().chain(&viewer);
        Ok(Caller {
            identities: proved.into_iter().chain(of_token).collect(),
            until: ends.into_iter().chain(tokens.map(|it| it.expires())).min(),
            entry: Arc::clone(entry),
            peer: by_peer.map(|(_, credential)| credential),
            token,
            user: viewer.and_then(|token| token.user),
        })
    }

    fn verify(
        &self,
        header: &[&[u8]],
        about: Subject,
        now: SystemTime,
    ) -> Result<Option<Arc<VerifiedToken>>, CredentialError> {
        let Some(tokens) = &self.trust.tokens else {
            return Ok(None);
        };
        let token = bearer(header.iter().copied(), about)?;
        token
            .map(|token| tokens.verify(token, about, now))
            .transpose()
    }

    /// The entry of a process of this machine that has proved nothing.
    fn local_entry(
        &self,
        peer: &Peer,
        uid: Option<&Identity>,
    ) -> Result<&Arc<Entry>, IdentifyError> {
        match (peer, &self.local, uid) {
            (Peer::Loopback | Peer::Unix(_), Some(entry), _) => Ok(entry),
            (_, _, Some(uid)) => Err(IdentifyError::Unknown {
                identity: uid.to_string(),
            }),
            (_, _, None) => Err(IdentifyError::Missing { lacks: None }),
        }
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
            let problem = CredentialProblem::TwoCallers;
            return Err(CredentialError::new(credential, problem).into());
        }
        Ok(entry)
    }
}

impl Caller {
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// The kinds of proof, for logs.
    pub const fn credential(&self) -> &'static str {
        match (self.peer, &self.token) {
            (None, None) => "local",
            (None, Some(_)) => "token",
            (Some(Credential::Certificate), None) => "certificate",
            (Some(Credential::Certificate), Some(_)) => "certificate+token",
            (Some(_), None) => "uid",
            (Some(_), Some(_)) => "uid+token",
        }
    }

    /// The names that were proved.
    pub fn identity(&self) -> String {
        let names = self.identities.iter().map(ToString::to_string);
        match names.collect::<Vec<_>>() {
            names if names.is_empty() => "local".to_owned(),
            names => names.join(" and "),
        }
    }

    /// When the first of its credentials ends. `None` for those that do not.
    pub const fn until(&self) -> Option<SystemTime> {
        self.until
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
        decide(&self.entry.rules, ask, self.user)
            .map(|(_, permit)| permit)
            .map_err(|refusal| refusal.needs)
    }

    pub fn permit_search(&self, ask: SearchAsk) -> Result<SearchPermit, Needs> {
        decide_search(&self.entry.rules, ask, self.user)
            .map(|(_, permit)| permit)
            .map_err(|refusal| refusal.needs)
    }
}
