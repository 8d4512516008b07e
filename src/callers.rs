//! `leadchat-inbox callers`: the callers of a file, and answers about one of them, as text
//! or as JSON. The decisions are those of `identity`; this is how they are said.

use std::fmt::Write;

use serde_json::{Value, json};
use strum::IntoEnumIterator;

use crate::{
    domain::{
        permit::AccountSet,
        secret_group::{SecretGroup, SecretGroups},
        viewer::Detail,
    },
    identity::{
        BotScope, Caller, CallersFile, Credential, CredentialProblem, Entry, Explanation,
        IdentifyError, Method, Needs, Rate, Rule, UserScope,
    },
};

/// All callers of a file, with their rules and the notes.
pub fn list(file: &CallersFile, as_json: bool) -> String {
    if as_json {
        let callers: Vec<_> = file.entries.iter().map(entry_json).collect();
        let notes: Vec<_> = file.notes.iter().map(ToString::to_string).collect();
        return json!({ "format": 1, "callers": callers, "notes": notes }).to_string();
    }
    let count = match file.entries.len() {
        1 => "1 caller".to_owned(),
        count => format!("{count} callers"),
    };
    let mut text = format!("{count}, no mistakes.");
    for entry in &file.entries {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n\n{}  {}", entry.name, identities(entry).join(", "));
        if entry.needs_all {
            text.push_str("; needs a token beside the other");
        }
        let limits = entry.limits();
        if let Some(Rate {
            calls_per_second,
            burst,
        }) = limits.rate
        {
            let _ = write!(text, "; {calls_per_second} calls a second, {burst} at once");
        }
        if let Some(calls) = limits.concurrent_calls {
            let _ = write!(text, "; {calls} calls at a time");
        }
        if let Some(watches) = limits.watches {
            let _ = write!(text, "; {watches} watches");
        }
        for rule in &entry.rules {
            let _ = write!(text, "\n  line {}: {}", rule.line, describe(rule));
        }
    }
    if !file.notes.is_empty() {
        text.push('\n');
    }
    for note in &file.notes {
        let _ = write!(text, "\nnote: {note}");
    }
    text
}

/// The answer to a question.
pub fn answer(path: &str, explanation: &Explanation<'_>, as_json: bool) -> String {
    let place = |rule: &Rule| format!("{path}:{}", rule.line);
    match explanation {
        Ok((rules, secrets)) if as_json => json!({
            "format": 1,
            "permitted": true,
            "lines": rules.iter().map(|rule| rule.line).collect::<Vec<_>>(),
            "secrets": group_names(*secrets),
        })
        .to_string(),
        Ok((rules, secrets)) => {
            let by = rules.iter().map(|rule| match rule.why.as_str() {
                "" => place(rule),
                why => format!("{} {why:?}", place(rule)),
            });
            let by: Vec<_> = by.collect();
            format!(
                "yes, by {}; administrator-only fields: {}",
                by.join(", "),
                groups(*secrets)
            )
        }
        Err(refusal) if as_json => json!({
            "format": 1,
            "permitted": false,
            "needs": refusal.needs.name(),
            "lines": refusal.nearest.iter().map(|rule| rule.line).collect::<Vec<_>>(),
        })
        .to_string(),
        Err(refusal) => {
            let nearest: Vec<_> = refusal.nearest.iter().map(|rule| place(rule)).collect();
            format!(
                "no: {} ({})",
                missing(refusal.needs, &refusal.nearest),
                nearest.join(", ")
            )
        }
    }
}

/// The caller that a certificate or a token is for, or why it is nobody's.
pub fn identified(identified: &Result<Caller, IdentifyError>, as_json: bool) -> String {
    let reason = match identified {
        Ok(_) => None,
        Err(IdentifyError::Missing) => Some("it proves nothing".to_owned()),
        Err(IdentifyError::Incomplete { caller, lacks }) => Some(format!(
            "it is that of {caller:?}, which needs {} beside it",
            match lacks {
                Credential::Token => "a token",
                _ => "a certificate or a user id",
            }
        )),
        Err(IdentifyError::Unknown { identity }) => Some(format!("no caller is {identity}")),
        Err(IdentifyError::Refused(error)) => Some(problem(error.problem).to_owned()),
    };
    let caller = identified.as_ref().ok();
    let until = caller.and_then(Caller::until);
    let until = until.map(|until| humantime::format_rfc3339_seconds(until).to_string());
    if as_json {
        return json!({
            "format": 1,
            "caller": caller.map(Caller::name),
            "identity": caller.map(Caller::identity),
            "until": until,
            "reason": reason,
        })
        .to_string();
    }
    match caller {
        Some(caller) => format!(
            "this is {:?} ({}), until {}",
            caller.name(),
            caller.identity(),
            until.unwrap_or_default()
        ),
        None => format!("this is no caller: {}", reason.unwrap_or_default()),
    }
}

