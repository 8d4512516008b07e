//! Reads of the store, each when it is asked for.
//!
//! A read waits for a permit and then runs in a task of its own, which owns the permit. A
//! caller that gives up drops its wait, not the transaction: so no connection goes back to
//! its pool in the middle of a statement. The read is cancelled, and begins no further
//! statement.

use std::{sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, warn};

use super::{
    LoadLimit,
    load_limit::ReadPermit,
    reader::{ReadLimits, ReadRequest, ReadValue, Reader, Sharing},
};
use crate::{
    domain::{
        directory::DirectoryError,
        freshness::{BootInstant, Clock, Freshness},
    },
    metrics::reads::{ReadMetrics, ReadResult, Shape},
    store::{ReadContext, Store, StoreError},
};

pub struct DirectReader {
    store: Arc<Store>,
    load_limit: LoadLimit,
    clock: Clock,
    metrics: ReadMetrics,
}

impl DirectReader {
    pub const fn new(
        store: Arc<Store>,
        load_limit: LoadLimit,
        clock: Clock,
        metrics: ReadMetrics,
    ) -> Self {
        Self {
            store,
            load_limit,
            clock,
            metrics,
        }
    }

    /// A permit for a read of watches, beside the limit: there is one at a time.
    pub fn poll_permit(&self, permit: Arc<OwnedSemaphorePermit>) -> ReadPermit {
        self.load_limit.poll_permit(permit)
    }

    async fn run(
        &self,
        request: ReadRequest,
        previous: Option<ReadValue>,
        context: ReadContext,
    ) -> Result<ReadValue, StoreError> {
        let store = &self.store;
        let account = match request {
            ReadRequest::Account(account) => {
                let previous = match &previous {
                    Some(ReadValue::Account(previous)) => previous.as_deref(),
                    _ => None,
                };
                store.account(account, previous, context).await?
            }
            ReadRequest::Excerpt(account, viewer, inbox) => {
                let inboxes = inbox.as_slice();
                store.inboxes(account, viewer, inboxes, context).await?
            }
            ReadRequest::Inboxes(account, viewer, inboxes) => {
                store.inboxes(account, viewer, &inboxes, context).await?
            }
            ReadRequest::AddressInAccount(account, viewer, address) => {
                store.find(account, viewer, &address, context).await?
            }
            ReadRequest::AddressEverywhere(address, accounts) => {
                let found = store.find_everywhere(&address, &accounts, context);
                let accounts = found.await?;
                let accounts = accounts.into_iter().map(Arc::new).collect();
                return Ok(ReadValue::Accounts(accounts));
            }
        };
        Ok(ReadValue::Account(account.map(Arc::new)))
    }
}

impl Reader for DirectReader {
    type RefreshPermit = ReadPermit;

    fn try_refresh_permit(&self) -> Option<ReadPermit> {
        self.load_limit.try_acquire_refresh()
    }

    async fn read(
        self: Arc<Self>,
        request: ReadRequest,
        previous: Option<ReadValue>,
        limits: ReadLimits<ReadPermit>,
    ) -> Result<(ReadValue, BootInstant), DirectoryError> {
        let is_refresh = matches!(limits.sharing, Sharing::Refresh(_));
        let (deadline, is_account) = (limits.deadline, matches!(request, ReadRequest::Account(_)));
        let permit = match limits.sharing {
            Sharing::OneCall => self.load_limit.acquire(deadline).await?,
            Sharing::Refresh(permit) => permit,
            Sharing::Calls(begun) => {
                let permit = if is_account {
                    self.load_limit.acquire_for_account(deadline).await?
                } else {
                    self.load_limit.acquire(deadline).await?
                };
                begun.set();
                permit
            }
        };
        // All that was committed before now is in the snapshot, on a primary.
        let began = self.clock.now();
        let cancelled = CancellationToken::new();
        let is_latest = limits.freshness == Freshness::Latest;
        let context = ReadContext::new(deadline, cancelled.clone());
        let context = context.requiring_primary(is_latest);
        let context = context.counting(self.metrics.statements.clone());
        let _cancel_on_drop = cancelled.drop_guard();
        // Logged within the task, since the caller may have left.
        let (shape, metrics) = (shape(&request), self.metrics.clone());
        let read = async move {
            let value = self.run(request, previous, context).await;
            let took = self.clock.now().0.saturating_sub(began.0);
            self.metrics.ended(shape, result(&value), took);
            drop(permit);
            value.map_err(|cause| log_failure(&cause, is_refresh))
        };
        let Ok(value) = tokio::spawn(read.in_current_span()).await else {
            error!("read task panicked");
            metrics.ended(shape, ReadResult::Unexpected, Duration::ZERO);
            return Err(DirectoryError::Unexpected);
        };
        Ok((value?, began))
    }
}

const fn shape(request: &ReadRequest) -> Shape {
    match request {
        ReadRequest::Account(_) => Shape::Account,
        ReadRequest::Excerpt(..) | ReadRequest::Inboxes(..) => Shape::Inboxes,
        ReadRequest::AddressInAccount(..) => Shape::Address,
        ReadRequest::AddressEverywhere(..) => Shape::Search,
    }
}

const fn result(read: &Result<ReadValue, StoreError>) -> ReadResult {
    match read {
        Ok(_) => ReadResult::Ok,
        Err(StoreError::Unavailable(_) | StoreError::Interrupted { .. }) => ReadResult::Unavailable,
        Err(StoreError::Unexpected(_) | StoreError::StalePlan(_)) => ReadResult::Unexpected,
        Err(StoreError::Cancelled) => ReadResult::Cancelled,
        Err(StoreError::Standby) => ReadResult::Standby,
    }
}

/// Logs why a read failed, and returns what the call is answered with.
fn log_failure(cause: &StoreError, is_refresh: bool) -> DirectoryError {
    match cause {
        StoreError::Unavailable(_) | StoreError::Interrupted { .. } => {
            if is_refresh {
                debug!(%cause, "refresh failed");
            } else {
                warn!(%cause, "read failed");
            }
            DirectoryError::Unavailable
        }
        StoreError::Unexpected(_) | StoreError::StalePlan(_) => {
            error!(%cause, "read failed");
            DirectoryError::Unexpected
        }
        StoreError::Cancelled => DirectoryError::Unavailable,
        StoreError::Standby => DirectoryError::Standby,
    }
}
