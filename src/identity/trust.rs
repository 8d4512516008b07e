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

/// The provider of all cryptography here. Never that of the process, which a dependency
/// may choose.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificates of one authority.
#[derive(Clone, Debug)]
pub struct Anchors {
    roots: Vec<TrustAnchor<'static>>,
    /// When the last of them ends.
    pub not_after: SystemTime,
}

impl Anchors {
    /// The certificates of a file in PEM, at a time.
    pub fn read(pem: &[u8], now: SystemTime) -> Result<Self, String> {
        let certificates = read_certificates(pem)?;
        let ends: Result<Vec<_>, _> = certificates.iter().map(|it| read_authority(it)).collect();
        let not_after = ends?.into_iter().max().unwrap_or(SystemTime::UNIX_EPOCH);
        if has_ended(not_after, now) {
            return Err("has no certificate that has not expired".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            let added = roots.add(certificate);
            added.map_err(|error| format!("has a certificate that cannot be used: {error}"))?;
        }
        Ok(Self {
            roots: roots.roots,
            not_after,
        })
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
            of_domain.roots.extend(anchors.roots.iter().cloned());
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

    /// Verifies the chain of a client, and gives its names.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Leaf, Error> {
        let names = Leaf::read(leaf).map_err(|error| {
            let error = OtherError(Arc::new(error));
            Error::InvalidCertificate(CertificateError::Other(error))
        })?;
        let trust_domain = names.trust_domain().map(str::to_owned);
        let verifier = self.by_trust_domain.get(&trust_domain);
        let verifier = verifier.ok_or(CertificateError::UnknownIssuer)?;
        verifier.verify_client_cert(leaf, intermediates, now)?;
        Ok(names)
    }
}
