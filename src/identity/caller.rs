//! The entries of a policy, and what each may ask.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use tokio::sync::watch;

use super::{
    credential::{Credential, Identity},
    limiter::{CallSlot, Limit, Limiter, Limits},
    policy::{Ask, Explanation, Method, Needs, Rule, SearchAsk, decide, decide_search},
    token::{VerifiedToken, Verifier},
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
    /// Of tokens. `None` without a callers file: then they are not read.
    pub tokens: Option<Arc<Verifier>>,
}

/// All callers that there are, and whom to believe about them.
#[derive(Debug)]
pub struct Policy {
    entries: Vec<Arc<Entry>>,
    pub(super) by_identity: HashMap<Identity, Arc<Entry>>,
    /// The entry of a process on this machine that no other entry names.
    pub(super) local: Option<Arc<Entry>>,
    pub(super) trust: Trust,
    /// Differs from that of every other policy of this process.
    pub(super) generation: u64,
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

    /// Whether there is another policy than at the last call. The first call may say so without
    /// one.
    pub fn has_changed(&mut self) -> bool {
        let has_changed = self.0.has_changed().unwrap_or_default();
        if has_changed {
            self.0.mark_unchanged();
        }
        has_changed
    }

    /// Waits for another policy, and leaves it to [`has_changed`](Self::has_changed) to say so.
    pub async fn changed(&mut self) {
        match self.0.changed().await {
            Ok(()) => self.0.mark_changed(),
            // It is one that does not change.
            Err(_) => std::future::pending().await,
        }
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

/// The service on the other end of a call.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(super) entry: Arc<Entry>,
    /// The credential of the connection that has proved it, if one has.
    pub(super) peer: Option<Credential>,
    /// The token that has.
    pub(super) token: Option<Arc<VerifiedToken>>,
    /// The user of a token for viewers.
    pub(super) user: Option<UserId>,
    /// The identities that were proved.
    pub(super) identities: Vec<Identity>,
    pub(super) until: Option<SystemTime>,
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

    /// Whether any caller can be identified over a loopback address: without a proof, or by
    /// a token.
    pub fn identifies_over_loopback(&self) -> bool {
        let is_token = |identity: &Identity| matches!(identity, Identity::Subject { .. });
        self.local.is_some() || self.by_identity.keys().any(is_token)
    }

    /// The same callers, with other authorities and issuers.
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

    /// When the first of its credentials ends, or a certificate of the chain. `None` for those that
    /// do not.
    pub const fn until(&self) -> Option<SystemTime> {
        self.until
    }

    /// Whether any rule names a method. Decided before the request is read.
    pub fn may_call(&self, method: Method) -> Result<(), Needs> {
        let names_it = |rule: &Rule| rule.methods[method];
        let may = self.entry.rules.iter().any(names_it);
        may.then_some(()).ok_or(Needs::Method)
    }

    /// Counts a call against the limits of the caller. `method` is `None` if it is unknown.
    pub fn begin_call(&self, method: Option<Method>) -> Result<CallSlot, Limit> {
        self.entry.limiter.begin(method)
    }

    pub fn permit(&self, ask: &Ask) -> Result<Permit, Needs> {
        decide(&self.entry.rules, ask, self.user)
            .map(|(_, permit)| permit)
            .map_err(|refusal| refusal.needs)
    }

    /// The permit with the `why` of the first rule that allows the question, or the parts that
    /// are missing.
    pub fn explain(&self, ask: &Ask) -> Result<(Permit, &str), Vec<Needs>> {
        let rules = &self.entry.rules;
        match decide(rules, ask, self.user) {
            Ok((allowing, permit)) => {
                let why = allowing.first().map_or("", |rule| rule.why.as_str());
                Ok((permit, why))
            }
            Err(refusal) => Err(refusal.missing),
        }
    }

    pub fn permit_search(&self, ask: SearchAsk) -> Result<SearchPermit, Needs> {
        decide_search(&self.entry.rules, ask, self.user)
            .map(|(_, permit)| permit)
            .map_err(|refusal| refusal.needs)
    }
}
