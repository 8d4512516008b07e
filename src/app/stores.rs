//! Opens what inboxes are read from: a database of the settings, or demonstration data.

use std::num::NonZeroUsize;

use super::{AppError, derive_keys};
use crate::{
    demo::Demo,
    leadchat::{Installation, Keys, Secrets},
    metrics::store::StoreMetrics,
    store::{DatabaseSettings, RedisFlags, RedisSettings, Store},
};

/// The store to serve, and what keeps demonstration data alive.
pub async fn open_store(
    database: Option<DatabaseSettings>,
    connections: NonZeroUsize,
    redis: Option<RedisSettings>,
    installation: Installation,
    secrets: Secrets,
    metrics: &StoreMetrics,
) -> Result<(Store, RedisFlags, Option<Demo>), AppError> {
    let has_flags = redis.is_some();
    match database {
        Some(database) => {
            let keys = derive_keys(secrets).await?;
            let store = Store::open(
                &database,
                connections,
                has_flags,
                installation,
                keys,
                metrics,
            )
            .await?;
            let flags = RedisFlags::open(redis, store.ownership(), metrics.clone()).await;
            Ok((store, flags, None))
        }
        None => {
            let demo = Demo::create().await?;
            // Demonstration data holds nothing encrypted.
            let keys = Keys::default();
            let installation = Demo::installation();
            let store = Store::open(
                &demo.database(),
                connections,
                false,
                installation,
                keys,
                metrics,
            )
            .await?;
            let flags = RedisFlags::open(None, store.ownership(), metrics.clone()).await;
            Ok((store, flags, Some(demo)))
        }
    }
}
