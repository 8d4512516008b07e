//! The rules of an entry, and the decision on a question. The only place that grants a
//! permit.
//!
//! A rule allows; no rule denies. One rule must allow the whole question: rules are not
//! added up. If several allow it, their secrets are united, so that a further rule never
//! takes a right away. The decision depends on nothing but rules and question.

use std::collections::BTreeSet;

use enum_map::{Enum, EnumMap};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use crate::domain::{
    id::{AccountId, AgentBotId, UserId},
    permit::{AccountSet, Permit, SearchPermit},
    secret_group::SecretGroups,
    viewer::{Detail, Role, Viewer},
};

/// The methods of the inbox service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, EnumIter, IntoStaticStr)]
pub enum Method {
    GetInbox,
    ListInboxes,
    BatchGetInboxes,
    FindInboxes,
    ExplainAccess,
    WatchInboxes,
}

impl Method {
    /// The name in the contract.
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::iter().find(|method| method.name() == name)
    }
}

/// A question about one account.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub method: Method,
    pub account: AccountId,
    pub viewer: Viewer,
    pub detail: Detail,
}

/// FindInboxes without an account, as itself.
#[derive(Clone, Copy, Debug)]
pub struct SearchAsk {
    pub detail: Detail,
}

/// The part of a question that no rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Method,
    Account,
    /// A search of all accounts.
    Search,
    Viewer,
    /// A token of the user.
    ViewerToken,
    Detail,
}

impl Needs {
    /// As the contract has it in `ErrorInfo.metadata`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Account => "account",
            Self::Search => "search",
            Self::Viewer => "viewer",
            Self::ViewerToken => "viewer-token",
            Self::Detail => "detail",
        }
    }
}

/// One `[[caller.may]]`.
#[derive(Debug)]
pub struct Rule {
    /// The reason, for people.
    pub why: String,
    /// The line of the file.
    pub line: usize,
    pub methods: EnumMap<Method, bool>,
    pub accounts: AccountSet,
    /// Whether FindInboxes may leave the account out.
    pub everywhere: bool,
    pub users: UserScope,
    pub bots: BotScope,
    pub itself: bool,
    /// The most detail.
    pub detail: Detail,
    pub secrets: SecretGroups,
}

/// From the fewest users to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserScope {
    None,
    /// The user of the token that comes along.
    WithToken,
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BotScope {
    None,
    Any,
    Only(BTreeSet<AgentBotId>),
}

/// A refusal, and the rules that came nearest.
#[derive(Debug)]
pub struct Refusal<'r> {
    /// The first part that all of the nearest rules lack.
    pub needs: Needs,
    pub nearest: Vec<&'r Rule>,
    /// All parts that the one of them lacks that lacks the fewest.
    pub missing: Vec<Needs>,
}

impl Refusal<'_> {
    /// A token is what lacks where a rule would take one of this user.
    fn explain_token(mut self, viewer: Viewer, proved: Option<UserId>) -> Self {
        let takes_tokens = |rule: &&Rule| rule.users == UserScope::WithToken;
        if self.needs == Needs::Viewer
            && matches!(viewer, Viewer::User(_))
            && proved.is_none()
            && self.nearest.iter().any(takes_tokens)
        {
            self.needs = Needs::ViewerToken;
            self.nearest.retain(takes_tokens);
            let missing = self.missing.iter_mut();
            for needs in missing.filter(|needs| **needs == Needs::Viewer) {
                *needs = Needs::ViewerToken;
            }
        }
        self
    }
}

/// The rules that allow a question with their secrets, or the refusal.
pub type Explanation<'r> = Result<(Vec<&'r Rule>, SecretGroups), Refusal<'r>>;

/// A part of a question, and whether a rule allows it.
type Part<'p> = (Needs, &'p dyn Fn(&Rule) -> bool);

impl Rule {
    /// The rules without a callers file: for any user and bot with all secrets, and for
    /// the caller itself with those of a role.
    pub fn built_in(role: Role) -> [Self; 2] {
        let rule = |why: &str, secrets| Self {
            why: why.to_owned(),
            line: 0,
            methods: EnumMap::from_fn(|_| true),
            accounts: AccountSet::All,
            everywhere: false,
            users: UserScope::None,
            bots: BotScope::None,
            itself: false,
            detail: Detail::Full,
            secrets,
        };
        let as_itself = match role {
            Role::Agent => SecretGroups::NONE,
            Role::Administrator => SecretGroups::ALL,
        };
        [
            Self {
                users: UserScope::Any,
                bots: BotScope::Any,
                ..rule("any viewer", SecretGroups::ALL)
            },
            Self {
                itself: true,
                everywhere: true,
                ..rule("itself", as_itself)
            },
        ]
    }

