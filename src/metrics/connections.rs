//! Connections of callers, and their handshakes.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use super::labels::{label_values, start_at_zero};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Transport {
    Tcp,
    Unix,
    Tls,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Ended {
    /// At its maximum age.
    Age,
    /// The certificate of the peer does not hold any more.
    Certificate,
    /// There was no preface of HTTP/2 in time.
    Preface,
    /// Nothing was received in time.
    Idle,
    /// The peer took nothing in time.
    WriteTimeout,
    /// The server stops.
    Stopped,
    /// By the peer, or by the protocol.
    Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Handshake {
    Done,
    /// Done, and the client has shown no certificate.
    NoCertificate,
    Refused,
    TimedOut,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransportLabels {
    transport: Transport,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedLabels {
    why: Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    result: Handshake,
}

label_values!(Transport, Ended, Handshake);

/// Counts connections.
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    open: Family<TransportLabels, Gauge>,
    ended: Family<EndedLabels, Counter>,
    handshakes: Family<HandshakeLabels, Counter>,
    accept_failures: Counter,
}

impl ConnectionMetrics {
    /// A connection is open until what is returned is dropped.
    pub fn opened(&self, transport: Transport) -> CountedConnection {
        let open = self
            .open
            .get_or_create_owned(&TransportLabels { transport });
        open.inc();
        CountedConnection {
            open,
            ended: self.ended.clone(),
            why: Ended::Peer,
        }
    }

    pub fn handshake(&self, result: Handshake) {
        self.handshakes
            .get_or_create(&HandshakeLabels { result })
            .inc();
    }

    pub fn accept_failed(&self) {
        self.accept_failures.inc();
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct CountedConnection {
    open: Gauge,
    ended: Family<EndedLabels, Counter>,
    why: Ended,
}

impl CountedConnection {
    /// Says why it is about to end. The first reason counts.
    pub fn ends(&mut self, why: Ended) {
        if self.why == Ended::Peer {
            self.why = why;
        }
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.open.dec();
        self.ended
            .get_or_create(&EndedLabels { why: self.why })
            .inc();
    }
}

impl ConnectionMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let open = Transport::iter().map(|transport| TransportLabels { transport });
        start_at_zero(&self.open, open);
        start_at_zero(&self.ended, Ended::iter().map(|why| EndedLabels { why }));
        let handshakes = Handshake::iter().map(|result| HandshakeLabels { result });
        start_at_zero(&self.handshakes, handshakes);
        registry.register("connections", "Open connections", self.open.clone());
        registry.register(
            "connections_ended",
            "Connections that ended",
            self.ended.clone(),
        );
        registry.register(
            "handshakes",
            "Handshakes of TLS, by how they ended",
            self.handshakes.clone(),
        );
        registry.register(
            "accept_failures",
            "Failures to accept a connection, such as too many open files",
            self.accept_failures.clone(),
        );
    }
}
