//! Which database: a URL, leadchat's parts, or a file.

use url::Url;

use super::{ConfigError, Environment};
use crate::store::{DatabaseSettings, PostgresSettings};

const DEFAULT_FILE: &str = "leadchat-inbox.db";

/// leadchat's variables; any of them means PostgreSQL.
const PARTS: [&str; 5] = [
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_DATABASE",
    "POSTGRES_USERNAME",
    "POSTGRES_PASSWORD",
];

pub fn read(
    flag: Option<String>,
    environment: Environment<'_>,
) -> Result<Option<DatabaseSettings>, ConfigError> {
    if let Some(url) = flag {
        if has_password(&url) {
            return Err(ConfigError::setting(
                "--database-url",
                "a password on the command line is there for every process to read; \
                 put the URL into the environment as DATABASE_URL",
            ));
        }
        return parse("--database-url", &url).map(Some);
    }
    if let Some(url) = environment("DATABASE_URL") {
        return parse("DATABASE_URL", &url).map(Some);
    }
    if PARTS.iter().any(|name| environment(name).is_some()) {
        return parts(environment).map(DatabaseSettings::Postgres).map(Some);
    }
    Ok(None)
}

/// What is served where no database is named.
pub fn default() -> DatabaseSettings {
    DatabaseSettings::Sqlite(DEFAULT_FILE.into())
}

/// Never quotes the URL: it may hold a password.
fn parse(setting: &'static str, url: &str) -> Result<DatabaseSettings, ConfigError> {
    if let Some(path) = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))
    {
        return if path.is_empty() || path.starts_with(':') || path.contains('?') {
            Err(ConfigError::setting(
                setting,
                "sqlite:// needs the path of a file, and no more",
            ))
        } else {
            Ok(DatabaseSettings::Sqlite(path.into()))
        };
    }
    let Some(parsed) = postgres_url(url) else {
        return Err(ConfigError::setting(
            setting,
            "must be postgres://HOST/NAME, with special characters of a password escaped, \
             or sqlite://PATH",
        ));
    };
    PostgresSettings::from_url(&parsed)
        .map(DatabaseSettings::Postgres)
        .ok_or_else(|| ConfigError::setting(setting, "has a part that cannot be used"))
}

/// A URL whose parts are where they belong. An `@` behind the host tells of a
/// password that was not escaped, and would be taken for a host or a name.
fn postgres_url(url: &str) -> Option<Url> {
    let (scheme, rest) = url.split_once("://")?;
    let behind_host = rest.find(['/', '?', '#']).and_then(|end| rest.get(end..));
    let sound = matches!(scheme, "postgres" | "postgresql")
        && !behind_host.is_some_and(|rest| rest.contains(['@', '#']));
    Url::parse(url).ok().filter(|_| sound)
}

/// With leadchat's defaults for what is not set.
fn parts(environment: Environment<'_>) -> Result<PostgresSettings, ConfigError> {
    let part = |name, default: &str| environment(name).unwrap_or_else(|| default.to_owned());
    let port = part("POSTGRES_PORT", "5432");
    Ok(PostgresSettings::Parts {
        host: part("POSTGRES_HOST", "localhost"),
        port: port.parse().map_err(|_| {
            ConfigError::setting("POSTGRES_PORT", format!("{port:?} is not a port"))
        })?,
        database: part("POSTGRES_DATABASE", "chatwoot_production"),
        username: part("POSTGRES_USERNAME", "chatwoot_prod"),
        password: part("POSTGRES_PASSWORD", "chatwoot_prod").into(),
    })
}

/// A URL that cannot be read may hold one.
fn has_password(url: &str) -> bool {
    if url.starts_with("sqlite:") {
        return false;
    }
    let sound = postgres_url(url).filter(|url| {
        url.password().is_none() && !url.query_pairs().any(|(key, _)| key.contains("password"))
    });
    sound.is_none() && url.contains(['@', '?'])
}
