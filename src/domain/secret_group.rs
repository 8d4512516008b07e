//! The groups of secrets, as values and as types, and sets of them.

use enum_map::{Enum, EnumMap};

/// Secrets that a caller may pass on together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum SecretGroup {
    /// Keys that leadchat signs with, and that clients are verified by.
    Signing,
    /// How mail is fetched.
    Imap,
    /// How mail is sent.
    Smtp,
    Twilio,
    Whatsapp,
}

impl SecretGroup {
    /// The name in a callers file and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Imap => "imap",
            Self::Smtp => "smtp",
            Self::Twilio => "twilio",
            Self::Whatsapp => "whatsapp",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        SecretGroups::ALL.iter().find(|group| group.name() == name)
    }
}

/// The group of a field, as a type.
pub trait Group {
    const GROUP: SecretGroup;
}

/// A type for each group.
pub mod group {
    use super::{Group, SecretGroup};

    macro_rules! groups {
        ($($name:ident),*) => {
            $(
                #[derive(Debug)]
                pub enum $name {}

                impl Group for $name {
                    const GROUP: SecretGroup = SecretGroup::$name;
                }
            )*
        };
    }

    groups!(Signing, Imap, Smtp, Twilio, Whatsapp);
}

/// A set of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretGroups(EnumMap<SecretGroup, bool>);

impl SecretGroups {
    pub const NONE: Self = Self(EnumMap::from_array([false; 5]));
    pub const ALL: Self = Self(EnumMap::from_array([true; 5]));

    pub fn contains(self, group: SecretGroup) -> bool {
        self.0[group]
    }

    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// In the order of [`SecretGroup`].
    pub fn iter(self) -> impl Iterator<Item = SecretGroup> {
        self.0
            .into_iter()
            .filter_map(|(group, is_in)| is_in.then_some(group))
    }

    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(EnumMap::from_fn(|group| self.0[group] && !other.0[group]))
    }
}

impl FromIterator<SecretGroup> for SecretGroups {
    fn from_iter<I: IntoIterator<Item = SecretGroup>>(groups: I) -> Self {
        let mut set = Self::NONE;
        set.extend(groups);
        set
    }
}

impl Extend<SecretGroup> for SecretGroups {
    fn extend<I: IntoIterator<Item = SecretGroup>>(&mut self, groups: I) {
        for group in groups {
            self.0[group] = true;
        }
    }
}
