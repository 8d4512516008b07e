//! Handshakes of TLS: each has a time, and one that fails is logged.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{
    Instrument, error_span,
    field::{Empty, display},
};

use crate::{
    grpc::refusal_log::RefusalLog,
    identity::{PeerCertificate, TlsSource, handshake_problem},
};

/// A stream within TLS, and the certificate of the client.
pub type Handshake = (Box<TlsStream<TcpStream>>, Option<Arc<PeerCertificate>>);

/// A handshake within its time. One that fails is logged, with the SPIFFE ID of a refused
/// certificate.
pub async fn timed_handshake(
    stream: TcpStream,
    address: IpAddr,
    tls: &TlsSource,
    limit: Duration,
    refusals: &RefusalLog,
) -> Option<Handshake> {
    // The highest level, so that the span is there with RUST_LOG=error, too.
    let span = error_span!(
        "handshake",
        peer = %address,
        problem = Empty,
        claimed_id = Empty,
        error = Empty
    );
    let handshake = handshake(stream, tls).instrument(span.clone());
    let done = timeout(limit, handshake).await;
    match done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(handshake) => Some(handshake),
        Err(error) => {
            let problem = handshake_problem(&error);
            span.record("problem", problem)
                .record("error", display(error));
            refusals.handshake_failed(address.to_string(), problem, span);
            None
        }
    }
}

/// A handshake, and the certificate of the client. The error of a refused certificate says
/// why; the client gets an alert of TLS.
async fn handshake(stream: TcpStream, tls: &TlsSource) -> io::Result<Handshake> {
    let stream = TlsAcceptor::from(tls.current()).accept(stream).await?;
    let chain = stream.get_ref().1.peer_certificates();
    let chain = chain.map(|chain| {
        let chain = chain
            .iter()
            .map(|certificate| certificate.clone().into_owned());
        PeerCertificate::read(chain.collect())
    });
    // The handshake has read it before.
    let certificate = chain.transpose().map_err(io::Error::other)?;
    Ok((Box::new(stream), certificate.map(Arc::new)))
}
