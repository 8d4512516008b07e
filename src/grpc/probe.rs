//! The probe of `leadchat-inbox health`: whether a server of this machine takes calls.
//!
//! A probe sends nothing but the question, so it does not verify a certificate. It does not
//! know what a server serves.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::service_fn;

use crate::identity::probe_config;

/// The longest time of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The address of a server, as it listens.
#[derive(Clone, Debug)]
pub enum ProbeTarget {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Tls(SocketAddr),
}

/// The reasons why a server does not take calls.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("no connection: {0}")]
    Connection(String),
    #[error("no answer within {} s", PROBE_TIMEOUT.as_secs())]
    TimedOut,
    #[error("no answer about its health: {0:?}")]
    Refused(Code),
    #[error("it says {0}")]
    NotServing(&'static str),
}

/// A stream of bytes to a server.
type Socket = Either<Either<TcpStream, UnixStream>, Box<TlsStream<TcpStream>>>;

/// Asks a server for its health. It takes calls unless there is an error.
pub async fn probe(target: ProbeTarget) -> Result<(), ProbeError> {
    match timeout(PROBE_TIMEOUT, ask(target)).await {
        Ok(answered) => answered,
        Err(_) => Err(ProbeError::TimedOut),
    }
}

async fn ask(target: ProbeTarget) -> Result<(), ProbeError> {
    let socket = connect(&target).await;
    let socket = socket.map_err(|error| ProbeError::Connection(error.to_string()))?;
    // The channel connects once: a probe has one call.
    let mut socket = Some(socket);
    let connector = service_fn(move |_| {
        let socket = socket.take().map(TokioIo::new);
        std::future::ready(socket.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    });
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await;
    let channel = channel.map_err(|error| ProbeError::Connection(error.to_string()))?;
    // All services: those of the server are healthy together.
    let request = HealthCheckRequest::default();
    let answer = HealthClient::new(channel).check(request).await;
    let answer = answer.map_err(|status: Status| ProbeError::Refused(status.code()))?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        other => Err(ProbeError::NotServing(other.as_str_name())),
    }
}

async fn connect(target: &ProbeTarget) -> io::Result<Socket> {
    Ok(match target {
        ProbeTarget::Tcp(address) => Either::Left(Either::Left(TcpStream::connect(address).await?)),
        ProbeTarget::Unix(path) => Either::Left(Either::Right(UnixStream::connect(path).await?)),
        ProbeTarget::Tls(address) => {
            let stream = TcpStream::connect(address).await?;
            let config = probe_config().map_err(io::Error::other)?;
            let name = ServerName::from(address.ip());
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
            Either::Right(Box::new(stream.await?))
        }
    })
}
