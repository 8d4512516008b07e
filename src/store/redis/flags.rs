//! leadchat's flags of channels that must be connected again, which it keeps in Redis.

use tracing::{info, warn};

use super::{Redis, RedisSettings};
use crate::{
    domain::reauthorization::{FlagKey, ReauthorizationFlags},
    leadchat::reauthorization::{is_required, key},
    metrics::store::{RedisResult, StoreMetrics},
    store::Ownership,
};

/// The flags of a Redis, if there is one.
pub struct RedisFlags {
    redis: Option<Redis>,
    metrics: StoreMetrics,
}

impl RedisFlags {
    /// Connects to Redis, if there is one, and logs where the states come from. Redis may be
    /// away.
    pub async fn open(
        settings: Option<RedisSettings>,
        ownership: Ownership,
        metrics: StoreMetrics,
    ) -> Self {
        let Some(settings) = settings else {
            if ownership == Ownership::Attached {
                warn!(
                    "reauthorization is unknown: Rails keeps it in Redis, \
                     and neither REDIS_URL nor REDIS_SENTINELS is set"
                );
            }
            return Self {
                redis: None,
                metrics,
            };
        };
        info!(redis = %settings, "reauthorization is read from Redis");
        let redis = Redis::open(settings, metrics.clone()).await;
        Self {
            redis: Some(redis),
            metrics,
        }
    }

    /// The flags of some channels, in one round trip, or in none where there are no
    /// channels. A flag that Redis refuses, or does not send in time, is missing.
    pub async fn read(&self, channels: &[FlagKey]) -> ReauthorizationFlags {
        let Some(redis) = &self.redis else {
            return ReauthorizationFlags::default();
        };
        let (channels, keys): (Vec<_>, Vec<_>) = channels
            .iter()
            .filter_map(|channel| Some((*channel, key(*channel)?)))
            .unzip();
        if keys.is_empty() {
            return ReauthorizationFlags::default();
        }
        let replies = redis.values(&keys).await;
        self.metrics.redis_read(match &replies {
            Some(replies) if replies.iter().any(Result::is_err) => RedisResult::Refused,
            Some(_) => RedisResult::Ok,
            None => RedisResult::Failed,
        });
        let replies = replies.unwrap_or_default();
        let flags = channels.into_iter().zip(replies);
        flags
            .filter_map(|(channel, reply)| Some((channel, is_required(reply.ok()?.as_deref()))))
            .collect()
    }

    /// Whether there is a Redis.
    pub const fn is_configured(&self) -> bool {
        self.redis.is_some()
    }

    /// Why Redis refuses to send flags, if it does, in a few words.
    pub fn refusals(&self) -> Option<String> {
        self.redis.as_ref().and_then(Redis::refusals)
    }
}
