//! The authorities that sign clients' certificates: one for each trust domain, and those of
//! DNS names. The authority of one trust domain cannot speak for another.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use rustls::{
    CertificateError, Error, OtherError, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::certificate::{Leaf, has_ended, read_authority};

/// The provider of TLS. Never that of the process, which a dependency may choose.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificates of one authority that have not expired, with their ends.
#[derive(Clone, Debug)]
pub struct Anchors(Vec<(TrustAnchor<'static>, SystemTime)>);

impl Anchors {
    /// The certificates of a file in PEM, at a time.
    pub fn read(pem: &[u8], now: SystemTime) -> Result<Self, String> {
        let mut roots = Vec::new();
        for certificate in read_certificates(pem)? {
            let not_after = read_authority(&certificate)?;
            let mut store = RootCertStore::empty();
            let added = store.add(certificate);
            added.map_err(|error| format!("has a certificate that cannot be used: {error}"))?;
            roots.extend(store.roots.into_iter().map(|root| (root, not_after)));
        }
        let mut anchors = Self(roots);
        anchors.drop_ended(now);
        if anchors.0.is_empty() {
            return Err("has no certificate that has not expired".to_owned());
        }
        Ok(anchors)
    }

    /// Leaves out certificates that have expired, and says whether there was one: nothing
    /// else looks at their ends.
    pub fn drop_ended(&mut self, now: SystemTime) -> bool {
        let before = self.0.len();
        self.0.retain(|(_, not_after)| !has_ended(*not_after, now));
        self.0.len() < before
    }

    /// When the last of them ends.
    pub fn not_after(&self) -> SystemTime {
        let ends = self.0.iter().map(|(_, not_after)| *not_after);
        ends.max().unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// All certificates of a text in PEM. There is at least one.
pub fn read_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("has no certificate in PEM".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err("is not PEM".to_owned()),
    }
}

/// The authorities of a callers file.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    by_trust_domain: HashMap<Option<String>, Arc<dyn ClientCertVerifier>>,
}

impl Authorities {
    /// From trust domains, or `None` for DNS names, and their certificates.
    pub fn new<'a>(authorities: impl IntoIterator<Item = (Option<&'a str>, &'a Anchors)>) -> Self {
        let mut roots = HashMap::<_, RootCertStore>::new();
        for (trust_domain, anchors) in authorities {
            let of_domain = roots.entry(trust_domain.map(str::to_owned));
            let of_domain = of_domain.or_insert_with(RootCertStore::empty);
            let roots = anchors.0.iter().map(|(root, _)| root.clone());
            of_domain.roots.extend(roots);
        }
        let verifiers = roots.into_iter().filter_map(|(trust_domain, roots)| {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .clear_root_hint_subjects()
                .build();
            // Fails without a certificate only: then nothing is verified.
            Some((trust_domain, verifier.ok()?))
        });
        Self {
            by_trust_domain: verifiers.collect(),
        }
    }

    /// Verifies the chain of a client.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let names = Leaf::read(leaf).map_err(|error| {
            let error = OtherError(Arc::new(error));
            Error::InvalidCertificate(CertificateError::Other(error))
        })?;
        let trust_domain = names.trust_domain().map(str::to_owned);
        let verifier = self.by_trust_domain.get(&trust_domain);
        let verifier = verifier.ok_or(CertificateError::UnknownIssuer)?;
        verifier
            .verify_client_cert(leaf, intermediates, now)
            .map(drop)
    }
}
