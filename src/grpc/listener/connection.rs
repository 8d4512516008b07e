//! A connection with its time-outs and its maximum age.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep},
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::server::TlsStream;
use tokio_util::{either::Either, sync::CancellationToken};
use tonic::transport::server::Connected;

use super::ConnectionContext;
use crate::{
    identity::Peer,
    metrics::connections::{CountedConnection, Ended, Transport},
};

/// A stream of bytes without TLS, or within it.
pub type Socket = Either<Either<TcpStream, UnixStream>, Box<TlsStream<TcpStream>>>;

/// The first bytes of a connection, as RFC 9113 has them.
const PREFACE_BYTES: usize = 24;

/// The time from a refusal of a peer's certificate until its connection ends: the answer
/// leaves within it.
const DISMISS_DELAY: Duration = Duration::from_secs(1);

/// A connection that was accepted, with its limits.
pub struct Connection {
    stream: Pin<Box<TimeoutStream<Socket>>>,
    peer: Peer,
    /// `None` once the preface was received.
    preface: Option<Preface>,
    /// `None` once the connection has ended by itself.
    end: Option<Pin<Box<dyn Future<Output = Ended> + Send>>>,
    draining: CancellationToken,
    opened: Instant,
    /// The age at which it gets GOAWAY.
    goaway_age: Duration,
    counted: CountedConnection,
    _permit: OwnedSemaphorePermit,
}

/// The missing bytes of the preface, and their deadline.
struct Preface {
    missing_bytes: usize,
    timeout: Pin<Box<dyn Future<Output = Ended> + Send>>,
}

impl Connection {
    pub fn new(
        socket: Socket,
        peer: Peer,
        context: &ConnectionContext,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (limits, draining) = (context.limits, context.draining.clone());
        let transport = match &peer {
            Peer::Loopback => Transport::Tcp,
            Peer::Unix(_) => Transport::Unix,
            Peer::Tls(..) => Transport::Tls,
        };
        let dismissed = peer.dismissed().cloned();
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
                        () = sleep(limits.preface_timeout) => Ended::Preface,
                        () = draining.cancelled() => Ended::Stopped,
                    }
                }),
            }),
            end: Some(Box::pin(async move {
                tokio::select! {
                    () = sleep(limits.max_age) => Ended::Age,
                    () = dismissal(dismissed) => Ended::Certificate,
                }
            })),
            draining: context.draining.clone(),
            opened: Instant::now(),
            goaway_age: limits.max_age / 2,
            counted: context.metrics.opened(transport),
            _permit: permit,
        }
    }

    /// Fails once the connection has reached its maximum age, or its certificate does not hold any more.
    /// Reads and writes both poll it, so that a busy peer is ended, too.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(end) = &mut self.end {
            let Poll::Ready(why) = end.as_mut().poll(cx) else {
                return Ok(());
            };
            self.counted.ends(why);
            self.end = None;
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Notes that a time-out ends the connection.
    fn note<T>(&mut self, outcome: Poll<io::Result<T>>, why: Ended) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome
            && error.kind() == io::ErrorKind::TimedOut
        {
            self.counted.ends(why);
        }
        outcome
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.draining.is_cancelled() {
            self.counted.ends(Ended::Stopped);
        } else if self.opened.elapsed() >= self.goaway_age {
            // It got GOAWAY, and its calls have ended.
            self.counted.ends(Ended::Age);
        }
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
                this.note(Poll::Ready(outcome), Ended::Idle)
            }
            Poll::Pending => match &mut this.preface {
                Some(preface) => {
                    let why = ready!(preface.timeout.as_mut().poll(cx));
                    this.counted.ends(why);
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
        let written = this.stream.as_mut().poll_write(cx, bytes);
        this.note(written, Ended::WriteTimeout)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_end(cx)?;
        let written = this.stream.as_mut().poll_write_vectored(cx, slices);
        this.note(written, Ended::WriteTimeout)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = this.stream.as_mut().poll_flush(cx);
        this.note(flushed, Ended::WriteTimeout)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.as_mut().poll_shutdown(cx)
    }
}
