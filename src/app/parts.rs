//! Parts of a server that depend on settings, clocks and randomness alone.

use std::{
    io::{self, Write},
    time::Duration,
};

use secrecy::SecretString;
use tracing::warn;

use super::AppError;
use crate::{
    clock, config,
    domain::freshness::Clock,
    grpc::{self, AuditSink, EtagKey},
    metrics::{Metrics, ProcessFacts},
};

pub fn new_metrics(max_staleness: Duration, clock: Clock, is_scraped: bool) -> Metrics {
    let process = ProcessFacts {
        version: env!("CARGO_PKG_VERSION"),
        clock: clock.wall,
        is_scraped,
        processor_time: clock::processor_time,
    };
    Metrics::new(max_staleness, process)
}

/// The key of etags for administrators. Without the secret of Rails, it is of this process.
pub fn etag_key(secret: Option<&SecretString>) -> Result<EtagKey, AppError> {
    match secret {
        Some(secret) => Ok(EtagKey::derive(secret)),
        None => random_bytes()
            .map(EtagKey::random)
            .ok_or_else(|| AppError::System {
                what: "random bytes",
                reason: "none to be had".to_owned(),
            }),
    }
}

/// The lines of calls, as the server names them.
pub const fn access_log(setting: config::AccessLog) -> grpc::AccessLog {
    match setting {
        config::AccessLog::All => grpc::AccessLog::All,
        config::AccessLog::Errors => grpc::AccessLog::Errors,
        config::AccessLog::Off => grpc::AccessLog::Off,
    }
}

/// Receives the lines of the audit, if there is one.
pub fn audit_sink(has_audit: bool) -> Option<AuditSink> {
    if !has_audit {
        warn!("there is no audit: disclosed secrets and refused questions have no lines");
    }
    has_audit.then_some(write_audit)
}

/// Writes a line of the audit among those of the log, whatever RUST_LOG says.
fn write_audit(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn random_bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// For ids of calls.
pub fn random_id() -> Option<u128> {
    random_bytes().map(u128::from_ne_bytes)
}
