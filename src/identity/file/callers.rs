//! `[[caller]]`: its name, identities, rules and limits.

use std::collections::HashSet;

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeValue, ValueDeserializer},
};

use super::{
    form::{RawCaller, RawIdentities, RawLimits},
    identities::Identities,
    problems::{Findings, suggestion},
    read_name, rules,
};
use crate::identity::{
    caller::Entry,
    credential::Identity,
    limiter::{Limits, Rate},
    policy::UserScope,
};

const MAX_CALLERS: usize = 256;
const MAX_RULES: usize = 16;

/// The names and identities so far.
#[derive(Default)]
pub struct Known {
    names: HashSet<String>,
    pub identities: Identities,
    local: Option<String>,
    /// Whether an issuer signs tokens of viewers, and whether a rule takes them.
    names_viewers: bool,
    pub takes_viewers: bool,
}

impl Known {
    /// None so far.
    pub fn new(identities: Identities, names_viewers: bool) -> Self {
        Self {
            identities,
            names_viewers,
            ..Self::default()
        }
    }
}

/// All callers of the file.
pub fn read(
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
            let known = suggestion(other, ["any", "all"]);
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
        watches,
    } = raw;
    if let (None, Some(burst)) = (&calls_per_second, &burst) {
        findings.add(
            burst.span().start,
            "burst: needs calls_per_second beside it",
        );
    }
    for (name, limit) in [
        ("concurrent_calls", &concurrent_calls),
        ("watches", &watches),
    ] {
        if let Some(zero) = limit.as_ref().filter(|it| *it.get_ref() == 0) {
            findings.add(zero.span().start, format!("{name}: must be 1 or more"));
        }
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
        watches: watches.map(Spanned::into_inner).or(default.watches),
    }
}
