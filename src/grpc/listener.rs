//! Accepts connections and enforces their limits.
//!
//! tonic serves HTTP/2 and knows keepalive and age. This module adds the limits that
//! tonic lacks: the number of connections, time-outs of preface, reads and writes, and
//! the maximum age. TLS is here, too. It does not decide who a peer is.

mod handshake;

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::sleep,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::server::TlsStream;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tokio_util::{either::Either, sync::CancellationToken};
use tonic::transport::server::Connected;
use tracing::{debug, warn};

use super::refusal_log::RefusalLog;
use crate::identity::{Peer, TlsSource};
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

/// A stream of bytes without TLS, or within it.
type Socket = Either<Either<TcpStream, UnixStream>, Box<TlsStream<TcpStream>>>;

/// The first bytes of a connection, as RFC 9113 has them.
const PREFACE_BYTES: usize = 24;

/// The delay after a failed accept, for instance for want of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_secs(1);

/// The time from a refusal of a peer's certificate until its connection ends: the answer
/// leaves within it.
const DISMISS_DELAY: Duration = Duration::from_secs(1);

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

/// Accepts connections of all listeners until the stream is dropped, which closes the
/// sockets. A drain closes connections without a preface, since no call is in flight on them.
pub fn incoming(
    listeners: Vec<Listener>,
    limits: ConnectionLimits,
    draining: &CancellationToken,
    refusals: &RefusalLog,
) -> impl Stream<Item = Result<Connection, Infallible>> + use<> {
    // Each listener waits with a permit, and they must not take those of the others.
    let waiting = listeners.len().saturating_sub(1);
    let permits = Arc::new(Semaphore::new(limits.max_connections + waiting));
    let (accepted, connections) = mpsc::channel(1);
    for listener in listeners {
        let (draining, permits) = (draining.clone(), Arc::clone(&permits));
        let (accepted, refusals) = (accepted.clone(), refusals.clone());
        tokio::spawn(listener.accept_all(limits, draining, permits, accepted, refusals));
    }
    ReceiverStream::new(connections).map(Ok)
}

impl Listener {
    /// Each wait also ends when the receiver is dropped; otherwise the port would stay
    /// open.
    async fn accept_all(
        self,
        limits: ConnectionLimits,
        draining: CancellationToken,
        permits: Arc<Semaphore>,
        accepted: mpsc::Sender<Connection>,
        refusals: RefusalLog,
    ) {
        loop {
            // Before accepting, so that a surplus connection waits in the kernel.
            let permit = tokio::select! {
                permit = Arc::clone(&permits).acquire_owned() => permit,
                () = accepted.closed() => return,
            };
            // The semaphore is never closed.
            let Ok(permit) = permit else { return };
            let stream = tokio::select! {
                stream = self.accept() => stream,
                () = accepted.closed() => return,
            };
            match stream {
                Ok(Accepted::Plain(stream, peer)) => {
                    let draining = draining.clone();
                    let connection = Connection::new(stream, peer, limits, draining, permit);
                    if accepted.send(connection).await.is_err() {
                        return;
                    }
                }
                Ok(Accepted::Tls(stream, address, tls)) => {
                    let (accepted, draining) = (accepted.clone(), draining.clone());
                    let refusals = refusals.clone();
                    // In a task of its own, so that no client waits for another's.
                    tokio::spawn(async move {
                        let handshake = timed_handshake(
                            stream,
                            address,
                            &tls,
                            limits.preface_timeout,
                            &refusals,
                        );
                        let done = tokio::select! {
                            done = handshake => done,
                            () = accepted.closed() => None,
                        };
                        if let Some((stream, certificate)) = done {
                            let peer = Peer::Tls(address, certificate);
                            let stream = Either::Right(stream);
                            let connection =
                                Connection::new(stream, peer, limits, draining, permit);
                            // A server that stops serves no new connection.
                            let _ = accepted.send(connection).await;
                        }
                    });
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
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

/// A connection that was accepted, with its limits.
pub struct Connection {
    stream: Pin<Box<TimeoutStream<Socket>>>,
    peer: Peer,
    /// `None` once the preface was received.
    preface: Option<Preface>,
    /// `None` once the connection has ended by itself.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _permit: OwnedSemaphorePermit,
}

/// The missing bytes of the preface, and their deadline.
struct Preface {
    missing_bytes: usize,
    timeout: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Connection {
    fn new(
        socket: Socket,
        peer: Peer,
        limits: ConnectionLimits,
        draining: CancellationToken,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let dismissed = match &peer {
            Peer::Tls(_, Some(certificate)) => Some(certificate.dismissed()),
            _ => None,
        };
        let mut stream = TimeoutStream::new(socket);
        stream.set_read_timeout(Some(limits.idle_timeout));
        stream.set_write_timeout(Some(limits.write_timeout));
        Self {
            stream: Box::pin(stream),
            peer,
            preface: Some(Preface {
                missing_bytes: PREFACE_BYTES,
                timeout: Box::pin(async move {
                    tokio::select! {
                        () = sleep(limits.preface_timeout) => {}
                        () = draining.cancelled() => {}
                    }
                }),
            }),
            end: Some(Box::pin(async move {
                tokio::select! {
                    () = sleep(limits.max_age) => {}
                    () = dismissal(dismissed) => {}
                }
            })),
            _permit: permit,
        }
    }

    /// Fails once the connection has reached its maximum age, or its certificate does not hold any more.
    /// Reads and writes both poll it, so that a busy peer is ended, too.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let has_ended = self
            .end
            .as_mut()
            .is_none_or(|end| end.as_mut().poll(cx).is_ready());
        if has_ended {
            self.end = None;
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

/// Ends a while after the certificate of a connection was refused.
async fn dismissal(dismissed: Option<CancellationToken>) {
    match dismissed {
        Some(dismissed) => {
            dismissed.cancelled().await;
            sleep(DISMISS_DELAY).await;
        }
        None => std::future::pending().await,
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_end(cx)?;
        let before = buffer.filled().len();
        match this.stream.as_mut().poll_read(cx, buffer) {
            Poll::Ready(outcome) => {
                let received = buffer.filled().len() - before;
                if let Some(preface) = &mut this.preface {
                    preface.missing_bytes = preface.missing_bytes.saturating_sub(received);
                    if preface.missing_bytes == 0 {
                        this.preface = None;
                    }
                }
                Poll::Ready(outcome)
            }
            Poll::Pending => match &mut this.preface {
                Some(preface) => {
                    ready!(preface.timeout.as_mut().poll(cx));
                    this.preface = None;
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                }
                None => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_end(cx)?;
        this.stream.as_mut().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_end(cx)?;
        this.stream.as_mut().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.as_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
