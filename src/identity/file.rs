//! The callers file: TOML that says which callers there are, and what each may ask.
//!
//! A file with a mistake is refused whole. Up to 16 mistakes are reported at once, each
//! with its line and column, in the order of the file. An entry of the wrong form gives one
//! mistake, all others are still read.

mod form;
mod problems;
mod rules;

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    caller::Entry,
    limiter::{Limits, Rate},
};
use form::{RawCaller, RawLimits};
use problems::Findings;
pub use problems::{Problem, Problems};

/// The largest callers file, in bytes.
pub const MAX_FILE_BYTES: usize = 256 << 10;

const MAX_CALLERS: usize = 256;
const MAX_IDENTITIES: usize = 32;
const MAX_RULES: usize = 16;
const MAX_NAME_CHARACTERS: usize = 40;

/// The only version of the format.
const VERSION: i64 = 1;

/// The user ids that a system shows for users that it cannot name: anybody.
const UIDS_OF_NOBODY: [u32; 2] = [65_534, u32::MAX];

/// The content of a callers file.
#[derive(Debug)]
pub struct CallersFile {
    pub entries: Vec<Entry>,
    /// Worth knowing, and no mistakes. Ordered by line.
    pub notes: Vec<Problem>,
    pub(super) text: String,
}

impl CallersFile {
    /// Reads a text. `name` is what problems call the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        let mut findings = Findings::new(name, text);
        if text.len() > MAX_FILE_BYTES {
            findings.add(0, "is larger than 256 KiB");
            return Err(findings.into_problems());
        }
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            findings.add_error(&error);
        }
        let entries = read_entries(table.into_inner(), &mut findings);
        findings.finish().map(|notes| Self {
            entries,
            notes,
            text: text.to_owned(),
        })
    }
}

fn read_entries(table: DeTable<'_>, findings: &mut Findings<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut has_version = false;
    let mut identities = Identities::default();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "version" => {
                has_version = true;
                let at = value.span().start;
                if i64::deserialize(ValueDeserializer::from(value)).ok() != Some(VERSION) {
                    findings.add(at, "version: this program reads version 1");
                }
            }
            "caller" => match value.into_inner() {
                DeValue::Array(callers) => {
                    if callers.len() > MAX_CALLERS {
                        findings.add(key.span().start, "there are more than 256 callers");
                    }
                    for caller in callers.into_iter().take(MAX_CALLERS) {
                        entries.extend(read_caller(caller, &mut identities, findings));
                        findings.end_caller();
                    }
                }
                _ => findings.add(key.span().start, "caller: write [[caller]], one for each"),
            },
            other => {
                let known = ["version", "caller"];
                let text = format!(
                    "there is no key {other:?}{}",
                    problems::suggestion(other, known)
                );
                findings.add(key.span().start, text);
            }
        }
    }
    if !has_version {
        findings.add(0, "version is missing; write version = 1");
    }
    if entries.is_empty() && !findings.has_problems() {
        findings.add(0, "there is no [[caller]], so nobody could call");
    }
    entries
}

/// The names and identities so far.
#[derive(Default)]
struct Identities {
    names: HashSet<String>,
    uids: HashMap<u32, String>,
    local: Option<String>,
}

