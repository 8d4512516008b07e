//! The log of calls that are refused for want of a known caller, and of handshakes that fail. A
//! peer has one line a second for each cause, with a count. It does not decide what is refused.

use std::sync::Arc;

use tracing::{Span, info};

use super::line_limit::{Counted, LineLimit};
use crate::identity::Peer;

/// The network of the peer, and the cause.
type Key = (String, &'static str);

/// Writes lines of refusals, or counts them. Clones share the limits.
#[derive(Clone, Debug, Default)]
pub struct RefusalLog(Arc<Limits>);

/// The limits of calls and of handshakes. The fields of a line are those of its span.
#[derive(Debug, Default)]
struct Limits {
    calls: LineLimit<Key, Span>,
    handshakes: LineLimit<Key, Span>,
}

/// A call that was refused for want of a known caller. The guard puts it among the extensions of
/// the response, for the access log.
#[derive(Clone, Debug)]
pub struct UnidentifiedCall {
    pub peer: Peer,
    /// The problem of a credential, such as `signature`, or else the reason of the error.
    pub cause: &'static str,
}

impl RefusalLog {
    /// Whether a refused call has a line of its own. Otherwise it is counted.
    pub fn admit_call(&self, unidentified: &UnidentifiedCall, call: &Span) -> bool {
        let key = (unidentified.peer.network(), unidentified.cause);
        self.0.calls.admit(key, call.clone()).is_some()
    }

    /// Writes a handshake that failed, or counts it.
    pub fn handshake_failed(&self, peer: &Peer, problem: &'static str, handshake: Span) {
        let key = (peer.network(), problem);
        if let Some(handshake) = self.0.handshakes.admit(key, handshake) {
            info!(parent: &handshake, "a handshake failed");
        }
    }

    /// Writes counted refusals whose line before is a second old. Called once a second.
    pub fn write_counted(&self) {
        write(self.0.calls.take(), self.0.handshakes.take());
    }

    /// Writes all counted refusals, at the end of the server.
    pub fn flush(&self) {
        write(self.0.calls.take_all(), self.0.handshakes.take_all());
    }
}

fn write(calls: Vec<Counted<Span>>, handshakes: Vec<Counted<Span>>) {
    // Each refusal for want of a known caller has this code.
    for (count, call) in calls {
        match call {
            Some(call) => info!(parent: &call, code = %"UNAUTHENTICATED", count, "answered"),
            None => info!(count, "calls of further peers were refused"),
        }
    }
    for (count, handshake) in handshakes {
        match handshake {
            Some(handshake) => info!(parent: &handshake, count, "a handshake failed"),
            None => info!(count, "handshakes of further peers failed"),
        }
    }
}
