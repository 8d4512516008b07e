//! `leadchat-inbox check`: would it serve well, with these settings and over this
//! data?
//!
//! Looks at the store, its tables, keys, Redis and addresses, and then reads every
//! account once, as the service would for an administrator. Changes nothing. What
//! it found is a [`Report`], which says how many and which fields, and no value
//! that is stored.

mod accounts;
mod completeness;
mod counts;
mod findings;
mod progress;
mod report;
mod text;

use std::{num::NonZeroUsize, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    leadchat::{Installation, Keys},
    store::{DatabaseSettings, Inspection, OpenError, RedisSettings},
};
use completeness::Completeness;
pub use progress::Progress;
pub use report::Report;
use report::{Accounts, Encryption, Facts, Redis, Tables};

/// What is checked: all that a service is started with, but for where it listens.
pub struct Subject {
    pub database: DatabaseSettings,
    /// How many connections to it there are at most.
    pub connections: NonZeroUsize,
    pub redis: Option<RedisSettings>,
    pub installation: Installation,
    pub keys: Keys,
}

/// Looks at everything, or as far as it gets until it is told to `stop`.
pub async fn examine(
    subject: Subject,
    progress: Progress,
    stop: impl Future<Output = ()>,
) -> Report {
    let mut facts = Facts::of(&subject);
    let stopped = CancellationToken::new();
    let is_whole = tokio::select! {
        biased;
        () = stop => false,
        () = look(&mut facts, subject, progress, &stopped) => true,
    };
    stopped.cancel();
    Report::new(facts, is_whole)
}

/// One after the other. What cannot be done is noted, and ends only what needs it.
async fn look(
    facts: &mut Facts,
    subject: Subject,
    progress: Progress,
    stopped: &CancellationToken,
) {
    if let Some(settings) = &subject.redis {
        facts.redis = Redis::probed(settings, settings.probe().await);
    }
    if let Err(error) = look_at_store(facts, subject, progress, stopped).await {
        facts.store.error = Some(error.to_string());
    }
}

async fn look_at_store(
    facts: &mut Facts,
    subject: Subject,
    progress: Progress,
    stopped: &CancellationToken,
) -> Result<(), OpenError> {
    let inspection = Inspection::of(&subject.database, subject.connections).await?;
    let connections = inspection.connections();
    let looked = look_inside(facts, inspection, subject, progress, stopped).await;
    connections.close().await;
    looked
}

async fn look_inside(
    facts: &mut Facts,
    inspection: Inspection,
    subject: Subject,
    progress: Progress,
    stopped: &CancellationToken,
) -> Result<(), OpenError> {
    let Subject {
        database: _,
        connections: _,
        redis,
        installation,
        keys,
    } = subject;
    facts.store.looked_at(&inspection);
    let mut tables = Tables::of(&inspection);
    let is_complete = tables.is_complete();
    tables.completeness = Completeness::of(&inspection, is_complete).await?;
    facts.tables = Some(tables);
    let keys_set = keys.encryption.has_keys();
    facts.encryption = match inspection.sample(&keys.encryption).await {
        Ok(sampled) => Encryption::sampled(keys_set, &sampled),
        Err(error) => Encryption::not_sampled(keys_set, &error),
    };
    if !is_complete {
        return Ok(());
    }
    let store = Arc::new(inspection.store(redis, installation, keys).await?);
    let counted = facts.accounts.insert(Accounts::default());
    accounts::read_all(&store, counted, &progress, stopped).await;
    if let Some(refusals) = store.redis_refusals() {
        facts.redis.refused(refusals);
    }
    Ok(())
}
