//! Settings of metrics, traces, and the lines of calls.

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Args, ValueEnum};
use url::Url;

use super::{ConfigError, Environment, numbers, switch::Switch};

#[derive(Debug, Args)]
pub struct OperatorArguments {
    /// Address of /livez, /readyz and /metrics over HTTP; a port alone means loopback [default: none]
    ///
    /// It has no TLS and asks for no credentials; it shows no secret and no data. Port 0
    /// takes a free one and prints it.
    #[arg(long, value_name = "ADDRESS")]
    pub admin_listen: Option<String>,

    /// Whether disclosed secrets and refused questions have lines in the log [default: on]
    ///
    /// They are JSON, with ids and names of groups, whatever RUST_LOG says.
    #[arg(long, value_name = "STATE")]
    pub audit: Option<Switch>,

    /// The calls that have lines in the log [default: all]
    ///
    /// Calls of unknown callers have lines in any case.
    #[arg(long, value_name = "CALLS")]
    pub access_log: Option<AccessLog>,

    /// Share of the calls that begin a trace, from 0 to 1 [default: 0]
    ///
    /// Traces are sent to OTEL_EXPORTER_OTLP_ENDPOINT, if that is set. A trace of a known
    /// caller that is sampled goes on whatever the share.
    #[arg(long, value_name = "SHARE")]
    pub trace_ratio: Option<String>,
}

/// The calls that have lines in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AccessLog {
    /// Every call.
    #[default]
    All,
    /// Calls that fail.
    Errors,
    /// None.
    Off,
}

/// Settings of metrics, traces, and the lines of calls.
#[derive(Debug)]
pub struct Operators {
    /// Where metrics are.
    pub admin_listen: Option<SocketAddr>,
    /// Whether disclosed secrets and refused questions have lines in the log.
    pub has_audit: bool,
    pub access_log: AccessLog,
    /// `None` sends no traces.
    pub traces: Option<Traces>,
}

/// Where traces go.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// Of a collector that speaks OTLP over gRPC.
    pub endpoint: String,
    /// The share of calls without a parent that are sampled.
    pub ratio: f64,
}

impl OperatorArguments {
    pub fn read(self, set: Environment<'_>) -> Result<Operators, ConfigError> {
        let ratio = numbers::TRACE_RATIO.read(self.trace_ratio, set)?;
        let endpoint = set("OTEL_EXPORTER_OTLP_ENDPOINT");
        Ok(Operators {
            admin_listen: admin_address(self.admin_listen, set)?,
            has_audit: Switch::read(self.audit, "AUDIT", set)?,
            access_log: AccessLog::read(self.access_log, set)?,
            traces: endpoint
                .map(|endpoint| Traces::to(endpoint, ratio))
                .transpose()?,
        })
    }
}

fn admin_address(
    flag: Option<String>,
    set: Environment<'_>,
) -> Result<Option<SocketAddr>, ConfigError> {
    let (setting, text) = match (flag, set("ADMIN_LISTEN")) {
        (Some(text), _) => ("--admin-listen", text),
        (None, Some(text)) => ("ADMIN_LISTEN", text),
        (None, None) => return Ok(None),
    };
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let text = text.trim();
    let address = text.parse().ok().map(loopback).or_else(|| {
        // Names are not resolved, except this one.
        let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
        numeric.parse().ok()
    });
    let reason = "must be a port, or an address with a port, such as 127.0.0.1:9464";
    address
        .map(Some)
        .ok_or_else(|| ConfigError::setting(setting, reason))
}

impl AccessLog {
    fn read(flag: Option<Self>, set: Environment<'_>) -> Result<Self, ConfigError> {
        let Some(text) = set("ACCESS_LOG").filter(|_| flag.is_none()) else {
            return Ok(flag.unwrap_or_default());
        };
        Self::from_str(&text, false)
            .map_err(|_| ConfigError::setting("ACCESS_LOG", "must be all, errors or off"))
    }
}

impl Traces {
    fn to(endpoint: String, ratio: f64) -> Result<Self, ConfigError> {
        let error = |reason| ConfigError::setting("OTEL_EXPORTER_OTLP_ENDPOINT", reason);
        // A text that is not used is not quoted: it may have a password.
        let url = Url::parse(&endpoint);
        let url = url.map_err(|_| error("must be a URL, such as http://127.0.0.1:4317"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("must have neither a user nor a password"));
        }
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(Self { endpoint, ratio }),
            _ => Err(error("must begin with http:// or https://")),
        }
    }
}
