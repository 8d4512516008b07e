//! The addresses to listen on, and whether they tell the contract.

use std::{fmt, net::SocketAddr, path::PathBuf};

use super::{ConfigError, Environment, arguments::Reflection, may_hold_password};

const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";

/// An address that only processes of this machine can connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The addresses of the flags, or else of the variable, separated by commas.
pub fn read(flags: &[String], set: Environment<'_>) -> Result<Vec<ListenAddress>, ConfigError> {
    if !flags.is_empty() {
        let parse = |address: &String| ListenAddress::parse("--listen", address);
        return flags.iter().map(parse).collect();
    }
    let addresses = set("LISTEN_ADDR");
    let addresses = addresses.as_deref().unwrap_or(DEFAULT_ADDRESS).split(',');
    let parse = |address: &str| ListenAddress::parse("LISTEN_ADDR", address.trim());
    addresses.map(parse).collect()
}

/// Whether reflection is served.
pub fn read_reflection(
    flag: Option<Reflection>,
    set: Environment<'_>,
) -> Result<bool, ConfigError> {
    let reflection = match (flag, set("REFLECTION").as_deref()) {
        (Some(reflection), _) => reflection,
        (None, None | Some("on")) => Reflection::On,
        (None, Some("off")) => Reflection::Off,
        (None, Some(_)) => return Err(ConfigError::setting("REFLECTION", "must be on or off")),
    };
    Ok(matches!(reflection, Reflection::On))
}

impl ListenAddress {
    pub fn parse(setting: &'static str, text: &str) -> Result<Self, ConfigError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(ConfigError::setting(setting, "unix: needs a path"))
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        // Names are not resolved, except this one.
        let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
        let address: SocketAddr = numeric.parse().map_err(|_| {
            let what = if may_hold_password(text) {
                "this".to_owned()
            } else {
                format!("{text:?}")
            };
            ConfigError::setting(
                setting,
                format!(
                    "{what} is neither an address with a port, such as {DEFAULT_ADDRESS}, nor unix:PATH"
                ),
            )
        })?;
        if !address.ip().is_loopback() {
            return Err(ConfigError::setting(
                setting,
                format!(
                    "{address} can be reached from other machines, and connections are not encrypted; \
                     use a loopback address or unix:PATH"
                ),
            ));
        }
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
