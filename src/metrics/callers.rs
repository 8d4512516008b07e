//! Callers: who is not identified, what is denied, disclosed and withheld, and about how many
//! accounts each caller asks.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use enum_map::EnumMap;
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
    },
    metrics::{MetricType, counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};
use tokio::time::Instant;

use super::labels::{label_values, start_at_zero};
use crate::domain::secret_group::SecretGroup;

/// Names of callers that are told apart. A callers file has up to 256; more come only by many
/// changes of the file, and are counted together as `other`.
const MAX_CALLER_NAMES: usize = 512;

/// The time in which the accounts of a caller are counted.
const ACCOUNTS_WINDOW: Duration = Duration::from_mins(10);

/// Accounts of a caller that are told apart within it.
const MAX_ACCOUNTS_OF_CALLER: usize = 4096;

/// The names of callers, as far as they are labels. Clones have the same ones.
#[derive(Clone, Debug, Default)]
pub struct CallerNames(Arc<RwLock<HashSet<Arc<str>>>>);

/// The name of a caller, `other`, or `none` for a call without one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallerName(Option<Arc<str>>);

impl CallerNames {
    pub(super) fn label(&self, name: Option<&str>) -> CallerName {
        let Some(name) = name else {
            return CallerName(None);
        };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(name) {
            return CallerName(Some(Arc::clone(known)));
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_CALLER_NAMES {
            return CallerName(Some("other".into()));
        }
        let name: Arc<str> = name.into();
        known.insert(Arc::clone(&name));
        CallerName(Some(name))
    }
}

impl EncodeLabelValue for CallerName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.as_deref().unwrap_or("none").encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnauthenticatedLabels {
    credential: &'static str,
    problem: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeniedLabels {
    caller: CallerName,
    needs: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DisclosedLabels {
    caller: CallerName,
    group: SecretGroup,
}

/// Why an inbox is answered without the secrets of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Withheld {
    /// The viewer is no administrator.
    Role,
    /// The caller may not pass the group on.
    Caller,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WithheldLabels {
    caller: CallerName,
    group: SecretGroup,
    why: Withheld,
}

/// How a token was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum TokenResult {
    /// Its signature had been verified before.
    Cached,
    Verified,
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    result: TokenResult,
}

label_values!(Withheld, TokenResult);

/// Counts what is asked, denied and disclosed. Each call has a clone.
#[derive(Clone, Debug, Default)]
pub struct CallerMetrics(Arc<State>);

#[derive(Debug, Default)]
struct State {
    names: CallerNames,
    unauthenticated: Family<UnauthenticatedLabels, Counter>,
    denied: Family<DeniedLabels, Counter>,
    disclosed: Family<DisclosedLabels, Counter>,
    withheld: Family<WithheldLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    /// `None` where nobody asks for metrics: they take memory.
    accounts: Option<Accounts>,
}

impl CallerMetrics {
    pub(super) fn with_accounts() -> Self {
        Self(Arc::new(State {
            accounts: Some(Accounts::default()),
            ..State::default()
        }))
    }

    pub(super) fn names(&self) -> CallerNames {
        self.0.names.clone()
    }

    /// Nobody is identified. `problem` is a name of the code, and no text of a caller.
    pub fn unauthenticated(&self, credential: &'static str, problem: &'static str) {
        let labels = UnauthenticatedLabels {
            credential,
            problem,
        };
        self.0.unauthenticated.get_or_create(&labels).inc();
    }

    pub fn denied(&self, caller: &str, needs: &'static str) {
        let caller = self.0.names.label(Some(caller));
        self.0
            .denied
            .get_or_create(&DeniedLabels { caller, needs })
            .inc();
    }

    pub fn token(&self, result: TokenResult) {
        self.0.tokens.get_or_create(&TokenLabels { result }).inc();
    }

