//! The callers file: TOML that says which callers there are, and what each may ask.
//!
//! A file with a mistake is refused whole. Up to 16 mistakes are reported at once, each
//! with its line and column, in the order of the file. An entry of the wrong form gives one
//! mistake, all others are still read.

mod authorities;
mod callers;
mod form;
mod identities;
mod issuers;
mod problems;
mod rules;

use std::{collections::HashSet, path::Path, sync::Arc, time::SystemTime};

use serde::{Deserialize, de::DeserializeOwned};
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    caller::Entry,
    files::{Content, LastGood, Loaded, MAX_FILE_BYTES},
    keys::KeySet,
    token::TokenKind,
    trust::Anchors,
};
pub use authorities::Authority;
use callers::Known;
use identities::Identities;
pub use issuers::IssuerEntry;
use problems::{Findings, Place};
pub use problems::{Problem, Problems};

const MAX_NAME_CHARACTERS: usize = 40;

/// The only version of the format.
const VERSION: i64 = 1;

/// The keys of the file.
const KEYS: [&str; 4] = ["version", "authority", "issuer", "caller"];

/// The content of a callers file.
#[derive(Debug)]
pub struct CallersFile {
    pub entries: Vec<Entry>,
    pub authorities: Vec<Authority>,
    pub issuers: Vec<IssuerEntry>,
    /// Worth knowing, and no mistakes. Ordered by line.
    pub notes: Vec<Problem>,
}

/// All that a callers file depends on beside its text.
pub struct Surroundings<'s> {
    /// The folder that paths of the file start from.
    pub folder: &'s Path,
    /// Reads a file of this path.
    pub read: &'s dyn Fn(&str) -> Content,
    pub now: SystemTime,
    /// For files that have become bad since.
    pub last_good: &'s LastGoodFiles,
}

/// The last good versions of files that a callers file names. There are none at the start.
#[derive(Clone, Debug, Default)]
pub struct LastGoodFiles {
    pub anchors: LastGood<Anchors>,
    pub keys: LastGood<Arc<KeySet>>,
}

impl Surroundings<'_> {
    /// A file that the callers file names.
    fn load<T: Clone>(
        &self,
        file: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
        last_good: &LastGood<T>,
    ) -> Result<Loaded<T>, String> {
        Loaded::new(self.folder.join(file), (self.read)(file), parse, last_good)
    }
}

impl CallersFile {
    /// Reads a text. `name` is what problems call the file.
    pub fn parse(
        name: &str,
        text: &str,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, Problems> {
        let mut findings = Findings::new(name, text);
        if text.len() > MAX_FILE_BYTES {
            findings.add(0, "is larger than 256 KiB");
            return Err(findings.into_problems());
        }
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            findings.add_error(&error);
        }
        let mut file = read_tables(table.into_inner(), surroundings, &mut findings);
        file.notes = findings.finish()?;
        Ok(file)
    }
}

fn read_tables(
    mut table: DeTable<'_>,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) -> CallersFile {
    let mut take = |key: &str| table.remove(key);
    let (version, authority) = (take("version"), take("authority"));
    let (issuer, caller) = (take("issuer"), take("caller"));
    for key in table.keys() {
        let other = key.get_ref();
        let known = problems::suggestion(other, KEYS);
        let text = format!("there is no key {other:?}{known}");
        findings.add(key.span().start, text);
    }
    match version {
        Some(version) => {
            let place = version.span().start;
            if i64::deserialize(ValueDeserializer::from(version)).ok() != Some(VERSION) {
                findings.add(place, "version: this program reads version 1");
            }
        }
        None => findings.add(0, "version is missing; write version = 1"),
    }
    let authorities = authority
        .map(|authority| authorities::read(authority, surroundings, findings))
        .unwrap_or_default();
    let issuers = issuer
        .map(|issuer| issuers::read(issuer, surroundings, findings))
        .unwrap_or_default();
    let identities = Identities::of(&authorities, &issuers);
    let names_viewers = issuers
        .iter()
        .any(|(_, it)| it.about() == TokenKind::Viewer);
    let mut known = Known::new(identities, names_viewers);
    let entries = caller
        .map(|caller| callers::read(caller, &mut known, findings))
        .unwrap_or_default();
    for (place, authority) in &authorities {
        if !known.identities.uses_authority(authority) {
            let text = format!(
                "authority {:?}: no caller has an identity that it signs",
                authority.name
            );
            findings.note(*place, text);
        }
    }
    for (place, issuer) in &issuers {
        let is_used = match issuer.about() {
            TokenKind::Caller => known.identities.uses_issuer(issuer.name()),
            TokenKind::Viewer => known.takes_viewers,
        };
        if !is_used {
            let text = format!("issuer {:?}: no caller needs its tokens", issuer.name());
            findings.note(*place, text);
        }
    }
    if entries.is_empty() && !findings.has_problems() {
        findings.add(0, "there is no [[caller]], so nobody could call");
    }
    let authorities = authorities.into_iter().map(|(_, authority)| authority);
    let issuers = issuers.into_iter().map(|(_, issuer)| issuer);
    CallersFile {
        entries,
        authorities: authorities.collect(),
        issuers: issuers.collect(),
        notes: Vec::new(),
    }
}

/// The entries of a list of tables that have the right form, with their places.
fn read_entries<T: DeserializeOwned>(
    value: Spanned<DeValue<'_>>,
    key: &str,
    max: usize,
    findings: &mut Findings<'_>,
) -> Vec<(Place, T)> {
    let place = value.span().start;
    let DeValue::Array(entries) = value.into_inner() else {
        findings.add(place, format!("{key}: write [[{key}]], one for each"));
        return Vec::new();
    };
    if entries.len() > max {
        findings.add(place, format!("{key}: there are more than {max}"));
    }
    let mut read = Vec::new();
    for entry in entries.into_iter().take(max) {
        let place = entry.span().start;
        if !entry.get_ref().is_table() {
            findings.add(place, format!("{key}: each is a table: write its keys"));
            continue;
        }
        match T::deserialize(ValueDeserializer::from(entry)) {
            Ok(entry) => read.push((place, entry)),
            Err(error) => findings.add_error(&error),
        }
    }
    read
}

/// Labels of metrics that are no names: of calls without a caller, of too many callers, and of
/// the server's certificate.
const RESERVED_NAMES: [&str; 3] = ["none", "other", "server"];

/// Finds mistakes in a name that becomes a label.
fn read_name(name: &Spanned<String>, taken: &mut HashSet<String>, findings: &mut Findings<'_>) {
    let text = name.get_ref();
    let is_of_name = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
    if !(1..=MAX_NAME_CHARACTERS).contains(&text.len()) || !text.chars().all(is_of_name) {
        findings.add(
            name.span().start,
            "a name has 1 to 40 of the letters a-z, digits and -",
        );
    } else if RESERVED_NAMES.contains(&text.as_str()) {
        findings.add(name.span().start, "this name has a meaning in metrics");
    } else if !taken.insert(text.clone()) {
        findings.add(name.span().start, "this name is taken above");
    }
}

#[cfg(test)]
mod tests;
