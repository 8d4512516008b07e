//! `[[caller.may]]`: what a caller may ask.

use std::{collections::BTreeSet, ops::RangeInclusive};

use enum_map::EnumMap;
use strum::IntoEnumIterator;
use toml::Spanned;

use super::{
    form::{RawAs, RawBots, RawRule},
    problems::{Findings, suggestion},
};
use crate::{
    domain::{
        id::AgentBotId,
        permit::AccountSet,
        secret_group::{SecretGroup, SecretGroups},
        viewer::Detail,
    },
    identity::policy::{BotScope, Method, Rule, UserScope},
};

const MAX_REASON_CHARACTERS: usize = 80;

/// Accounts and bots that one rule may list.
const MAX_IDS: usize = 1000;

/// A rule. `None` where it could not be made; then a mistake was found.
pub fn read(raw: Spanned<RawRule>, findings: &mut Findings<'_>) -> Option<Rule> {
    let place = raw.span().start;
    let RawRule {
        why,
        methods,
        accounts,
        everywhere,
        r#as,
        detail,
        secrets,
    } = raw.into_inner();

    if let Some(why) = why
        .as_ref()
        .filter(|it| it.get_ref().chars().count() > MAX_REASON_CHARACTERS)
    {
        findings.add(why.span().start, "why: has more than 80 letters");
    }
    let methods = read_methods(&methods, findings);
    let account_place = accounts.span().start;
    let accounts = read_accounts(&accounts, findings);
    let as_place = r#as.span().start;
    let (users, bots, itself) = read_as(r#as.into_inner(), findings)?;
    if users == UserScope::None && bots == BotScope::None && !itself {
        findings.add(as_place, "as: allows no viewer");
    }
    note_any(as_place, users, &bots, findings);
    let detail = match detail {
        None => Detail::Basic,
        Some(word) => match word.get_ref().as_str() {
            "basic" => Detail::Basic,
            "full" => Detail::Full,
            other => {
                let known = suggestion(other, ["basic", "full"]);
                findings.add(
                    word.span().start,
                    format!("detail: {other:?} is neither \"basic\" nor \"full\"{known}"),
                );
                return None;
            }
        },
    };
    let secrets = secrets.map_or(SecretGroups::NONE, |groups| {
        if detail == Detail::Basic && !groups.get_ref().is_empty() {
            let text = "secrets: are never in detail = \"basic\"; write detail = \"full\"";
            findings.add(groups.span().start, text);
        }
        read_secrets(groups.get_ref(), findings)
    });
    let is_everywhere = everywhere.as_ref().is_some_and(|it| *it.get_ref());
    if let Some(everywhere) = everywhere.filter(|_| is_everywhere) {
        if !methods[Method::FindInboxes] {
            findings.add(
                everywhere.span().start,
                "everywhere: is about FindInboxes alone",
            );
        }
        if !itself {
            let text = "everywhere: a search of all accounts is made as itself; \
                        write as = { itself = true }";
            findings.add(everywhere.span().start, text);
        }
    }
    let accounts = accounts.or_else(|| {
        findings.add(account_place, "accounts: write ids, ranges or \"*\"");
        None
    })?;
    Some(Rule {
        why: why.map(Spanned::into_inner).unwrap_or_default(),
        line: findings.line(place),
        methods,
        accounts,
        everywhere: is_everywhere,
        users,
        bots,
        itself,
        detail,
        secrets,
    })
}

/// Compares the rules of one caller with each other.
pub fn compare(places: &[usize], rules: &[Rule], findings: &mut Findings<'_>) {
    let rules = || places.iter().zip(rules);
    let mut searches = rules().filter(|(_, rule)| rule.everywhere);
    if let Some((_, first)) = searches.next()
        && let Some((place, _)) = searches.find(|(_, it)| it.secrets != first.secrets)
    {
        // One response has inboxes of all accounts, and says once what was withheld.
        let text = format!(
            "secrets: must be those of line {}: rules with everywhere have the same secrets",
            first.line
        );
        findings.add(*place, text);
    }
    for (index, (place, rule)) in rules().enumerate() {
        let covers = |other: &Rule| covers(other, rule);
        let others = rules().enumerate().filter(|(other, _)| *other != index);
        // Of two equal ones, the later is covered.
        let covering = others
            .map(|(other, (_, it))| (other, it))
            .find(|(other, it)| covers(it) && (*other < index || !self::covers(rule, it)));
        if let Some((_, covering)) = covering {
            findings.note(
                *place,
                format!("line {} allows all of this rule", covering.line),
            );
        }
    }
}

/// Whether a rule allows all that another allows.
fn covers(rule: &Rule, other: &Rule) -> bool {
    let accounts = match (&rule.accounts, &other.accounts) {
        (AccountSet::All, _) => true,
        (AccountSet::Among(_), AccountSet::All) => false,
        (AccountSet::Among(ranges), AccountSet::Among(others)) => others.iter().all(|ids| {
            let holds = |range: &RangeInclusive<i64>| {
                range.contains(ids.start()) && range.contains(ids.end())
            };
            ranges.iter().any(holds)
        }),
    };
    let bots = match (&rule.bots, &other.bots) {
        (BotScope::Any, _) | (_, BotScope::None) => true,
        (BotScope::Only(bots), BotScope::Only(others)) => bots.is_superset(others),
        _ => false,
    };
    accounts
        && bots
        && Method::iter().all(|method| rule.methods[method] || !other.methods[method])
        && (rule.everywhere || !other.everywhere)
        && rule.users >= other.users
        && (rule.itself || !other.itself)
        && rule.detail >= other.detail
        && other.secrets.without(rule.secrets).is_empty()
}

fn read_methods(
    names: &Spanned<Vec<Spanned<String>>>,
    findings: &mut Findings<'_>,
) -> EnumMap<Method, bool> {
    if names.get_ref().is_empty() {
        findings.add(names.span().start, "methods: name at least one");
    }
    let mut methods = EnumMap::default();
    for name in names.get_ref() {
        match Method::from_name(name.get_ref()) {
            Some(method) => methods[method] = true,
            None => {
                let known = suggestion(name.get_ref(), Method::iter().map(Method::name));
                let text = format!("methods: there is no method {:?}{known}", name.get_ref());
                findings.add(name.span().start, text);
            }
        }
    }
    methods
}

/// `None` where none is listed.
fn read_accounts(
    texts: &Spanned<Vec<Spanned<String>>>,
    findings: &mut Findings<'_>,
) -> Option<AccountSet> {
    if let Some(surplus) = texts.get_ref().get(MAX_IDS) {
        findings.add(surplus.span().start, "accounts: there are more than 1000");
    }
    let mut ranges = Vec::new();
    let is_all = |text: &&Spanned<String>| text.get_ref() == "*";
    if let Some(all) = texts.get_ref().iter().find(is_all) {
        if texts.get_ref().len() > 1 {
            findings.add(all.span().start, "accounts: \"*\" stands alone");
        }
        return Some(AccountSet::All);
    }
    for text in texts.get_ref() {
        match read_range(text.get_ref()) {
            Ok(range) => ranges.push(range),
            Err(reason) => {
                let text_of = text.get_ref();
                findings.add(text.span().start, format!("accounts: {text_of:?} {reason}"));
            }
        }
    }
    (!texts.get_ref().is_empty()).then(|| AccountSet::Among(ranges.into()))
}

fn read_range(text: &str) -> Result<RangeInclusive<i64>, &'static str> {
    const FORM: &str = "is no id, such as \"7\", no range, such as \"1-99\", and not \"*\"";
    let id = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse::<i64>().ok().filter(|id| is_plain && *id > 0);
        id.ok_or(FORM)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (id(first)?, id(last)?);
    if first > last {
        return Err("runs backwards");
    }
    Ok(first..=last)
}

