//! Time-outs that tests shorten or lengthen: flags without a variable, hidden from the help.
//!
//! Their defaults are what docs/limits.md says.

use std::time::Duration;

use clap::Args;

use super::{ConfigError, numbers::Setting};
use crate::store::{DatabaseSettings, RedisSettings};

/// The time-outs of a server that no operator has to change.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The time until the preface of HTTP/2 has been received.
    pub preface_timeout: Duration,
    /// The time without a byte received.
    pub idle_timeout: Duration,
    /// The time without a byte accepted by the peer, while bytes are pending.
    pub write_timeout: Duration,
    /// Between two pings of a peer.
    pub keepalive_interval: Duration,
    /// Until a ping is answered.
    pub keepalive_timeout: Duration,
    /// Until a call that waits for a read is refused.
    pub max_queue_timeout: Duration,
    /// How long the last answers of a shutdown have to leave.
    pub flush_timeout: Duration,
}

#[derive(Debug, Args)]
pub struct TimeoutArguments {
    #[arg(long, value_name = "DURATION", hide = true)]
    preface_timeout: Option<String>,
    #[arg(long, value_name = "DURATION", hide = true)]
    idle_timeout: Option<String>,
    #[arg(long, value_name = "DURATION", hide = true)]
    write_timeout: Option<String>,
    #[arg(long, value_name = "DURATION", hide = true)]
    keepalive_interval: Option<String>,
    #[arg(long, value_name = "DURATION", hide = true)]
    keepalive_timeout: Option<String>,
    #[arg(long, value_name = "DURATION", hide = true)]
    max_queue_timeout: Option<String>,
    #[arg(long, value_name = "DURATION", hide = true)]
    flush_timeout: Option<String>,
    #[arg(long, value_name = "DURATION", hide = true)]
    redis_timeout: Option<String>,
    #[arg(long, value_name = "DURATION", hide = true)]
    connection_retry_interval: Option<String>,
}

impl TimeoutArguments {
    /// Reads them all. Those of the store, which has their defaults, are set in its settings.
    pub fn read(
        self,
        database: &mut Option<DatabaseSettings>,
        redis: &mut Option<RedisSettings>,
    ) -> Result<Timeouts, ConfigError> {
        let optional = |flag, text| timeout(flag, "").read_optional(text, &|_| None);
        let interval = optional(
            "--connection-retry-interval",
            self.connection_retry_interval,
        )?;
        if let (Some(DatabaseSettings::Postgres(settings)), Some(interval)) = (database, interval) {
            settings.connection_retry_interval = interval;
        }
        let redis_timeout = optional("--redis-timeout", self.redis_timeout)?;
        if let (Some(settings), Some(timeout)) = (redis, redis_timeout) {
            settings.timeout = timeout;
        }
        let read = |flag, default, text| timeout(flag, default).read(text, &|_| None);
        Ok(Timeouts {
            preface_timeout: read("--preface-timeout", "10s", self.preface_timeout)?,
            idle_timeout: read("--idle-timeout", "30s", self.idle_timeout)?,
            write_timeout: read("--write-timeout", "30s", self.write_timeout)?,
            keepalive_interval: read("--keepalive-interval", "20s", self.keepalive_interval)?,
            keepalive_timeout: read("--keepalive-timeout", "10s", self.keepalive_timeout)?,
            max_queue_timeout: read("--max-queue-timeout", "3s", self.max_queue_timeout)?,
            flush_timeout: read("--flush-timeout", "500ms", self.flush_timeout)?,
        })
    }
}

const fn timeout(flag: &'static str, default: &'static str) -> Setting<Duration> {
    Setting {
        flag,
        variable: "",
        default,
        bounds: "a duration from 1ms to 1h, such as 10s",
        min: Duration::from_millis(1),
        max: Duration::from_hours(1),
    }
}
