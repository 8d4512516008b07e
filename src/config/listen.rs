//! The addresses to listen on, with the certificate of those with TLS.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use super::{CallersSettings, ConfigError, Environment, may_hold_password};
use crate::identity::PairPaths;

const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A loopback address, without TLS.
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// Any address, with TLS.
    Tls(SocketAddr),
}

/// The addresses of the flags, or else of the variable, separated by commas.
pub fn read(flags: &[String], set: Environment<'_>) -> Result<Vec<ListenAddress>, ConfigError> {
    read_as("--listen", flags, set)
}

/// The same with another name of the flags.
fn read_as(
    flag: &'static str,
    flags: &[String],
    set: Environment<'_>,
) -> Result<Vec<ListenAddress>, ConfigError> {
    if !flags.is_empty() {
        let parse = |address: &String| ListenAddress::parse(flag, address);
        return flags.iter().map(parse).collect();
    }
    let addresses = set("LISTEN_ADDR");
    let addresses = addresses.as_deref().unwrap_or(DEFAULT_ADDRESS).split(',');
    let parse = |address: &str| ListenAddress::parse("LISTEN_ADDR", address.trim());
    addresses.map(parse).collect()
}

/// The address of a server of this machine: that of the argument, or else the first one of the
/// variable.
pub fn read_probed(
    argument: Option<String>,
    set: Environment<'_>,
) -> Result<ListenAddress, ConfigError> {
    let flags: Vec<_> = argument.into_iter().collect();
    let addresses = read_as("ADDRESS", &flags, set)?;
    let first = addresses.into_iter().next();
    let first = first.ok_or_else(|| ConfigError::setting("LISTEN_ADDR", "has no address"))?;
    Ok(match first {
        ListenAddress::Tls(address) if address.ip().is_unspecified() => {
            let loopback: IpAddr = match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            };
            ListenAddress::Tls(SocketAddr::new(loopback, address.port()))
        }
        other => other,
    })
}

/// The paths of the server's certificate and key.
pub fn read_pair(
    certificate: Option<String>,
    key: Option<String>,
    set: Environment<'_>,
) -> Result<Option<PairPaths>, ConfigError> {
    let certificate = certificate.or_else(|| set("TLS_CERTIFICATE_FILE"));
    let key = key.or_else(|| set("TLS_KEY_FILE"));
    let lacks = |setting| Err(ConfigError::setting(setting, "is not set; TLS needs both"));
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(_), None) => lacks("TLS_KEY_FILE (--tls-key)"),
        (None, Some(_)) => lacks("TLS_CERTIFICATE_FILE (--tls-certificate)"),
        (Some(certificate), Some(key)) => Ok(Some(PairPaths {
            certificate: certificate.into(),
            key: key.into(),
        })),
    }
}

/// Refuses addresses with TLS that could not be served, and TLS without an address.
pub fn check_tls(
    listen: &[ListenAddress],
    pair: Option<&PairPaths>,
    callers: &CallersSettings,
) -> Result<(), ConfigError> {
    let refuse = |reason: &str| Err(ConfigError::setting("LISTEN_ADDR (--listen)", reason));
    let has_tls = listen.iter().any(|it| matches!(it, ListenAddress::Tls(_)));
    match (has_tls, pair, callers) {
        (false, Some(_), _) => refuse("has no tls:ADDRESS:PORT, for which there is a certificate"),
        (true, None, _) => refuse("tls: needs --tls-certificate and --tls-key"),
        (true, Some(_), CallersSettings::BuiltIn(_)) => {
            refuse("tls: needs a callers file: --callers")
        }
        _ => Ok(()),
    }
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
        let (with_tls, socket) = match text.strip_prefix("tls:") {
            Some(socket) => (true, socket),
            None => (false, text),
        };
        // Names are not resolved, except this one.
        let numeric = socket.replacen("localhost:", "127.0.0.1:", 1);
        let address: SocketAddr = numeric.parse().map_err(|_| {
            let what = if may_hold_password(text) {
                "this".to_owned()
            } else {
                format!("{text:?}")
            };
            ConfigError::setting(
                setting,
                format!(
                    "{what} is neither an address with a port, such as {DEFAULT_ADDRESS}, nor unix:PATH, \
                     nor tls:ADDRESS:PORT"
                ),
            )
        })?;
        if with_tls {
            return Ok(Self::Tls(address));
        }
        if !address.ip().is_loopback() {
            return Err(ConfigError::setting(
                setting,
                format!(
                    "{address} can be reached from other machines, and connections are not encrypted; \
                     use a loopback address, unix:PATH or tls:{address}"
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
            Self::Tls(address) => write!(f, "tls:{address}"),
        }
    }
}
