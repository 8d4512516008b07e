//! Parts of a server that depend on settings, clocks and randomness alone.

use std::{
    io::{self, Write},
    num::NonZeroUsize,
    time::Duration,
};

use secrecy::SecretString;
use tracing::warn;

use super::AppError;
use crate::{
    clock, config,
    config::Timeouts,
    directory::LoadLimit,
    domain::freshness::Clock,
    grpc::{self, AuditSink, EtagKey, ServerTimeouts},
    metrics::{Metrics, ProcessFacts},
    store::Store,
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

/// The limit of reads: as it is set, or as the processors bear.
pub fn load_limit(
    max_reads: Option<NonZeroUsize>,
    is_embedded: bool,
    store: &Store,
    timeouts: &Timeouts,
    metrics: &Metrics,
) -> LoadLimit {
    let max_reads = max_reads.unwrap_or_else(|| default_concurrent_reads(is_embedded));
    LoadLimit::new(
        max_reads.get(),
        timeouts.max_queue_timeout,
        store.connections(),
        metrics.reads.clone(),
    )
}

/// The default limit of reads keeps the processors busy. SQLite uses the processors
/// itself; PostgreSQL leaves them idle while a read waits.
fn default_concurrent_reads(is_embedded: bool) -> NonZeroUsize {
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    if is_embedded {
        processors
    } else {
        processors.saturating_add(processors.get())
    }
}

pub const fn server_timeouts(timeouts: &Timeouts) -> ServerTimeouts {
    ServerTimeouts {
        preface_timeout: timeouts.preface_timeout,
        idle_timeout: timeouts.idle_timeout,
        write_timeout: timeouts.write_timeout,
        keepalive_interval: timeouts.keepalive_interval,
        keepalive_timeout: timeouts.keepalive_timeout,
        flush_timeout: timeouts.flush_timeout,
    }
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
