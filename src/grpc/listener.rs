//! Accepts connections and enforces their limits.
//!
//! tonic serves HTTP/2 and knows keepalive and age. This module adds the limits that
//! tonic lacks: the number of connections, time-outs of preface, reads and writes, and
//! the maximum age. TLS is here, too. It does not decide who a peer is.

mod connection;
mod handshake;

use std::{convert::Infallible, io, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UnixListener},
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc},
    time::sleep,
};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tokio_util::{either::Either, sync::CancellationToken};
use tracing::{debug, warn};

use super::refusal_log::RefusalLog;
use crate::{
    identity::{Peer, TlsSource},
    metrics::connections::ConnectionMetrics,
};
use connection::{Connection, Socket};
use handshake::timed_handshake;

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at a time. Further ones wait in the kernel.
    pub max_connections: usize,
    /// The time for a handshake of TLS, and then the time until the preface of HTTP/2 has
    /// been received.
    pub preface_timeout: Duration,
    /// The time without a byte received. Keepalive gets an answer within it.
    pub idle_timeout: Duration,
    /// The time without a byte accepted by the peer, while bytes are pending.
    pub write_timeout: Duration,
    /// The time from accept to the end, regardless of calls in flight. Only streams and
    /// unread answers last so long.
    pub max_age: Duration,
}

/// Connections without TLS beyond the maximum, where there are addresses with TLS: probes of
/// this machine get in while callers have all others.
pub const RESERVED_CONNECTIONS: usize = 64;

/// The delay after a failed accept, for instance for want of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_secs(1);

/// A socket that is being listened on.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
    Tls(TcpListener, TlsSource),
}

/// A connection as the system accepts it.
enum Accepted {
    Plain(Socket, Peer),
    Tls(TcpStream, IpAddr, TlsSource),
}

/// Permits for connections.
#[derive(Clone)]
struct Permits {
    all: Arc<Semaphore>,
    /// Only for connections without TLS.
    without_tls: Arc<Semaphore>,
}

impl Permits {
    fn new(limits: &ConnectionLimits, listeners: &[Listener]) -> Self {
        // Each listener waits with a permit, and they must not take those of the others.
        let waiting = listeners.len().saturating_sub(1);
        let has_tls = listeners.iter().any(|it| matches!(it, Listener::Tls(..)));
        let reserved = if has_tls { RESERVED_CONNECTIONS } else { 0 };
        Self {
            all: Arc::new(Semaphore::new(limits.max_connections + waiting)),
            without_tls: Arc::new(Semaphore::new(reserved)),
        }
    }

    async fn acquire(&self, has_tls: bool) -> Result<OwnedSemaphorePermit, AcquireError> {
        let any = Arc::clone(&self.all).acquire_owned();
        if has_tls {
            return any.await;
        }
        tokio::select! {
            biased;
            permit = any => permit,
            permit = Arc::clone(&self.without_tls).acquire_owned() => permit,
        }
    }
}

/// The parts of a server that every connection knows.
#[derive(Clone)]
pub struct ConnectionContext {
    pub limits: ConnectionLimits,
    pub draining: CancellationToken,
    pub refusals: RefusalLog,
    pub metrics: ConnectionMetrics,
}

/// Accepts connections of all listeners until the stream is dropped, which closes the
/// sockets. A drain closes connections without a preface, since no call is in flight on them.
pub fn incoming(
    listeners: Vec<Listener>,
    context: &ConnectionContext,
) -> impl Stream<Item = Result<Connection, Infallible>> + use<> {
    let permits = Permits::new(&context.limits, &listeners);
    let (accepted, connections) = mpsc::channel(1);
    for listener in listeners {
        tokio::spawn(listener.accept_all(context.clone(), permits.clone(), accepted.clone()));
    }
    ReceiverStream::new(connections).map(Ok)
}

impl Listener {
    /// Each wait also ends when the receiver is dropped; otherwise the port would stay
    /// open.
    async fn accept_all(
        self,
        context: ConnectionContext,
        permits: Permits,
        accepted: mpsc::Sender<Connection>,
    ) {
        let has_tls = matches!(self, Self::Tls(..));
        loop {
            // Before accepting, so that a surplus connection waits in the kernel.
            let permit = tokio::select! {
                permit = permits.acquire(has_tls) => permit,
                () = accepted.closed() => return,
            };
            // The semaphores are never closed.
            let Ok(permit) = permit else { return };
            let stream = tokio::select! {
                stream = self.accept() => stream,
                () = accepted.closed() => return,
            };
            match stream {
                Ok(Accepted::Plain(stream, peer)) => {
                    let connection = Connection::new(stream, peer, &context, permit);
                    if accepted.send(connection).await.is_err() {
                        return;
                    }
                }
                Ok(Accepted::Tls(stream, address, tls)) => {
                    let (accepted, context) = (accepted.clone(), context.clone());
                    // In a task of its own, so that no client waits for another's.
                    tokio::spawn(async move {
                        let handshake = timed_handshake(stream, address, &tls, &context);
                        let done = tokio::select! {
                            done = handshake => done,
                            () = accepted.closed() => None,
                        };
                        if let Some((stream, certificate)) = done {
                            let peer = Peer::Tls(address, certificate);
                            let stream = Either::Right(stream);
                            let connection = Connection::new(stream, peer, &context, permit);
                            // A server that stops serves no new connection.
                            let _ = accepted.send(connection).await;
                        }
                    });
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    context.metrics.accept_failed();
                    warn!(%error, "cannot accept connections, retrying in 1 s");
                    tokio::select! {
                        () = sleep(ACCEPT_RETRY_DELAY) => {}
                        () = accepted.closed() => return,
                    }
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                if !from.ip().to_canonical().is_loopback() {
                    // Something has forwarded it here, and it is no process of this machine.
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
                // A response is written at once; Nagle's algorithm would only delay it.
                // An error shows with the first read.
                let _ = stream.set_nodelay(true);
                Accepted::Plain(Either::Left(Either::Left(stream)), Peer::Loopback)
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = stream.peer_cred().ok();
                if let Some(peer) = &peer {
                    // A process id may be used again: nothing is decided by it.
                    debug!(
                        uid = peer.uid(),
                        pid = peer.pid(),
                        "a process has connected"
                    );
                }
                let uid = peer.map(|peer| peer.uid());
                // The highest one stands for none.
                let uid = uid.filter(|uid| *uid != u32::MAX);
                Accepted::Plain(Either::Left(Either::Right(stream)), Peer::Unix(uid))
            }
            Self::Tls(listener, tls) => {
                let (stream, from) = listener.accept().await?;
                // As above.
                let _ = stream.set_nodelay(true);
                Accepted::Tls(stream, from.ip().to_canonical(), tls.clone())
            }
        })
    }
}

/// Whether an error concerns one peer alone, which disconnected or was rejected.
fn is_peer_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::TimedOut
            | io::ErrorKind::WouldBlock
    )
}

#[cfg(test)]
mod tests;
