//! The callers file: TOML that says which callers there are, and what each may ask.
//!
//! A file with a mistake is refused whole. Up to 16 mistakes are reported at once, each
//! with its line and column, in the order of the file. An entry of the wrong form gives one
//! mistake, all others are still read.

mod authorities;
mod form;
mod identities;
mod issuers;
mod problems;
mod rules;

use std::{collections::HashSet, path::Path, sync::Arc, time::SystemTime};

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    caller::Entry,
    credential::Identity,
    files::{Content, LastGood, Loaded, MAX_FILE_BYTES},
    keys::KeySet,
    limiter::{Limits, Rate},
    policy::UserScope,
    token::TokenKind,
    trust::Anchors,
};
pub use authorities::Authority;
use form::{RawCaller, RawIdentities, RawLimits};
use identities::Identities;
pub use issuers::IssuerEntry;
use problems::Findings;
pub use problems::{Problem, Problems};

const MAX_CALLERS: usize = 256;
const MAX_RULES: usize = 16;
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
    let mut known = Known {
        identities: Identities::of(&authorities, &issuers),
        names_viewers: issuers
            .iter()
            .any(|(_, it)| it.about() == TokenKind::Viewer),
        ..Known::default()
    };
    let entries = caller
        .map(|caller| read_callers(caller, &mut known, findings))
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

fn read_callers(
    value: Spanned<DeValue<'_>>,
    known: &mut Known,
    findings: &mut Findings<'_>,
) -> Vec<Entry> {
    let place = value.span().start;
    let DeValue::Array(callers) = value.into_inner() else {
        findings.add(place, "caller: write [[caller]], one for each");
        return Vec::new();
    };
    if callers.len() > MAX_CALLERS {
        findings.add(place, "there are more than 256 callers");
    }
    let mut entries = Vec::new();
    for caller in callers.into_iter().take(MAX_CALLERS) {
        entries.extend(read_caller(caller, known, findings));
        findings.end_caller();
    }
    entries
}

/// The names and identities so far.
#[derive(Default)]
struct Known {
    names: HashSet<String>,
    identities: Identities,
    local: Option<String>,
    /// Whether an issuer signs tokens of viewers, and whether a rule takes them.
    names_viewers: bool,
    takes_viewers: bool,
}

/// Finds mistakes in a name that becomes a label.
fn read_name(name: &Spanned<String>, taken: &mut HashSet<String>, findings: &mut Findings<'_>) {
    let text = name.get_ref();
    let is_of_name = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
    if !(1..=MAX_NAME_CHARACTERS).contains(&text.len()) || !text.chars().all(is_of_name) {
        findings.add(
            name.span().start,
            "a name has 1 to 40 of the letters a-z, digits and -",
        );
    } else if !taken.insert(text.clone()) {
        findings.add(name.span().start, "this name is taken above");
    }
}

fn read_caller(
    value: Spanned<DeValue<'_>>,
    known: &mut Known,
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
            "a caller, a rule, as, limits and subjects are tables: write their keys",
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
    read_name(&raw.name, &mut known.names, findings);

    let is_local = raw.local.as_ref().is_some_and(|it| *it.get_ref());
    if let Some(local) = raw.local.filter(|_| is_local) {
        let text = "local = true: every process of this machine may call as this caller";
        findings.note(local.span().start, text);
        match &known.local {
            Some(other) => findings.add(
                local.span().start,
                format!("local: {other:?} is local already"),
            ),
            None => known.local = Some(name.clone()),
        }
    }
    let identities = RawIdentities {
        uids: raw.uids,
        spiffe: raw.spiffe,
        dns: raw.dns,
        subjects: raw.subjects,
    };
    let names_none = identities.is_empty();
    let identities = known.identities.read(&name, identities, findings);
    if !is_local && names_none {
        let text = "nothing identifies it; set uids, spiffe, dns or subjects, or local = true";
        findings.add(place, text);
    }
    let needs_all = raw
        .needs
        .is_some_and(|needs| read_needs(&needs, &identities, findings));

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
            if rule.users == UserScope::WithToken {
                known.takes_viewers = true;
                if !known.names_viewers {
                    let text = "as.users = \"with-token\": there is no [[issuer]] with \
                                names = \"viewers\"";
                    findings.add(place, text);
                }
            }
            places.push(place);
            rules.push(rule);
        }
    }
    rules::compare(&places, &rules, findings);
    let limits = raw.limits.map_or_else(Limits::default, |limits| {
        read_limits(limits.into_inner(), findings)
    });
    let mut entry = Entry::new(name, rules, limits);
    entry.identities = identities;
    entry.is_local = is_local;
    entry.needs_all = needs_all;
    Some(entry)
}

/// Whether a caller needs both a token and a credential of its connection.
fn read_needs(
    needs: &Spanned<String>,
    identities: &[Identity],
    findings: &mut Findings<'_>,
) -> bool {
    let place = needs.span().start;
    match needs.get_ref().as_str() {
        "any" => return false,
        "all" => {}
        other => {
            let known = problems::suggestion(other, ["any", "all"]);
            let text = format!("needs: {other:?} is neither \"any\" nor \"all\"{known}");
            findings.add(place, text);
            return false;
        }
    }
    let is_token = |identity: &&Identity| matches!(identity, Identity::Subject { .. });
    let tokens = identities.iter().filter(is_token).count();
    if tokens == 0 {
        findings.add(
            place,
            "needs = \"all\", but it has no token: write subjects",
        );
    } else if tokens == identities.len() {
        let text = "needs = \"all\", but it has no certificate or uid, only a token";
        findings.add(place, text);
    }
    true
}

/// Whether tables are written as tables. serde would take arrays for them, too, and read
/// their elements without their keys.
fn has_tables(caller: &DeValue<'_>) -> bool {
    let is_table =
        |value: Option<&Spanned<DeValue<'_>>>| value.is_none_or(|value| value.get_ref().is_table());
    let rules = caller.get("may").and_then(|may| may.get_ref().as_array());
    let mut rules = rules.into_iter().flatten().map(Spanned::get_ref);
    let subjects = caller
        .get("subjects")
        .and_then(|it| it.get_ref().as_array());
    let mut subjects = subjects.into_iter().flatten().map(Spanned::get_ref);
    caller.is_table()
        && is_table(caller.get("limits"))
        && subjects.all(DeValue::is_table)
        && rules.all(|rule| rule.is_table() && is_table(rule.get("as")))
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