fn read_caller(
    value: Spanned<DeValue<'_>>,
    identities: &mut Identities,
    findings: &mut Findings<'_>,
) -> Option<Entry> {
    let place = value.span().start;
    if let Some(name) = value
        .get_ref()
        .get("name")
        .and_then(|it| it.get_ref().as_str())
    {
        findings.begin_caller(name);
    }
    if !has_tables(value.get_ref()) {
        findings.add(
            place,
            "a caller, a rule, as and limits are tables: write their keys",
        );
        return None;
    }
    let raw = match RawCaller::deserialize(ValueDeserializer::from(value)) {
        Ok(raw) => raw,
        Err(error) => {
            findings.add_error(&error);
            return None;
        }
    };
    let name = raw.name.get_ref().clone();
    let is_name = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
    if !(1..=MAX_NAME_CHARACTERS).contains(&name.len()) || !name.chars().all(is_name) {
        findings.add(
            raw.name.span().start,
            "a name has 1 to 40 of the letters a-z, digits and -",
        );
    } else if !identities.names.insert(name.clone()) {
        findings.add(raw.name.span().start, "this name is taken above");
    }

    let is_local = raw.local.as_ref().is_some_and(|it| *it.get_ref());
    if let Some(local) = raw.local.filter(|_| is_local) {
        let text = "local = true: every process of this machine may call as this caller";
        findings.note(local.span().start, text);
        match &identities.local {
            Some(other) => findings.add(
                local.span().start,
                format!("local: {other:?} is local already"),
            ),
            None => identities.local = Some(name.clone()),
        }
    }
    let uids = read_uids(raw.uids.unwrap_or_default(), &name, identities, findings);
    if !is_local && uids.is_empty() {
        findings.add(place, "nothing identifies it; set uids, or local = true");
    }

    let may = raw.may.unwrap_or_default();
    if may.is_empty() {
        findings.add(place, "it may call nothing; write [[caller.may]]");
    } else if let Some(surplus) = may.get(MAX_RULES) {
        findings.add(surplus.span().start, "it has more than 16 rules");
    }
    let mut places = Vec::new();
    let mut rules = Vec::new();
    for rule in may.into_iter().take(MAX_RULES) {
        let place = rule.span().start;
        if let Some(rule) = rules::read(rule, findings) {
            places.push(place);
            rules.push(rule);
        }
    }
    rules::compare(&places, &rules, findings);
    let limits = raw.limits.map_or_else(Limits::default, |limits| {
        read_limits(limits.into_inner(), findings)
    });
    let mut entry = Entry::new(name, rules, limits);
    entry.uids = uids;
    entry.is_local = is_local;
    Some(entry)
}

/// Whether tables are written as tables. serde would take arrays for them, too, and read
/// their elements without their keys.
fn has_tables(caller: &DeValue<'_>) -> bool {
    let is_table =
        |value: Option<&Spanned<DeValue<'_>>>| value.is_none_or(|value| value.get_ref().is_table());
    let rules = caller.get("may").and_then(|may| may.get_ref().as_array());
    let mut rules = rules.into_iter().flatten().map(Spanned::get_ref);
    caller.is_table()
        && is_table(caller.get("limits"))
        && rules.all(|rule| rule.is_table() && is_table(rule.get("as")))
}

fn read_uids(
    uids: Vec<Spanned<u32>>,
    name: &str,
    identities: &mut Identities,
    findings: &mut Findings<'_>,
) -> Vec<u32> {
    if let Some(surplus) = uids.get(MAX_IDENTITIES) {
        findings.add(surplus.span().start, "uids: there are more than 32");
    }
    for uid in uids.iter().take(MAX_IDENTITIES) {
        let place = uid.span().start;
        let uid = *uid.get_ref();
        if UIDS_OF_NOBODY.contains(&uid) {
            let text = format!("uids: {uid} stands for users that have no name: anybody");
            findings.add(place, text);
        }
        if let Some(other) = identities.uids.insert(uid, name.to_owned()) {
            findings.add(place, format!("uids: {uid} is a uid of {other:?} already"));
        }
    }
    uids.into_iter().map(Spanned::into_inner).collect()
}

fn read_limits(raw: RawLimits, findings: &mut Findings<'_>) -> Limits {
    let RawLimits {
        calls_per_second,
        burst,
        concurrent_calls,
    } = raw;
    if let (None, Some(burst)) = (&calls_per_second, &burst) {
        findings.add(
            burst.span().start,
            "burst: needs calls_per_second beside it",
        );
    }
    if let Some(zero) = concurrent_calls.as_ref().filter(|it| *it.get_ref() == 0) {
        findings.add(zero.span().start, "concurrent_calls: must be 1 or more");
    }
    let default = Limits::default();
    Limits {
        rate: calls_per_second.map(|rate| Rate {
            calls_per_second: *rate.get_ref(),
            burst: burst.map_or(*rate.get_ref(), Spanned::into_inner),
        }),
        concurrent_calls: concurrent_calls
            .map(Spanned::into_inner)
            .or(default.concurrent_calls),
    }
}

#[cfg(test)]
mod tests;
