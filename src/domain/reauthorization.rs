//! Whether a channel must be connected to its platform again.
//!
//! leadchat keeps that for some channels in Redis alone: a flag, which changes without a
//! row changing. So an inbox says where its state comes from ([`FlagSource`]), and a view
//! resolves it by the flags that were read beside the account. How Redis is asked is not
//! known here.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

use super::{
    channel::ChannelKind,
    id::ChannelId,
    size::{HeapSize, heap_size},
};

/// Whether a channel must be connected to its platform again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reauthorization {
    Required,
    NotRequired,
    /// No source of the state is configured, or it does not answer.
    Unknown,
}

/// Where the state of a channel comes from. Decided once, by its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlagSource {
    /// leadchat has no state for the row, or it cannot be read.
    #[default]
    Absent,
    /// The database says it.
    Fixed(Reauthorization),
    /// A flag in Redis says it.
    Flag(FlagKey),
}

/// A channel that leadchat may keep a flag for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlagKey {
    kind: ChannelKind,
    channel: ChannelId,
}

impl FlagKey {
    /// Made by the store alone: with a key, a view tells the state of the channel.
    pub const fn new(kind: ChannelKind, channel: ChannelId) -> Self {
        Self { kind, channel }
    }

    pub const fn kind(self) -> ChannelKind {
        self.kind
    }

    pub const fn channel(self) -> ChannelId {
        self.channel
    }
}

/// The flags that an account depends on, in order. Their hash is made once.
#[derive(Clone, Debug)]
pub struct FlagKeys {
    keys: Arc<[FlagKey]>,
    digest: u64,
}

heap_size! {
    FlagKeys { keys, digest }
}

impl FromIterator<FlagKey> for FlagKeys {
    fn from_iter<I: IntoIterator<Item = FlagKey>>(keys: I) -> Self {
        let keys: BTreeSet<_> = keys.into_iter().collect();
        let keys: Arc<[_]> = keys.into_iter().collect();
        let mut digest = DefaultHasher::new();
        keys.hash(&mut digest);
        Self {
            digest: digest.finish(),
            keys,
        }
    }
}

impl Deref for FlagKeys {
    type Target = [FlagKey];

    fn deref(&self) -> &[FlagKey] {
        &self.keys
    }
}

impl PartialEq for FlagKeys {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.keys == other.keys
    }
}

impl Eq for FlagKeys {}

impl Hash for FlagKeys {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// The flags of some channels, as far as they could be read. A missing one is unknown.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReauthorizationFlags(HashMap<FlagKey, bool>);

impl FromIterator<(FlagKey, bool)> for ReauthorizationFlags {
    /// Each with whether reauthorization is required.
    fn from_iter<I: IntoIterator<Item = (FlagKey, bool)>>(flags: I) -> Self {
        Self(flags.into_iter().collect())
    }
}

impl ReauthorizationFlags {
    /// How many could be read.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that they take in memory.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.0.heap_size()
    }

    /// The flag of a channel, as far as it could be read.
    pub(super) fn of(&self, key: Option<FlagKey>) -> Option<bool> {
        self.0.get(&key?).copied()
    }

    /// The state of a channel; `None` where leadchat has none.
    pub(super) fn resolve(&self, source: FlagSource) -> Option<Reauthorization> {
        match source {
            FlagSource::Absent => None,
            FlagSource::Fixed(state) => Some(state),
            FlagSource::Flag(key) => Some(
                self.of(Some(key))
                    .map_or(Reauthorization::Unknown, Reauthorization::from),
            ),
        }
    }
}

impl From<bool> for Reauthorization {
    /// From whether it is required.
    fn from(required: bool) -> Self {
        if required {
            Self::Required
        } else {
            Self::NotRequired
        }
    }
}
