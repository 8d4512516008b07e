//! The log of calls without a known caller, and of handshakes that fail. A peer that is refused
//! again and again has one line a second for each problem, with a count.

use std::sync::Arc;

use tracing::{Span, info};

use super::line_limit::LineLimit;

/// The peer, as the log names it, and the problem.
type Key = (String, &'static str);

/// Limits the lines of refusals. Clones share the limit.
#[derive(Clone, Debug, Default)]
pub struct RefusalLog(Arc<Limits>);

/// Each line is that of a span, which has all that is said.
#[derive(Debug, Default)]
struct Limits {
    calls: LineLimit<Key, Span>,
    handshakes: LineLimit<Key, Span>,
}

/// Among the extensions of a response: its call was refused for want of a known caller.
#[derive(Clone, Debug)]
pub struct UnidentifiedCall {
    pub peer: String,
    pub problem: &'static str,
}

impl RefusalLog {
    /// Whether a refused call has a line of its own. Otherwise it is counted.
    pub fn admit_call(&self, unidentified: &UnidentifiedCall, call: &Span) -> bool {
        let key = (unidentified.peer.clone(), unidentified.problem);
        self.0.calls.admit(key, call.clone()).is_some()
    }

    /// Writes a handshake that failed, or counts it.
    pub fn handshake_failed(&self, peer: String, problem: &'static str, handshake: Span) {
        if let Some(handshake) = self.0.handshakes.admit((peer, problem), handshake) {
            info!(parent: &handshake, "a handshake failed");
        }
    }

    /// Writes what was counted. Called once a second.
    pub fn write_counted(&self) {
        write(self.0.calls.take(), self.0.handshakes.take());
    }

    /// Writes all that was counted, at the end of the server.
    pub fn flush(&self) {
        write(self.0.calls.take_all(), self.0.handshakes.take_all());
    }
}

fn write(calls: Vec<(u64, Span)>, handshakes: Vec<(u64, Span)>) {
    for (count, call) in calls {
        info!(parent: &call, code = "UNAUTHENTICATED", count, "answered");
    }
    for (count, handshake) in handshakes {
        info!(parent: &handshake, count, "a handshake failed");
    }
}