/// A bad credential, for its owner.
const fn problem(problem: CredentialProblem) -> &'static str {
    match problem {
        CredentialProblem::Form => "it has not the form of a token",
        CredentialProblem::Issuer => "no issuer of callers' tokens has its iss",
        CredentialProblem::UnknownKey => "its issuer has no key with its kid",
        CredentialProblem::NoKey => "it names no key, and its issuer has several",
        CredentialProblem::Algorithm => "its alg is not that of the key",
        CredentialProblem::Signature => "its signature is not that of the key",
        CredentialProblem::Claims => "a claim is missing, or has the wrong form",
        CredentialProblem::Type => "its typ is that of another kind of token",
        CredentialProblem::Audience => "its aud is not this service alone",
        CredentialProblem::User => "it has no user's id",
        CredentialProblem::TooLong => "it is valid for longer than its issuer may say",
        CredentialProblem::TwoCallers => "its names are those of two callers",
        CredentialProblem::Expired => "it has expired",
        CredentialProblem::NotYet => "it is not valid yet",
        CredentialProblem::Distrusted => "no authority of the file has signed it for this name",
    }
}

/// The part that the nearest rules lack, and what they have instead.
fn missing(needs: Needs, nearest: &[&Rule]) -> String {
    let all = |describe: fn(&Rule) -> String| {
        let mut texts: Vec<_> = nearest.iter().map(|rule| describe(rule)).collect();
        texts.dedup();
        texts.join(" or ")
    };
    match needs {
        Needs::Method => format!("it may call {} only", all(methods)),
        Needs::Account => format!("its rules are about {}", all(accounts)),
        Needs::Search => "it may not search all accounts".to_owned(),
        Needs::Viewer => format!("it may ask {}", all(viewers)),
        Needs::ViewerToken => "it needs the token of this user".to_owned(),
        Needs::Detail => "it may ask for basic detail only".to_owned(),
    }
}

fn describe(rule: &Rule) -> String {
    let mut text = format!("{}; {}; {}; ", methods(rule), accounts(rule), viewers(rule));
    text += match rule.detail {
        Detail::Basic => "basic",
        Detail::Full => "full",
    };
    if !rule.secrets.is_empty() {
        text = format!("{text}; secrets: {}", groups(rule.secrets));
    }
    if rule.everywhere {
        text += "; searches all of them";
    }
    if !rule.why.is_empty() {
        text = format!("{text}; {:?}", rule.why);
    }
    text
}

fn methods(rule: &Rule) -> String {
    method_names(rule).join(", ")
}

fn method_names(rule: &Rule) -> Vec<&'static str> {
    let methods = Method::iter().filter(|method| rule.methods[*method]);
    methods.map(Method::name).collect()
}

fn accounts(rule: &Rule) -> String {
    match rule.accounts {
        AccountSet::All => "all accounts".to_owned(),
        AccountSet::Among(_) => format!("accounts {}", account_ranges(rule).join(", ")),
    }
}

/// As in the file.
fn account_ranges(rule: &Rule) -> Vec<String> {
    match &rule.accounts {
        AccountSet::All => vec!["*".to_owned()],
        AccountSet::Among(ranges) => {
            let ranges = ranges.iter().map(|ids| match (ids.start(), ids.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            });
            ranges.collect()
        }
    }
}

fn viewers(rule: &Rule) -> String {
    let mut viewers = Vec::new();
    match rule.users {
        UserScope::None => {}
        UserScope::WithToken => viewers.push("users with their token".to_owned()),
        UserScope::Any => viewers.push("any user".to_owned()),
    }
    match &rule.bots {
        BotScope::None => {}
        BotScope::Any => viewers.push("any bot".to_owned()),
        BotScope::Only(bots) => {
            let ids: Vec<_> = bots.iter().map(|bot| bot.0.to_string()).collect();
            viewers.push(format!("bot {}", ids.join(", ")));
        }
    }
    if rule.itself {
        viewers.push("itself".to_owned());
    }
    format!("as {}", viewers.join(" or "))
}

fn group_names(secrets: SecretGroups) -> Vec<&'static str> {
    secrets.iter().map(SecretGroup::name).collect()
}

fn groups(secrets: SecretGroups) -> String {
    let names = group_names(secrets);
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn identities(entry: &Entry) -> Vec<String> {
    let identities = entry.identities.iter().map(ToString::to_string);
    let local = entry.is_local.then(|| "local".to_owned());
    identities.chain(local).collect()
}

fn entry_json(entry: &Entry) -> Value {
    let limits = entry.limits();
    let rules = entry.rules.iter().map(|rule| {
        json!({
            "line": rule.line,
            "why": rule.why,
            "methods": method_names(rule),
            "accounts": account_ranges(rule),
            "everywhere": rule.everywhere,
            "as": {
                "users": match rule.users {
                    UserScope::None => "none",
                    UserScope::WithToken => "with-token",
                    UserScope::Any => "any",
                },
                "bots": match &rule.bots {
                    BotScope::None => json!("none"),
                    BotScope::Any => json!("any"),
                    BotScope::Only(bots) => bots.iter().map(|bot| bot.0).collect(),
                },
                "itself": rule.itself,
            },
            "detail": if rule.detail == Detail::Full { "full" } else { "basic" },
            "secrets": group_names(rule.secrets),
        })
    });
    json!({
        "name": entry.name,
        "identities": identities(entry),
        "needs": if entry.needs_all { "all" } else { "any" },
        "calls_per_second": limits.rate.map(|rate| rate.calls_per_second),
        "burst": limits.rate.map(|rate| rate.burst),
        "concurrent_calls": limits.concurrent_calls,
        "watches": limits.watches,
        "rules": rules.collect::<Vec<_>>(),
    })
}