/// `None` where a word is not known; then a mistake was found.
fn read_as(raw: RawAs, findings: &mut Findings<'_>) -> Option<(UserScope, BotScope, bool)> {
    let RawAs {
        users,
        bots,
        itself,
    } = raw;
    let users = match users {
        None => UserScope::None,
        Some(word) => match word.get_ref().as_str() {
            "none" => UserScope::None,
            "with-token" => UserScope::WithToken,
            "any" => UserScope::Any,
            other => {
                let known = ["none", "with-token", "any"];
                let text = format!(
                    "as.users: {other:?} is none of \"none\", \"with-token\" and \"any\"{}",
                    suggestion(other, known)
                );
                findings.add(word.span().start, text);
                return None;
            }
        },
    };
    let bots = match bots {
        None => BotScope::None,
        Some(bots) => {
            let place = bots.span().start;
            match bots.into_inner() {
                RawBots::Word(word) if word == "none" => BotScope::None,
                RawBots::Word(word) if word == "any" => BotScope::Any,
                RawBots::Word(word) => {
                    let known = suggestion(&word, ["none", "any"]);
                    let text = format!("as.bots: {word:?} is neither \"none\" nor \"any\"{known}");
                    findings.add(place, text);
                    return None;
                }
                RawBots::Ids(ids) => {
                    if let Some(surplus) = ids.get(MAX_IDS) {
                        findings.add(surplus.span().start, "as.bots: there are more than 1000");
                    }
                    if let Some(wrong) = ids.iter().find(|id| *id.get_ref() <= 0) {
                        findings.add(wrong.span().start, "as.bots: an id is 1 or more");
                    }
                    let ids: BTreeSet<_> = ids
                        .into_iter()
                        .map(|id| AgentBotId(id.into_inner()))
                        .collect();
                    if ids.is_empty() {
                        BotScope::None
                    } else {
                        BotScope::Only(ids)
                    }
                }
            }
        }
    };
    Some((users, bots, itself.unwrap_or_default()))
}

/// Somebody else's name without proof is worth a note, every time.
fn note_any(place: usize, users: UserScope, bots: &BotScope, findings: &mut Findings<'_>) {
    for (is_any, key) in [
        (users == UserScope::Any, "users"),
        (*bots == BotScope::Any, "bots"),
    ] {
        if is_any {
            findings.note(
                place,
                format!("as.{key} = \"any\": it may ask as any of them"),
            );
        }
    }
}

fn read_secrets(names: &[Spanned<String>], findings: &mut Findings<'_>) -> SecretGroups {
    let mut secrets = SecretGroups::NONE;
    for name in names {
        match SecretGroup::from_name(name.get_ref()) {
            Some(group) => secrets.extend([group]),
            None => {
                let known = SecretGroups::ALL.iter().map(SecretGroup::name);
                let known = suggestion(name.get_ref(), known);
                let text = format!("secrets: there is no group {:?}{known}", name.get_ref());
                findings.add(name.span().start, text);
            }
        }
    }
    secrets
}
