//! Settings that are a number, a size or a duration, each within bounds.

use std::{num::NonZeroUsize, time::Duration};

use super::{ConfigError, Environment};

/// A setting with its two names, its default and its bounds.
pub struct Setting<T> {
    pub flag: &'static str,
    pub variable: &'static str,
    pub default: &'static str,
    /// The bounds, as an error names them.
    pub bounds: &'static str,
    pub min: T,
    pub max: T,
}

pub const DATABASE_CONNECTIONS: Setting<NonZeroUsize> = Setting {
    flag: "--database-connections",
    variable: "DATABASE_CONNECTIONS",
    default: "16",
    bounds: "a number from 1 to 1000",
    min: NonZeroUsize::MIN,
    max: number(1000),
};

pub const MAX_CONCURRENT_READS: Setting<NonZeroUsize> = Setting {
    flag: "--max-concurrent-reads",
    variable: "MAX_CONCURRENT_READS",
    // By the number of processors, where it is not set.
    default: "",
    bounds: "a number from 1 to 1000",
    min: NonZeroUsize::MIN,
    max: number(1000),
};

pub const MAX_CONNECTION_AGE: Setting<Duration> = Setting {
    flag: "--max-connection-age",
    variable: "MAX_CONNECTION_AGE",
    default: "15m",
    bounds: "a duration from 1s to 24h, such as 15m",
    min: Duration::from_secs(1),
    max: Duration::from_hours(24),
};

pub const DRAIN_WAIT: Setting<Duration> = Setting {
    flag: "--drain-wait",
    variable: "DRAIN_WAIT",
    default: "0s",
    bounds: "a duration up to 1h, such as 5s",
    min: Duration::ZERO,
    max: Duration::from_hours(1),
};

pub const DRAIN_TIMEOUT: Setting<Duration> = Setting {
    flag: "--drain-timeout",
    variable: "DRAIN_TIMEOUT",
    default: "10s",
    bounds: "a duration up to 1h, such as 10s",
    min: Duration::ZERO,
    max: Duration::from_hours(1),
};

/// Every inbox can be cut to the minimum. At the maximum, a few hundred responses fill
/// some gigabytes of memory.
pub const MAX_RESPONSE_BYTES: Setting<ByteSize> = Setting {
    flag: "--max-response-bytes",
    variable: "MAX_RESPONSE_BYTES",
    default: "3MiB",
    bounds: "a size from 256KiB to 64MiB, such as 3MiB or 3145728",
    min: ByteSize(256 * KIB),
    max: ByteSize(64 * MIB),
};

/// Each keeps about as much memory as a call.
pub const MAX_WATCHES: Setting<NonZeroUsize> = Setting {
    flag: "--max-watches",
    variable: "MAX_WATCHES",
    default: "4096",
    bounds: "a number from 1 to 100000",
    min: NonZeroUsize::MIN,
    max: number(100_000),
};

/// The share of calls without a parent that begin a trace.
pub const TRACE_RATIO: Setting<f64> = Setting {
    flag: "--trace-ratio",
    variable: "TRACE_RATIO",
    default: "0",
    bounds: "a number from 0 to 1, such as 0.01",
    min: 0.0,
    max: 1.0,
};

/// Zero: each call reads the store.
pub const MAX_STALENESS: Setting<Duration> = Setting {
    flag: "--max-staleness",
    variable: "MAX_STALENESS",
    default: "2s",
    bounds: "a duration up to 60s, such as 2s or 0.5",
    min: Duration::ZERO,
    max: Duration::from_mins(1),
};

pub const CACHE_BYTES: Setting<ByteSize> = Setting {
    flag: "--cache-bytes",
    variable: "CACHE_BYTES",
    default: "256MiB",
    bounds: "a size of at least 16MiB, such as 256MiB or 268435456",
    min: ByteSize(16 * MIB),
    max: ByteSize(usize::MAX),
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub usize);

const fn number(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

/// The type of a setting's value.
pub trait Value: Copy + PartialOrd {
    fn parse(text: &str) -> Option<Self>;
}

impl Value for NonZeroUsize {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for ByteSize {
    /// `3MiB`, `256 KiB`, or a number of bytes.
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = [("KiB", KIB), ("MiB", MIB), ("GiB", GIB)]
            .into_iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
            .unwrap_or((text, 1));
        let number: usize = number.trim_end().parse().ok()?;
        number.checked_mul(unit).map(Self)
    }
}

impl Value for f64 {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for Duration {
    /// With a unit, or in seconds, which may have decimals.
    fn parse(text: &str) -> Option<Self> {
        if text.contains(|letter: char| letter != '.' && !letter.is_ascii_digit()) {
            return humantime::parse_duration(text).ok();
        }
        Self::try_from_secs_f64(text.parse().ok()?).ok()
    }
}

impl<T: Value> Setting<T> {
    /// The value of the flag, of the variable, or the default.
    pub fn read(
        &self,
        flag: Option<String>,
        environment: Environment<'_>,
    ) -> Result<T, ConfigError> {
        match self.read_optional(flag, environment)? {
            Some(value) => Ok(value),
            None => self.parse(self.flag, self.default),
        }
    }

    /// The value of the flag or of the variable, if either is given.
    pub fn read_optional(
        &self,
        flag: Option<String>,
        environment: Environment<'_>,
    ) -> Result<Option<T>, ConfigError> {
        let given = match flag {
            Some(text) => Some((self.flag, text)),
            None => environment(self.variable).map(|text| (self.variable, text)),
        };
        given
            .map(|(setting, text)| self.parse(setting, &text))
            .transpose()
    }

    fn parse(&self, setting: &'static str, text: &str) -> Result<T, ConfigError> {
        T::parse(text.trim())
            .filter(|value| (self.min..=self.max).contains(value))
            .ok_or_else(|| ConfigError::setting(setting, format!("must be {}", self.bounds)))
    }
}
