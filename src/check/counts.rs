//! Counts of accounts, inboxes and degradations.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use strum::IntoEnumIterator;

use crate::domain::{channel::ChannelKind, degradation::DegradationReason};

/// The key for inboxes of none of the thirteen kinds.
pub const UNKNOWN_KIND: &str = "unknown";

/// Counts of all accounts or of one.
#[derive(Debug, Default, Serialize)]
pub struct Accounts {
    pub total: Option<u64>,
    /// Accounts that were read, suspended ones included.
    pub read: u64,
    /// Suspended accounts: the service refuses them, and their inboxes were not read.
    pub suspended: u64,
    /// Accounts that were deleted after they were listed and before they were read.
    #[serde(rename = "gone")]
    pub deleted: u64,
    /// Failed accounts, by reason.
    #[serde(serialize_with = "serialize_failures")]
    pub failed: BTreeMap<String, u64>,
    /// The reason why not all accounts could be listed.
    pub error: Option<String>,
    pub inboxes: Inboxes,
}

#[derive(Debug, Serialize)]
pub struct Inboxes {
    pub total: u64,
    /// Every kind, and `unknown`.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Inboxes with a degraded field.
    pub degraded: u64,
    #[serde(serialize_with = "serialize_degradations")]
    pub degradations: BTreeMap<DegradedField, Count>,
}

/// The field and the reason of a degradation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DegradedField {
    pub kind: &'static str,
    pub field: String,
    pub reason: ReasonName,
}

/// A reason, as the contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReasonName(pub &'static str);

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Count {
    pub inboxes: u64,
    pub values: u64,
}

impl Accounts {
    pub fn add(&mut self, other: Self) {
        let Self {
            total: _,
            read,
            suspended,
            deleted,
            failed,
            error: _,
            inboxes,
        } = other;
        self.read += read;
        self.suspended += suspended;
        self.deleted += deleted;
        for (reason, accounts) in failed {
            *self.failed.entry(reason).or_default() += accounts;
        }
        let Inboxes {
            total,
            kinds,
            degraded,
            degradations,
        } = inboxes;
        let sum = &mut self.inboxes;
        sum.total += total;
        sum.degraded += degraded;
        for (kind, inboxes) in kinds {
            *sum.kinds.entry(kind).or_default() += inboxes;
        }
        for (field, count) in degradations {
            let known = sum.degradations.entry(field).or_default();
            known.inboxes += count.inboxes;
            known.values += count.values;
        }
    }

    pub fn record_failure(&mut self, reason: String) {
        *self.failed.entry(reason).or_default() += 1;
    }

    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The number of accounts that are done.
    pub fn done(&self) -> u64 {
        self.read + self.deleted + self.failures()
    }
}

impl Inboxes {
    /// One inbox with what could not be read of it.
    pub fn add(&mut self, kind: &'static str, degradations: impl Iterator<Item = DegradedField>) {
        let mut values_by_field: BTreeMap<_, u64> = BTreeMap::new();
        for field in degradations {
            *values_by_field.entry(field).or_default() += 1;
        }
        self.total += 1;
        *self.kinds.entry(kind).or_default() += 1;
        self.degraded += u64::from(!values_by_field.is_empty());
        for (field, values) in values_by_field {
            let count = self.degradations.entry(field).or_default();
            count.inboxes += 1;
            count.values += values;
        }
    }
}

/// Every kind, with a count of zero.
impl Default for Inboxes {
    fn default() -> Self {
        let kinds = ChannelKind::iter().map(ChannelKind::field);
        Self {
            total: 0,
            kinds: kinds.chain([UNKNOWN_KIND]).map(|kind| (kind, 0)).collect(),
            degraded: 0,
            degradations: BTreeMap::new(),
        }
    }
}

impl From<DegradationReason> for ReasonName {
    fn from(reason: DegradationReason) -> Self {
        Self(match reason {
            DegradationReason::ChannelRowMissing => "CHANNEL_ROW_MISSING",
            DegradationReason::ChannelTypeUnknown => "CHANNEL_TYPE_UNKNOWN",
            DegradationReason::JsonMalformed => "JSON_MALFORMED",
            DegradationReason::JsonTooDeep => "JSON_TOO_DEEP",
            DegradationReason::NumberOutOfRange => "NUMBER_OUT_OF_RANGE",
            DegradationReason::NumberRounded => "NUMBER_ROUNDED",
            DegradationReason::EnumUnknown => "ENUM_UNKNOWN",
            DegradationReason::Undecryptable => "UNDECRYPTABLE",
            DegradationReason::SigningKeyNotConfigured => "SIGNING_KEY_NOT_CONFIGURED",
            DegradationReason::FrontendUrlNotConfigured => "FRONTEND_URL_NOT_CONFIGURED",
            DegradationReason::TimeZoneUnknown => "TIME_ZONE_UNKNOWN",
            DegradationReason::SourceUnreadable => "SOURCE_UNREADABLE",
            DegradationReason::Truncated => "MORE_NOT_LISTED",
        })
    }
}

/// Places with their counts, each as one object.
fn serialize_degradations<S: Serializer>(
    counts: &BTreeMap<DegradedField, Count>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Degradation<'a> {
        #[serde(flatten)]
        field: &'a DegradedField,
        #[serde(flatten)]
        count: &'a Count,
    }

    serializer.collect_seq(
        counts
            .iter()
            .map(|(field, count)| Degradation { field, count }),
    )
}

/// Reasons with their counts, each as one object.
fn serialize_failures<S: Serializer>(
    failed: &BTreeMap<String, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Failure<'a> {
        reason: &'a str,
        accounts: u64,
    }

    serializer.collect_seq(failed.iter().map(|(reason, accounts)| Failure {
        reason,
        accounts: *accounts,
    }))
}
