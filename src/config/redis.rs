//! The Redis with leadchat's flags: a URL, or sentinels.
//!
//! The variables are read as leadchat reads them, with one exception: there is no default
//! Redis. leadchat takes one on its own machine. The service may run on another machine,
//! whose Redis would report every channel as authorized.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{ConfigError, Environment, secret_files::SecretFiles};
use crate::{
    leadchat::is_blank,
    store::{
        Credentials, CredentialsFile, CredentialsFiles, RedisAddress, RedisSettings,
        SecretFileError, Sentinels,
    },
};

const DEFAULT_PORT: u16 = 6379;
const DEFAULT_SENTINEL_PORT: u16 = 26379;
const DEFAULT_MASTER_NAME: &str = "mymaster";

/// `None` if no Redis is set. `raw` distinguishes an empty variable from an unset one.
pub fn read(
    environment: Environment<'_>,
    raw: Environment<'_>,
    files: &SecretFiles,
) -> Result<Option<RedisSettings>, ConfigError> {
    let text = |name| environment(name).filter(|value| !is_blank(value));
    let password = text("REDIS_PASSWORD");
    let password_file = files.password("REDIS_PASSWORD");
    if let Some(sentinels) = text("REDIS_SENTINELS") {
        // Sentinels use the password of Redis unless they have their own; an empty one is
        // none.
        let sentinel_password = raw("REDIS_SENTINEL_PASSWORD");
        let sentinel_password_file = match sentinel_password {
            Some(_) => files.password("REDIS_SENTINEL_PASSWORD"),
            None => password_file.clone(),
        };
        let sentinel_password = sentinel_password.or_else(|| password.clone());
        let sentinel_password = sentinel_password.filter(|password| !is_blank(password));
        return Ok(Some(RedisSettings {
            address: RedisAddress::Sentinels(Sentinels {
                addresses: parse_addresses(&sentinels)?,
                password: sentinel_password.map(Into::into),
                credentials_files: sentinel_password_file.into_iter().collect(),
                master_name: text("REDIS_SENTINEL_MASTER_NAME")
                    .unwrap_or_else(|| DEFAULT_MASTER_NAME.to_owned()),
            }),
            username: None,
            password: password.map(Into::into),
            credentials_files: password_file.into_iter().collect(),
            timeout: RedisSettings::DEFAULT_TIMEOUT,
        }));
    }
    let Some(url) = text("REDIS_URL") else {
        return Ok(None);
    };
    let mut settings = parse(&url).ok_or_else(|| {
        ConfigError::setting(
            "REDIS_URL",
            "must be redis://HOST:PORT/DATABASE, rediss:// for TLS, or unix:///PATH, with \
             special characters of a password escaped",
        )
    })?;
    let of_url = of_url(&settings, password.is_some(), files);
    if let Some(password) = password {
        settings.password = Some(password.into());
    }
    settings.credentials_files = password_file.into_iter().chain(of_url).collect();
    Ok(Some(settings))
}

/// The file of a URL. Another place, or the lack of a part, is no rotation. A password
/// beside the URL takes precedence over the one in it.
fn of_url(
    first: &RedisSettings,
    has_password_beside: bool,
    files: &SecretFiles,
) -> Option<CredentialsFile> {
    let place = first.to_string();
    let has_username = first.username.is_some();
    let has_password = first.password.is_some() && !has_password_beside;
    files.credentials("REDIS_URL", move |text| {
        let url = parse(text).ok_or(SecretFileError::Invalid)?;
        if url.to_string() != place {
            return Err(SecretFileError::OtherPlace);
        }
        Credentials {
            username: url.username,
            password: url.password.filter(|_| !has_password_beside),
        }
        .with_parts_of(has_username, has_password)
    })
}

/// `None` for any other URL, without a reason, which might quote a password.
fn parse(url: &str) -> Option<RedisSettings> {
    let (scheme, rest) = url.split_once(':')?;
    if scheme == "unix" {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        // Text after a path may hold a password, and a socket takes none here.
        let is_path = path.starts_with('/') && !path.contains(['?', '#', '@']);
        return is_path.then(|| RedisSettings {
            address: RedisAddress::Socket(path.into()),
            username: None,
            password: None,
            credentials_files: CredentialsFiles::default(),
            timeout: RedisSettings::DEFAULT_TIMEOUT,
        });
    }
    // An `@` after the host is the sign of a password that was not escaped.
    let rest = rest.strip_prefix("//")?;
    let behind_host = rest.find(['/', '?', '#']).and_then(|end| rest.get(end..));
    if behind_host.is_some_and(|rest| rest.contains(['@', '#'])) {
        return None;
    }
    let parsed = Url::parse(url).ok()?;
    let host = match parsed.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => "localhost".to_owned(),
    };
    let path = parsed.path();
    let database = match path.strip_prefix('/').unwrap_or(path) {
        "" => 0,
        number => number.parse().ok().filter(|number| *number >= 0)?,
    };
    // A user without a password is a password without a user.
    let (username, password) = match (parsed.username(), parsed.password()) {
        ("", password) => (None, password),
        (password, None) => (None, Some(password)),
        (username, password) => (Some(decode(username)?), password),
    };
    Some(RedisSettings {
        address: RedisAddress::Server {
            is_tls: match scheme {
                "redis" => false,
                "rediss" => true,
                _ => return None,
            },
            host,
            port: parsed.port().unwrap_or(DEFAULT_PORT),
            database,
        },
        username,
        password: match password {
            Some(password) => Some(decode(password)?.into()),
            None => None,
        },
        credentials_files: CredentialsFiles::default(),
        timeout: RedisSettings::DEFAULT_TIMEOUT,
    })
}

/// As a form is decoded, where a plus sign is a space.
fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// Hosts and ports, separated by commas. Other text is not quoted: it may be a URL with a
/// password.
fn parse_addresses(list: &str) -> Result<Vec<(String, u16)>, ConfigError> {
    let address = |text: &str| {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host.trim(), port.trim()),
            None => (text.trim(), ""),
        };
        let port = match port {
            "" => DEFAULT_SENTINEL_PORT,
            port => port.parse().ok()?,
        };
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let is_host = !host.is_empty() && host.chars().all(is_name);
        is_host.then(|| (host.to_owned(), port))
    };
    let list = list.trim_end_matches([',', ' ']);
    let addresses: Option<Vec<_>> = list.split(',').map(address).collect();
    addresses.ok_or_else(|| {
        ConfigError::setting(
            "REDIS_SENTINELS",
            "must be addresses as HOST:PORT, with commas between them",
        )
    })
}
