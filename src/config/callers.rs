//! The callers file, and questions about it.

use std::path::PathBuf;

use super::{ConfigError, Environment, arguments::CallersArguments};
use crate::{
    domain::{
        id::{AccountId, AgentBotId, UserId},
        viewer::{Detail, Role, Viewer},
    },
    identity::{Ask, Method, SearchAsk},
};

/// The callers that are served.
#[derive(Debug)]
pub enum CallersSettings {
    /// Every process of this machine, with this role as its own viewer.
    BuiltIn(Role),
    /// Those of a file.
    File(PathBuf),
}

/// Settings of `callers`.
#[derive(Debug)]
pub struct Callers {
    pub path: PathBuf,
    /// `None` for a list.
    pub question: Option<CallerQuestion>,
    pub as_json: bool,
}

#[derive(Debug)]
pub enum CallerQuestion {
    /// Whether a caller may ask something.
    Permitted {
        caller: String,
        ask: CallerAsk,
        /// The user whose token comes along.
        proved: Option<UserId>,
    },
    /// Which caller the certificate of this file is for.
    Certificate(PathBuf),
    /// Which caller the token on standard input is for.
    Token,
}

#[derive(Debug)]
pub enum CallerAsk {
    Account(Ask),
    Search(SearchAsk),
}

/// The path of the file, if one is set. An empty one is an error: without a file, everybody
/// may ask everything.
pub fn path(
    flag: Option<String>,
    environment: Environment<'_>,
) -> Result<Option<PathBuf>, ConfigError> {
    let (setting, path) = match flag {
        Some(path) => ("--callers", Some(path)),
        None => ("CALLERS_FILE", environment("CALLERS_FILE")),
    };
    if path.as_ref().is_some_and(String::is_empty) {
        return Err(ConfigError::setting(
            setting,
            "is empty; leave it out to serve every process of this machine",
        ));
    }
    Ok(path.map(PathBuf::from))
}

pub fn read_serve(
    flag: Option<String>,
    local_role: Option<Role>,
    environment: Environment<'_>,
) -> Result<CallersSettings, ConfigError> {
    match (path(flag, environment)?, local_role) {
        (Some(_), Some(_)) => Err(ConfigError::setting(
            "--local-role",
            "is for a server without a callers file; in the file, a rule with \
             as = { itself = true } says what a caller may ask as itself",
        )),
        (Some(path), None) => Ok(CallersSettings::File(path)),
        (None, role) => Ok(CallersSettings::BuiltIn(role.unwrap_or(Role::Agent))),
    }
}

pub fn read_command(
    flags: CallersArguments,
    environment: Environment<'_>,
) -> Result<Callers, ConfigError> {
    let CallersArguments {
        callers,
        caller,
        method,
        account,
        viewer,
        detail,
        with_token,
        certificate,
        token_from,
        json,
    } = flags;
    if token_from.as_deref().is_some_and(|source| source != "-") {
        return Err(ConfigError::setting(
            "--token-from",
            "must be -, for standard input: other processes can read an argument",
        ));
    }
    let path = path(callers, environment)?;
    let path = path.ok_or_else(|| {
        ConfigError::setting("--callers", "is not set; it says which file to read")
    })?;
    let question = match caller.zip(method) {
        None if token_from.is_some() => Some(CallerQuestion::Token),
        None => certificate.map(|path| CallerQuestion::Certificate(path.into())),
        Some((caller, method)) => {
            let detail = detail.map_or(Detail::Full, Into::into);
            let method = Method::from_name(&method);
            let method = method
                .filter(|it| *it != Method::ExplainAccess)
                .ok_or_else(|| {
                    ConfigError::setting(
                        "--method",
                        "is no method of the inbox service that asks for inboxes",
                    )
                })?;
            let viewer = viewer.as_deref().map_or(Some(Viewer::Service), read_viewer);
            let viewer = viewer
                .ok_or_else(|| ConfigError::setting("--as", "must be itself, user:ID or bot:ID"))?;
            let ask = match (account, method, viewer) {
                (Some(account), _, _) => CallerAsk::Account(Ask {
                    method,
                    account: AccountId(read_id(&account).ok_or_else(|| {
                        ConfigError::setting("--account", "must be an id, such as 7")
                    })?),
                    viewer,
                    detail,
                }),
                (None, Method::FindInboxes, Viewer::Service) => {
                    CallerAsk::Search(SearchAsk { detail })
                }
                (None, _, _) => {
                    return Err(ConfigError::setting(
                        "--account",
                        "is not set; only FindInboxes as itself may leave it out",
                    ));
                }
            };
            let proved = match viewer {
                Viewer::User(user) => Some(user).filter(|_| with_token),
                _ if with_token => {
                    return Err(ConfigError::setting("--with-token", "needs --as user:ID"));
                }
                _ => None,
            };
            Some(CallerQuestion::Permitted {
                caller,
                ask,
                proved,
            })
        }
    };
    Ok(Callers {
        path,
        question,
        as_json: json,
    })
}

fn read_viewer(text: &str) -> Option<Viewer> {
    if text == "itself" {
        return Some(Viewer::Service);
    }
    match text.split_once(':')? {
        ("user", id) => read_id(id).map(|id| Viewer::User(UserId(id))),
        ("bot", id) => read_id(id).map(|id| Viewer::AgentBot(AgentBotId(id))),
        _ => None,
    }
}

fn read_id(text: &str) -> Option<i64> {
    text.parse().ok().filter(|id| *id > 0)
}