    /// `proved` is the user of a token: then the question is for this user, or not allowed.
    fn allows_viewer(&self, viewer: Viewer, proved: Option<UserId>) -> bool {
        if proved.is_some_and(|user| viewer != Viewer::User(user)) {
            return false;
        }
        match viewer {
            Viewer::User(_) => match self.users {
                UserScope::None => false,
                UserScope::WithToken => proved.is_some(),
                UserScope::Any => true,
            },
            Viewer::AgentBot(bot) => match &self.bots {
                BotScope::None => false,
                BotScope::Any => true,
                BotScope::Only(bots) => bots.contains(&bot),
            },
            Viewer::Service => self.itself,
        }
    }
}

/// Decides on a question: the rules that allow it, and the permit. `proved` is the user of a
/// token, if one was presented.
pub fn decide<'r>(
    rules: &'r [Rule],
    ask: &Ask,
    proved: Option<UserId>,
) -> Result<(Vec<&'r Rule>, Permit), Refusal<'r>> {
    let allowing = allowing(
        rules,
        &[
            (Needs::Method, &|rule| rule.methods[ask.method]),
            (Needs::Account, &|rule| rule.accounts.contains(ask.account)),
            (Needs::Viewer, &|rule| {
                rule.allows_viewer(ask.viewer, proved)
            }),
            (Needs::Detail, &|rule| rule.detail >= ask.detail),
        ],
    );
    let allowing = allowing.map_err(|refusal| refusal.explain_token(ask.viewer, proved))?;
    let secrets = united_secrets(&allowing);
    let permit = Permit::grant(ask.account, ask.viewer, secrets, ask.detail);
    Ok((allowing, permit))
}

/// The same for FindInboxes without an account.
pub fn decide_search(
    rules: &[Rule],
    ask: SearchAsk,
    proved: Option<UserId>,
) -> Result<(Vec<&Rule>, SearchPermit), Refusal<'_>> {
    let allowing = allowing(
        rules,
        &[
            (Needs::Method, &|rule| rule.methods[Method::FindInboxes]),
            (Needs::Search, &|rule| rule.everywhere),
            (Needs::Viewer, &|rule| {
                rule.allows_viewer(Viewer::Service, proved)
            }),
            (Needs::Detail, &|rule| rule.detail >= ask.detail),
        ],
    )?;
    // Rules of one caller that allow a search have equal secrets; the file sees to it.
    let secrets = united_secrets(&allowing);
    let accounts = allowing.iter().map(|rule| &rule.accounts);
    let permit = SearchPermit::grant(accounts.cloned().collect(), secrets, ask.detail);
    Ok((allowing, permit))
}

/// The permit of `check`, which counts degradations of all fields, and sends nothing.
pub const fn permit_check(account: AccountId) -> Permit {
    Permit::grant(account, Viewer::Service, SecretGroups::ALL, Detail::Full)
}

/// The rules that allow all parts. Of those that allow the parts so far, none may be left
/// at some part: then this part is missing.
fn allowing<'r>(rules: &'r [Rule], parts: &[Part<'_>]) -> Result<Vec<&'r Rule>, Refusal<'r>> {
    let mut nearest: Vec<_> = rules.iter().collect();
    for (needs, allows) in parts {
        let allowing: Vec<_> = nearest.iter().copied().filter(|it| allows(it)).collect();
        if allowing.is_empty() {
            let missing = nearest.iter().map(|rule| {
                let missing = parts.iter().filter(|(_, allows)| !allows(rule));
                missing.map(|(needs, _)| *needs).collect::<Vec<_>>()
            });
            return Err(Refusal {
                needs: *needs,
                missing: missing.min_by_key(Vec::len).unwrap_or_else(|| vec![*needs]),
                nearest,
            });
        }
        nearest = allowing;
    }
    Ok(nearest)
}

fn united_secrets(rules: &[&Rule]) -> SecretGroups {
    rules.iter().flat_map(|rule| rule.secrets.iter()).collect()
}

#[cfg(test)]
mod tests;
