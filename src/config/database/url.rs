//! The URL of a PostgreSQL, taken apart as libpq and Rails take it apart.
//!
//! No part is quoted in any message: any may hold a password.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// The parts of a URL, decoded; `None` where it leaves one out.
#[derive(Clone)]
pub struct PostgresUrl {
    /// One host, or several with commas between them.
    pub host: Option<String>,
    /// One port, or one for each host.
    pub port: Option<String>,
    pub database: Option<String>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// The other parameters in their order, and those that are blank.
    pub parameters: Vec<(String, String)>,
}

impl PostgresUrl {
    /// `None` for any other URL, and for one with a misplaced part. An `@` after the host
    /// is the sign of a password that was not escaped.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at_checked(authority_end)?;
        if !matches!(scheme, "postgres" | "postgresql") || behind.contains(['@', '#']) {
            return None;
        }
        let (user, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (username, password) = user.split_once(':').unwrap_or((user, ""));
        let addresses: Vec<_> = server
            .split(',')
            .map(split_address)
            .collect::<Option<_>>()?;
        let (hosts, ports): (Vec<_>, Vec<_>) = addresses.into_iter().unzip();
        let ports = Some(ports).filter(|ports| ports.iter().any(|port| !port.is_empty()));
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        let mut parsed = Self {
            host: non_empty(decode(&hosts.join(","))?),
            port: non_empty(decode(&ports.unwrap_or_default().join(","))?),
            database: non_empty(decode(path.trim_start_matches('/'))?),
            username: non_empty(decode(username)?),
            password: non_empty(decode(password)?).map(Into::into),
            parameters: Vec::new(),
        };
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            parsed.set(decode(key)?, decode(value)?);
        }
        // libpq connects to the address; the host is a name for it.
        if let Some(addresses) = parsed.parameter(&["hostaddr"]).map(ToOwned::to_owned) {
            let is_address = |address: &str| address.parse::<IpAddr>().is_ok();
            parsed.host = addresses.split(',').all(is_address).then_some(addresses);
            parsed.host.as_ref()?;
        }
        Some(parsed)
    }

    /// Whether both URLs differ in user and password at most.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.host == other.host
            && self.port == other.port
            && self.database == other.database
            && self.parameters == other.parameters
    }

    /// A parameter counts before the same part of the address, and the last one counts.
    fn set(&mut self, key: String, value: String) {
        match key.as_str() {
            _ if value.is_empty() => self.parameters.push((key, value)),
            "host" => self.host = Some(value),
            "port" => self.port = Some(value),
            "dbname" | "database" => self.database = Some(value),
            "user" | "username" => self.username = Some(value),
            "password" => self.password = Some(value.into()),
            _ => self.parameters.push((key, value)),
        }
    }

    /// The last of the parameters with one of these names, if it is not blank.
    pub fn parameter(&self, names: &[&str]) -> Option<&str> {
        let mut parameters = self.parameters.iter().rev();
        parameters
            .find(|(key, value)| names.contains(&key.as_str()) && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// Host and port of an address. One of IPv6 has brackets, and colons of its own.
fn split_address(text: &str) -> Option<(&str, &str)> {
    let (host, behind) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']')?,
        None => text.split_at_checked(text.find(':').unwrap_or(text.len()))?,
    };
    match behind {
        "" => Some((host, "")),
        port => Some((host, port.strip_prefix(':')?)),
    }
}

/// A text without its escapes, in which a plus sign stays one.
fn decode(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    // A zero would end it where PostgreSQL is sent it.
    Some(text.into_owned()).filter(|text| !text.contains('\0'))
}

fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
