//! The counts and the log line of one watch.

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tracing::{Span, info};

use crate::{
    grpc::layer::access_log::AccessLog,
    metrics::{
        calls::GrpcCode,
        reads::Counted,
        watches::{WatchEnded, WatchEventName, WatchMetrics},
    },
};

/// Counts the events of a watch. Its drop is the end of the watch.
pub struct WatchRecord {
    metrics: WatchMetrics,
    access_log: AccessLog,
    call: Span,
    began: Instant,
    events: u64,
    code: GrpcCode,
    why: WatchEnded,
    _open: Counted,
    _slot: OwnedSemaphorePermit,
}

impl WatchRecord {
    /// `slot` is the place among all watches.
    pub fn new(metrics: WatchMetrics, access_log: AccessLog, slot: OwnedSemaphorePermit) -> Self {
        Self {
            _open: metrics.opened(),
            _slot: slot,
            metrics,
            access_log,
            call: Span::current(),
            began: Instant::now(),
            events: 0,
            // Unless it is told otherwise, the client has left.
            code: GrpcCode::Cancelled,
            why: WatchEnded::Client,
        }
    }

    pub fn sent(&mut self, event: WatchEventName) {
        self.events += 1;
        self.metrics.sent(event);
    }

    pub const fn ends(&mut self, code: GrpcCode, why: WatchEnded) {
        (self.code, self.why) = (code, why);
    }
}

impl Drop for WatchRecord {
    fn drop(&mut self) {
        self.metrics.ended(self.why);
        let has_line = match self.access_log {
            AccessLog::All => true,
            // A client may leave at any time.
            AccessLog::Errors => self.code != GrpcCode::Cancelled,
            AccessLog::Off => false,
        };
        if has_line {
            let took_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
            let (code, events) = (self.code.name(), self.events);
            info!(parent: &self.call, code, took_us, events, "watch ended");
        }
    }
}
