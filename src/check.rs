//! `leadchat-inbox check`: would it serve well, with these settings and over this
//! data?
//!
//! The check inspects the store, its tables, keys, Redis and addresses. Then it reads
//! every account once, as the service does for an administrator. It changes nothing. The
//! result is a [`Report`]: counts and names of fields, and no stored value.

mod accounts;
mod completeness;
mod counts;
mod facts;
mod findings;
mod progress;
mod report;
mod text;

use std::{num::NonZeroUsize, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    identity::{CallersFile, PairReport, Problems},
    leadchat::{Installation, Keys},
    metrics::store::StoreMetrics,
    store::{DatabaseSettings, Inspection, OpenError, RedisFlags, RedisSettings, SecretReading},
};
use completeness::Completeness;
use counts::Accounts;
use facts::{Encryption, Facts, Redis, Tables};
pub use progress::Progress;
pub use report::Report;

/// The settings under check: those of `serve`, without the address.
pub struct CheckConfig {
    pub database: DatabaseSettings,
    /// The maximum number of connections to the database.
    pub connections: NonZeroUsize,
    pub redis: Option<RedisSettings>,
    pub installation: Installation,
    pub keys: Keys,
    /// The callers file, if one is set.
    pub callers: Option<Result<CallersFile, Problems>>,
    /// Certificate and key of the server, if they are set.
    pub tls: Option<Result<PairReport, Problems>>,
    /// The variables whose secrets come from files, and when these are read.
    pub secret_files: Vec<(&'static str, SecretReading)>,
}

/// Runs all steps of the check, or those before `stop`.
pub async fn run(
    config: CheckConfig,
    progress: Progress,
    stop: impl Future<Output = ()>,
) -> Report {
    let mut facts = Facts::of(&config);
    let stopped = CancellationToken::new();
    let is_complete = tokio::select! {
        biased;
        () = stop => false,
        () = inspect_all(&mut facts, config, progress, &stopped) => true,
    };
    stopped.cancel();
    Report::new(facts, is_complete)
}

/// Runs the steps in order. A step that fails is reported, and ends only the steps that
/// need its result.
async fn inspect_all(
    facts: &mut Facts,
    config: CheckConfig,
    progress: Progress,
    stopped: &CancellationToken,
) {
    if let Some(settings) = &config.redis {
        facts.redis = Redis::from_probe(settings, settings.probe().await);
    }
    if let Err(error) = inspect_store(facts, config, progress, stopped).await {
        facts.store.error = Some(error.to_string());
    }
}

async fn inspect_store(
    facts: &mut Facts,
    config: CheckConfig,
    progress: Progress,
    stopped: &CancellationToken,
) -> Result<(), OpenError> {
    let inspection = Inspection::of(&config.database, config.connections).await?;
    let connections = inspection.connections();
    let outcome = inspect(facts, inspection, config, progress, stopped).await;
    connections.close().await;
    outcome
}

async fn inspect(
    facts: &mut Facts,
    inspection: Inspection,
    config: CheckConfig,
    progress: Progress,
    stopped: &CancellationToken,
) -> Result<(), OpenError> {
    let CheckConfig {
        database: _,
        connections: _,
        redis,
        installation,
        keys,
        callers: _,
        tls: _,
        secret_files: _,
    } = config;
    facts.store.set_server(&inspection);
    let mut tables = Tables::of(&inspection);
    let is_complete = tables.is_complete();
    tables.completeness = Completeness::of(&inspection, is_complete).await?;
    facts.tables = Some(tables);
    let keys_set = keys.encryption.has_keys();
    facts.encryption = match inspection.sample(&keys.encryption).await {
        Ok(sampled) => Encryption::from_sample(keys_set, &sampled),
        Err(error) => Encryption::without_sample(keys_set, &error),
    };
    if !is_complete {
        return Ok(());
    }
    let has_flags = redis.is_some();
    let store = inspection.store(has_flags, installation, keys).await?;
    let flags = Arc::new(RedisFlags::open(redis, store.ownership(), StoreMetrics::default()).await);
    let store = Arc::new(store);
    let counted = facts.accounts.insert(Accounts::default());
    accounts::read_all(&store, &flags, counted, &progress, stopped).await;
    if let Some(refusals) = flags.refusals() {
        facts.redis.set_refusals(refusals);
    }
    Ok(())
}
