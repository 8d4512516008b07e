//! Clients over TLS, with a certificate or without.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::{Client, authority::Certificate};

/// The authority that a client trusts, and the certificate that it presents.
#[derive(Clone)]
pub struct Tls {
    pub config: Arc<ClientConfig>,
    /// The connections of all clients so far.
    pub connections: Arc<AtomicUsize>,
}

/// A chain in PEM, and its key.
pub type Presented<'c> = (&'c str, &'c str);

impl Certificate {
    pub fn presented(&self) -> Presented<'_> {
        (&self.text, &self.key)
    }
}

impl Tls {
    /// Trusts servers of an authority.
    pub fn new(authority: &str, presented: Option<Presented<'_>>) -> Self {
        Self::of_versions(authority, presented, rustls::ALL_VERSIONS)
    }

    pub fn of_versions(
        authority: &str,
        presented: Option<Presented<'_>>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificates(authority).remove(0)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match presented {
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                let key = provider.key_provider.load_private_key(key).unwrap();
                // Not compared: a test may present a certificate without its key.
                let pair = CertifiedKey::new(certificates(chain), key);
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            config: Arc::new(config),
            connections: Arc::default(),
        }
    }

    /// A handshake, as far as the client's side of it goes.
    pub async fn handshake(&self, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let address = address.strip_prefix("tls:").unwrap_or(address);
        let stream = TcpStream::connect(address).await?;
        // As libraries do: Nagle's algorithm would delay calls by 40 ms.
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::clone(&self.config))
            .connect(name, stream)
            .await
    }

    /// A client that connects again when its connection ends.
    pub fn client(&self, address: &str) -> Client {
        Client::over(self.channel(address))
    }

    pub fn channel(&self, address: &str) -> Channel {
        let (tls, address) = (self.clone(), address.to_owned());
        let connector = service_fn(move |_| {
            let (tls, address) = (tls.clone(), address.clone());
            async move { tls.handshake(&address).await.map(TokioIo::new) }
        });
        Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect()
}
