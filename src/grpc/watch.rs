//! WatchInboxes: the limits of watches, and their ends. `inbox_service` begins them, and the
//! domain decides their events.

mod record;
mod standing;
mod stream;

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower_http::request_id::RequestId;

use super::{layer::access_log::AccessLog, status::CallError};
use crate::{
    domain::{directory::AccountWatches, freshness::ReadOptions, id::AccountId},
    metrics::watches::WatchMetrics,
};
pub use record::WatchRecord;
pub use standing::Standing;
pub use stream::{WatchParts, WatchStream};

/// The watches of a server.
pub struct WatchService<W> {
    watches: W,
    slots: Arc<Semaphore>,
    settings: WatchSettings,
    metrics: WatchMetrics,
}

/// The limits of watches, and what ends them.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// At a time, in the whole process.
    pub max_watches: usize,
    /// The age at which a connection gets GOAWAY. Watches live less long.
    pub max_connection_age: Duration,
    pub access_log: AccessLog,
    /// Cancelled when watches are to end.
    pub draining: CancellationToken,
}

impl<W: AccountWatches> WatchService<W> {
    pub fn new(watches: W, settings: WatchSettings, metrics: WatchMetrics) -> Self {
        Self {
            watches,
            slots: Arc::new(Semaphore::new(settings.max_watches)),
            settings,
            metrics,
        }
    }

    /// A place among the watches of the process.
    pub fn slot(&self) -> Result<OwnedSemaphorePermit, CallError> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        slot.map_err(|_| CallError::TooManyWatches)
    }

    /// The states of an account, of which the first is read after the call has arrived.
    pub async fn begin(
        &self,
        account: AccountId,
        options: ReadOptions,
    ) -> Result<W::Watch, CallError> {
        Ok(self.watches.watch(account, options).await?)
    }

    /// The record of a watch that begins.
    pub fn record(&self, slot: OwnedSemaphorePermit) -> WatchRecord {
        WatchRecord::new(self.metrics.clone(), self.settings.access_log, slot)
    }

    pub fn draining(&self) -> CancellationToken {
        self.settings.draining.clone()
    }

    /// When a watch with this id ends by itself: at nine tenths of the age of a connection, or up
    /// to a tenth earlier. The spread keeps watches from beginning anew all at once.
    pub fn end_of_age(&self, id: Option<&RequestId>) -> Instant {
        const SPREAD: u32 = 1000;

        let mut hash = DefaultHasher::new();
        id.map(RequestId::header_value).hash(&mut hash);
        let spread = u32::try_from(hash.finish() % u64::from(SPREAD)).unwrap_or_default();
        let tenth = self.settings.max_connection_age / 10;
        Instant::now() + tenth * 9 - tenth * spread / SPREAD
    }
}