    /// A caller is answered about these accounts, by one response with so many inboxes.
    pub fn answered(
        &self,
        caller: &str,
        accounts: &BTreeSet<i64>,
        counts: &EnumMap<SecretGroup, GroupCounts>,
    ) {
        let caller = self.0.names.label(Some(caller));
        for (group, counts) in counts {
            let GroupCounts {
                disclosed,
                withheld_by_role,
                withheld_by_caller,
            } = *counts;
            let caller = || caller.clone();
            if disclosed > 0 {
                let caller = caller();
                let labels = DisclosedLabels { caller, group };
                self.0.disclosed.get_or_create(&labels).inc_by(disclosed);
            }
            for (why, count) in [
                (Withheld::Role, withheld_by_role),
                (Withheld::Caller, withheld_by_caller),
            ] {
                if count > 0 {
                    let caller = caller();
                    let labels = WithheldLabels { caller, group, why };
                    self.0.withheld.get_or_create(&labels).inc_by(count);
                }
            }
        }
        if let Some(windows) = &self.0.accounts {
            windows.add(caller, accounts);
        }
    }
}

/// Inboxes of a response, for one group of secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupCounts {
    pub disclosed: u64,
    pub withheld_by_role: u64,
    pub withheld_by_caller: u64,
}

/// The accounts of each caller.
#[derive(Clone, Debug, Default)]
struct Accounts(Arc<Mutex<HashMap<CallerName, AccountWindow>>>);

/// The accounts of one caller, in this window and in the one before.
#[derive(Debug)]
struct AccountWindow {
    began: Instant,
    accounts: HashSet<i64>,
    before: usize,
}

impl Accounts {
    fn add(&self, caller: CallerName, accounts: &BTreeSet<i64>) {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = callers.entry(caller).or_insert_with(|| AccountWindow {
            began: Instant::now(),
            accounts: HashSet::new(),
            before: 0,
        });
        window.roll();
        for account in accounts {
            if window.accounts.len() < MAX_ACCOUNTS_OF_CALLER {
                window.accounts.insert(*account);
            }
        }
    }
}

impl AccountWindow {
    /// Begins another window when this one has passed.
    fn roll(&mut self) {
        let age = self.began.elapsed();
        if age < ACCOUNTS_WINDOW {
            return;
        }
        // Nothing was asked in a whole window.
        let is_old = age >= 2 * ACCOUNTS_WINDOW;
        self.before = if is_old { 0 } else { self.accounts.len() };
        self.accounts = HashSet::new();
        self.began = Instant::now();
    }
}

impl Collector for Accounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // Counted before the text is written, so that no call waits for that.
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts: Vec<_> = callers
            .iter_mut()
            .map(|(caller, window)| {
                window.roll();
                let count = window.accounts.len().max(window.before);
                (caller.clone(), i64::try_from(count).unwrap_or(i64::MAX))
            })
            .collect();
        drop(callers);
        let mut family = encoder.encode_descriptor(
            "caller_accounts",
            "Accounts that the caller was answered about lately",
            None,
            MetricType::Gauge,
        )?;
        for (caller, count) in counts {
            let labels = [("caller", caller)];
            ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl CallerMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let tokens = TokenResult::iter().map(|result| TokenLabels { result });
        start_at_zero(&self.0.tokens, tokens);
        registry.register(
            "unauthenticated",
            "Calls whose caller could not be identified",
            self.0.unauthenticated.clone(),
        );
        registry.register(
            "denied",
            "Questions that no rule of the caller permits",
            self.0.denied.clone(),
        );
        registry.register(
            "disclosures",
            "Inboxes that were answered with secrets of the group",
            self.0.disclosed.clone(),
        );
        registry.register(
            "withheld",
            "Inboxes that were answered without secrets of the group",
            self.0.withheld.clone(),
        );
        registry.register("tokens", "Tokens that were judged", self.0.tokens.clone());
        if let Some(accounts) = &self.0.accounts {
            registry.register_collector(Box::new(accounts.clone()));
        }
    }
}
