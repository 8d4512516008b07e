//! TLS of the server: its certificate and key, and which clients' certificates it takes.
//!
//! TLS itself demands no certificate: a caller without one gets a reason instead of a broken
//! connection, and health is for everybody. No session is resumed, because a resumed one
//! would skip the verification.

use std::{io, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, InconsistentKeys,
    ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use tracing::Span;

use super::{
    caller::PolicySource,
    certificate::{LeafError, claimed_id},
    credential::CredentialProblem,
    trust::{provider, read_certificates},
};

/// The protocol of all connections.
pub const PROTOCOL: &[u8] = b"h2";

/// The reasons why a certificate and a key cannot be served with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    #[error("the certificate {0}")]
    Certificate(String),
    #[error("the key {0}")]
    Key(String),
    #[error("the key is not that of the certificate")]
    Mismatch,
}

/// The configuration of a server with this certificate and key, both in PEM.
pub fn server_config(
    certificate: &[u8],
    key: &[u8],
    policy: PolicySource,
) -> Result<ServerConfig, PairError> {
    let chain = read_certificates(certificate).map_err(PairError::Certificate)?;
    // The error of the parser might quote the key.
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| PairError::Key("is not a private key in PEM".to_owned()))?;
    let unusable = |error: Error| PairError::Certificate(format!("cannot be used: {error}"));
    let provider = provider();
    let clients = Clients {
        policy,
        provider: Arc::clone(&provider),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(clients))
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PairError::Mismatch,
            Error::General(_) => PairError::Key("is of no kind that can be used".to_owned()),
            other => unusable(other),
        })?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The problem of a failed handshake, for the log. It is `timed-out`, `connection` (it broke),
/// `alert` (of the client) or `protocol`. Of a certificate, it is `unknown-authority`, `signature`,
/// `expired`, `not-yet`, the name of a [`LeafError`], or `certificate` for the rest.
pub fn handshake_problem(error: &io::Error) -> &'static str {
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    let certificate = match tls {
        Some(Error::InvalidCertificate(error)) => error,
        Some(Error::AlertReceived(_)) => return "alert",
        Some(_) => return "protocol",
        None if error.kind() == io::ErrorKind::TimedOut => return "timed-out",
        None => return "connection",
    };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CredentialProblem::Expired.name()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CredentialProblem::NotYet.name()
        }
        CertificateError::BadSignature => CredentialProblem::Signature.name(),
        CertificateError::UnknownIssuer => "unknown-authority",
        CertificateError::Other(error) => match error.0.downcast_ref::<LeafError>() {
            Some(error) => error.into(),
            None => "certificate",
        },
        _ => "certificate",
    }
}

/// Records the SPIFFE ID of a certificate that is refused, which the error does not have. The
/// listener opens a span with this field.
fn recorded<T>(verified: Result<T, Error>, leaf: &CertificateDer<'_>) -> Result<T, Error> {
    verified.inspect_err(|_| {
        if let Some(id) = claimed_id(leaf) {
            Span::current().record("claimed_id", id);
        }
    })
}

/// Verifies clients by the authorities of the policy that counts now.
#[derive(Debug)]
struct Clients {
    policy: PolicySource,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: Go's clients would silently present nothing if no name of theirs was among
    /// them.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let policy = self.policy.current();
        let verified = policy.authorities().verify(leaf, intermediates, now);
        recorded(verified, leaf).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = verify_tls12_signature(message, certificate, signed, algorithms);
        recorded(verified, certificate)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = verify_tls13_signature(message, certificate, signed, algorithms);
        recorded(verified, certificate)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
