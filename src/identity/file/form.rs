//! The form of an entry, as serde reads it. Each leaf keeps its place in the file, so
//! there is no `flatten` and no untagged enum: these lose it.

use std::{fmt, num::NonZeroU32};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCaller {
    pub name: Spanned<String>,
    pub uids: Option<Vec<Spanned<u32>>>,
    pub spiffe: Option<Vec<Spanned<String>>>,
    pub dns: Option<Vec<Spanned<String>>>,
    pub subjects: Option<Vec<Spanned<RawSubject>>>,
    pub needs: Option<Spanned<String>>,
    pub local: Option<Spanned<bool>>,
    pub may: Option<Vec<Spanned<RawRule>>>,
    pub limits: Option<Spanned<RawLimits>>,
}

/// The identities of a caller. Apart, because flattened fields lose their places.
pub struct RawIdentities {
    pub uids: Option<Vec<Spanned<u32>>>,
    pub spiffe: Option<Vec<Spanned<String>>>,
    pub dns: Option<Vec<Spanned<String>>>,
    pub subjects: Option<Vec<Spanned<RawSubject>>>,
}

/// The subject of the tokens of an issuer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSubject {
    pub issuer: String,
    pub subject: String,
}

impl RawIdentities {
    pub fn is_empty(&self) -> bool {
        let Self {
            uids,
            spiffe,
            dns,
            subjects,
        } = self;
        let is_empty = |list: &Option<Vec<_>>| list.as_ref().is_none_or(Vec::is_empty);
        uids.as_ref().is_none_or(Vec::is_empty)
            && is_empty(spiffe)
            && is_empty(dns)
            && subjects.as_ref().is_none_or(Vec::is_empty)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    pub why: Option<Spanned<String>>,
    pub methods: Spanned<Vec<Spanned<String>>>,
    pub accounts: Spanned<Vec<Spanned<String>>>,
    pub everywhere: Option<Spanned<bool>>,
    pub r#as: Spanned<RawAs>,
    pub detail: Option<Spanned<String>>,
    pub secrets: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAs {
    pub users: Option<Spanned<String>>,
    pub bots: Option<Spanned<RawBots>>,
    pub itself: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    pub calls_per_second: Option<Spanned<NonZeroU32>>,
    pub burst: Option<Spanned<NonZeroU32>>,
    pub concurrent_calls: Option<Spanned<u32>>,
    pub watches: Option<Spanned<u32>>,
}

/// A word, or ids.
pub enum RawBots {
    Word(String),
    Ids(Vec<Spanned<i64>>),
}

impl<'de> Deserialize<'de> for RawBots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bots;

        impl<'de> Visitor<'de> for Bots {
            type Value = RawBots;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"none\", \"any\" or a list of ids")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<RawBots, E> {
                Ok(RawBots::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> Result<RawBots, A::Error> {
                let mut all = Vec::new();
                while let Some(id) = ids.next_element()? {
                    all.push(id);
                }
                Ok(RawBots::Ids(all))
            }
        }

        deserializer.deserialize_any(Bots)
    }
}
