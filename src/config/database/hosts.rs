//! Lists of hosts and ports, as libpq has them.

use super::ConfigError;
use crate::store::PostgresHost;

/// For an empty entry in a list of ports.
const DEFAULT_PORT: u16 = 5432;

/// A text with the setting that holds it.
pub struct NamedText {
    pub setting: &'static str,
    pub text: String,
}

/// Pairs hosts with ports: one port for all, or one for each.
pub fn parse(
    host: Option<NamedText>,
    port: Option<NamedText>,
) -> Result<Vec<PostgresHost>, ConfigError> {
    let names = host.map(|host| parse_names(&host)).transpose()?;
    let names = names.unwrap_or_else(|| vec![None]);
    let Some(given) = port else {
        let without_port = |name| PostgresHost { name, port: None };
        return Ok(names.into_iter().map(without_port).collect());
    };
    let ports = parse_ports(&given)?;
    if ports.len() != 1 && ports.len() != names.len() {
        let (ports, hosts) = (ports.len(), names.len());
        let reason =
            format!("the number of ports ({ports}) is neither 1 nor that of hosts ({hosts})");
        return Err(ConfigError::setting(given.setting, reason));
    }
    let hosts = names.into_iter().zip(ports.into_iter().cycle());
    let with_port = |(name, port)| PostgresHost {
        name,
        port: Some(port),
    };
    Ok(hosts.map(with_port).collect())
}

fn parse_names(host: &NamedText) -> Result<Vec<Option<String>>, ConfigError> {
    let names: Vec<_> = host
        .text
        .split(',')
        .map(|name| {
            let name = name.trim();
            let address = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
            Some(address.unwrap_or(name)).filter(|name| !name.is_empty())
        })
        .collect();
    // To libpq, an empty name is a socket on this machine.
    if names.len() > 1 && names.contains(&None) {
        let reason = "has an empty name in its list of hosts";
        return Err(ConfigError::setting(host.setting, reason));
    }
    Ok(names
        .into_iter()
        .map(|name| name.map(ToOwned::to_owned))
        .collect())
}

fn parse_ports(given: &NamedText) -> Result<Vec<u16>, ConfigError> {
    let port = |port: &str| match port.trim() {
        "" => Ok(DEFAULT_PORT),
        port => port.parse().map_err(|_| {
            // A port in a URL is not quoted: it may be a part of a password.
            let reason = match given.setting {
                "POSTGRES_PORT" | "PGPORT" => format!("{port:?} is not a port"),
                _ => "has an invalid port".to_owned(),
            };
            ConfigError::setting(given.setting, reason)
        }),
    };
    given.text.split(',').map(port).collect()
}
