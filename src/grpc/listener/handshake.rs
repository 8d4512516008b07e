//! Handshakes of TLS: each has a time, and one that fails goes to the log of refusals. This module
//! does not decide which certificates are good.

use std::{io, net::IpAddr, sync::Arc};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{Instrument, error_span, field::Empty};

use super::ConnectionContext;
use crate::{
    identity::{Peer, PeerCertificate, TlsSource, handshake_problem},
    metrics::connections::Handshake,
};

/// Of an error in the log.
const MAX_ERROR_BYTES: usize = 256;

/// A stream within TLS, and the certificate of the client.
pub type SecureStream = (Box<TlsStream<TcpStream>>, Option<Arc<PeerCertificate>>);

/// A handshake within a time. `None` if it fails or takes longer: then it is logged, with the
/// SPIFFE ID of a refused certificate if it has one.
pub async fn timed_handshake(
    stream: TcpStream,
    address: IpAddr,
    tls: &TlsSource,
    context: &ConnectionContext,
) -> Option<SecureStream> {
    // The highest level: the line has the target of another module, and needs the span whatever
    // level this one has. The verifier of `identity::tls` records `claimed_id`.
    let span = error_span!(
        "handshake",
        peer = %address,
        problem = Empty,
        claimed_id = Empty,
        error = Empty
    );
    let handshake = handshake(stream, tls).instrument(span.clone());
    let done = timeout(context.limits.preface_timeout, handshake).await;
    match done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok((stream, certificate)) => {
            context.metrics.handshake(match certificate {
                Some(_) => Handshake::Done,
                None => Handshake::NoCertificate,
            });
            Some((stream, certificate))
        }
        Err(error) => {
            context.metrics.handshake(match error.kind() {
                io::ErrorKind::TimedOut => Handshake::TimedOut,
                _ => Handshake::Refused,
            });
            let problem = handshake_problem(&error);
            span.record("problem", problem)
                .record("error", cut(error.to_string()));
            let refusals = &context.refusals;
            refusals.handshake_failed(&Peer::Tls(address, None), problem, span);
            None
        }
    }
}

/// An error may quote a certificate, which may be large.
fn cut(mut error: String) -> String {
    error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
    error
}

/// A handshake, and the certificate of the client. The error of a refused certificate says
/// why; the client gets an alert of TLS.
async fn handshake(stream: TcpStream, tls: &TlsSource) -> io::Result<SecureStream> {
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
