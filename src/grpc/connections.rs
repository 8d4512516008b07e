//! The connections of callers, which speak HTTP/2, until they end.
//!
//! tonic has a server of its own for this, which makes a task of every call. Here a call
//! that is sent away at the door is answered where it was read: a task for each would cost
//! more than the answer (`make overload`).

use std::{
    convert::Infallible,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, rt::Executor, server::conn::http2};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::body::Body;
use tower::{Service, ServiceExt};
use tracing::{debug, warn};

use super::{
    gather::{Answers, Gathering},
    metadata,
    quiet::Quiet,
    server::Limits,
};

/// Calls under way on one connection; more wait at the caller's.
const STREAMS: u32 = 256;

/// How often a connection is asked whether its caller is there, and how long it
/// has to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How many streams of one connection may be ended for what its caller does wrong, before
/// it is. What arrives of a request that was refused long ago counts, too, and there are
/// many of these in an overload of an hour. What it takes to tell the caller is not
/// gathered for one who does not read ([`Quiet`]).
const LOCAL_RESETS: usize = 10_000_000;

/// So much of their age, connections get older or less old: callers that came together do
/// not all come again together.
const SPREAD: f64 = 0.1;

/// How long nobody is let in when the system has no more to give, such as files.
const PAUSE: Duration = Duration::from_secs(1);

/// A socket that is being listened on.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Serves all who connect. Once stopped, nobody else can; it returns when those who
    /// had are gone. They are asked to leave, and do when their calls are answered.
    pub async fn serve<S>(self, service: S, limits: Limits, stopped: CancellationToken)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        match self {
            Self::Tcp(listener) => all(listener, service, limits, stopped).await,
            Self::Unix(listener) => all(listener, service, limits, stopped).await,
        }
    }
}

trait Accept {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    async fn stream(&self) -> io::Result<Self::Stream>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn stream(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept().await?;
        // Answers are written in one go; waiting for more only delays.
        // Who is gone already is noticed soon.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn stream(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

async fn all<S>(listener: impl Accept, service: S, limits: Limits, stopped: CancellationToken)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let connections = TaskTracker::new();
    let mut opened = 0_u32;
    loop {
        let stream = tokio::select! {
            stream = listener.stream() => stream,
            () = stopped.cancelled() => break,
        };
        match stream {
            Ok(stream) => {
                opened = opened.wrapping_add(1);
                let limits = Limits {
                    connection_age: spread(limits.connection_age, opened),
                    ..limits
                };
                let served = one(stream, service.clone(), limits, stopped.clone());
                connections.spawn(served);
            }
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                warn!(reason = %error.kind(), "nobody can connect");
                either(sleep(PAUSE), stopped.cancelled()).await;
            }
        }
    }
    // Who comes now is refused by the system, and not left waiting.
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// An age for the connection of this number. Those of any few in a row lie far apart, as
/// multiples of the golden ratio do.
fn spread(age: Duration, number: u32) -> Duration {
    let place = (f64::from(number) * std::f64::consts::GOLDEN_RATIO).fract();
    age.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * place)
}

/// Whether it is an error of one who has connected: gone already, or kept out.
fn is_gone(error: &io::Error) -> bool {
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

async fn one<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
    limits: Limits,
    stopped: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let answers = Answers::default();
    let noted = answers.clone();
    let service = service
        .map_request(|request: Request<Incoming>| request.map(Body::new))
        .map_response(move |response: Response<Body>| {
            noted.note(&response);
            response
        });
    let connection = http2::Builder::new(AtOnce)
        .timer(TokioTimer::new())
        // Finds out callers that are gone.
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(STREAMS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .max_header_list_size(metadata::LARGEST_READ)
        // gRPC has no use for it.
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(Gathering::new(Quiet::new(stream, limits.silence), answers)),
            TowerToHyperService::new(service),
        );
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = either(sleep(limits.connection_age), stopped.cancelled()) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = sleep(limits.connection_grace) => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

/// Runs a call where it was read until it has to wait, and then in a task of its own.
/// What takes longer has to yield first.
#[derive(Clone, Copy)]
struct AtOnce;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for AtOnce {
    fn execute(&self, call: F) {
        let mut call = Box::pin(call);
        // A task polls it again, whoever would have been woken.
        let mut context = Context::from_waker(Waker::noop());
        // As in a task, a panic is not one of the connection.
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context)));
        if matches!(polled, Ok(Poll::Pending)) {
            tokio::spawn(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::yield_now;

    use super::*;

    #[test]
    fn those_who_came_together_do_not_go_together() {
        let hour = Duration::from_hours(1);
        let mut ages: Vec<_> = (0..100).map(|number| spread(hour, number)).collect();
        ages.sort();
        assert!(ages[0] >= Duration::from_mins(54) && ages[99] <= Duration::from_mins(66));
        // At most twice as far apart as if they were one after the other.
        let widest = ages
            .windows(2)
            .map(|two| two[1].abs_diff(two[0]))
            .max()
            .unwrap();
        assert!(widest <= Duration::from_mins(12) / 50, "{widest:?}");
    }

    #[tokio::test]
    async fn a_call_runs_where_it_was_read_until_it_has_to_wait() {
        let (tell, told) = mpsc::channel();
        let said = tell.clone();
        AtOnce.execute(async move { said.send("refused").unwrap() });
        let said = tell.clone();
        AtOnce.execute(async move {
            said.send("let in").unwrap();
            yield_now().await;
            said.send("served").unwrap();
        });
        tell.send("read on").unwrap();
        drop(tell);
        yield_now().await;
        let order: Vec<_> = told.into_iter().collect();
        assert_eq!(order, ["refused", "let in", "read on", "served"]);
    }

    #[tokio::test]
    async fn a_panic_ends_a_call_alone() {
        let (tell, told) = mpsc::channel();
        AtOnce.execute(async { std::panic::panic_any(()) });
        AtOnce.execute(async move { tell.send("served").unwrap() });
        assert_eq!(told.recv(), Ok("served"));
    }
}
