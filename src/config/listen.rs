//! The address to listen on.

use std::{fmt, net::SocketAddr, path::PathBuf};

use super::{ConfigError, may_hold_password};

pub const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";

/// An address that only processes of this machine can connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
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
