//! The certificate of a client: the names that it is for, and when it ends.
//!
//! A certificate is either an X.509-SVID, with exactly one URI, or one with DNS names. The
//! common name counts for nothing.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use spiffe::{SpiffeId, SpiffeIdError};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName, name::GeneralName},
};

use super::credential::{Identity, MAX_IDENTITY_CHARACTERS};

/// Before it ends, a certificate of a file is worth a note for so long.
pub const EXPIRY_NOTE_WINDOW: Duration = Duration::from_hours(7 * 24);

/// The names of a certificate, and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// One SPIFFE ID, or DNS names.
    pub names: Vec<Identity>,
    /// The last second in which it holds.
    pub not_after: SystemTime,
}

/// The reasons why a certificate names nobody.
#[derive(thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum LeafError {
    #[error("the certificate cannot be read: {0}")]
    Encoding(String),
    #[error("the certificate has several URIs")]
    SeveralUris,
    #[error("the URI of the certificate is no SPIFFE ID: {0}")]
    NotSpiffe(#[from] SpiffeIdError),
    #[error("the SPIFFE ID of the certificate has no path: it is that of a trust domain")]
    NoPath,
    #[error("the certificate may sign others")]
    Signs,
    #[error("the certificate has neither a URI nor a DNS name")]
    NoName,
    #[error("the certificate has a DNS name with a wildcard")]
    Wildcard,
}

/// rustls prints errors that are not its own in this form.
impl fmt::Debug for LeafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Leaf {
    pub fn read(der: &[u8]) -> Result<Self, LeafError> {
        let encoding = |error: x509_cert::der::Error| LeafError::Encoding(error.to_string());
        let certificate = Certificate::from_der(der).map_err(encoding)?;
        let certificate = certificate.tbs_certificate();
        let usage = certificate.get_extension::<KeyUsage>().map_err(encoding)?;
        if usage.is_some_and(|(_, usage)| usage.key_cert_sign() || usage.crl_sign()) {
            return Err(LeafError::Signs);
        }
        let names = certificate
            .get_extension::<SubjectAltName>()
            .map_err(encoding)?;
        let names = names.map(|(_, names)| names.0).unwrap_or_default();
        Ok(Self {
            names: read_names(&names)?,
            not_after: end_of(certificate),
        })
    }

    /// The trust domain of its SPIFFE ID. `None` for DNS names.
    pub fn trust_domain(&self) -> Option<&str> {
        self.names.iter().find_map(|name| match name {
            Identity::Spiffe(id) => Some(id.trust_domain_name()),
            _ => None,
        })
    }
}

/// The SPIFFE ID in a certificate that is refused, cut, for the log. Nothing has proved it.
pub fn claimed_id(der: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(der).ok()?;
    let names = certificate.tbs_certificate().get_extension();
    let (_, SubjectAltName(names)) = names.ok()??;
    let id = names.iter().find_map(|name| match name {
        GeneralName::UniformResourceIdentifier(uri) => SpiffeId::new(uri.as_str()).ok(),
        _ => None,
    })?;
    Some(
        id.to_string()
            .chars()
            .take(MAX_IDENTITY_CHARACTERS)
            .collect(),
    )
}

fn read_names(names: &[GeneralName]) -> Result<Vec<Identity>, LeafError> {
    let mut uris = names.iter().filter_map(|name| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str()),
        _ => None,
    });
    if let Some(uri) = uris.next() {
        if uris.next().is_some() {
            return Err(LeafError::SeveralUris);
        }
        let id = SpiffeId::new(uri)?;
        return if id.path().is_empty() {
            Err(LeafError::NoPath)
        } else {
            Ok(vec![Identity::Spiffe(id)])
        };
    }
    let dns = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_lowercase()),
        _ => None,
    });
    let dns: Vec<_> = dns.collect();
    if dns.is_empty() {
        return Err(LeafError::NoName);
    }
    if dns.iter().any(|name| name.contains('*')) {
        return Err(LeafError::Wildcard);
    }
    Ok(dns.into_iter().map(Identity::Dns).collect())
}

fn end_of(certificate: &x509_cert::certificate::TbsCertificate) -> SystemTime {
    let end = certificate.validity().not_after.to_unix_duration();
    SystemTime::UNIX_EPOCH + end
}

/// An authority's own certificate, as far as it matters whether it may sign.
pub fn read_authority(der: &[u8]) -> Result<SystemTime, String> {
    let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
    let certificate = certificate.tbs_certificate();
    let constraints = certificate.get_extension::<BasicConstraints>();
    let constraints = constraints.map_err(|error| error.to_string())?;
    if !constraints.is_some_and(|(_, constraints)| constraints.ca) {
        return Err("is no certificate of an authority: it may not sign others".to_owned());
    }
    Ok(end_of(certificate))
}

/// The end of any certificate; `None` where it cannot be read.
pub fn end_of_certificate(der: &[u8]) -> Option<SystemTime> {
    let certificate = Certificate::from_der(der).ok()?;
    Some(end_of(certificate.tbs_certificate()))
}

/// Whether the end of a certificate has passed. Its last second counts.
pub fn has_ended(not_after: SystemTime, now: SystemTime) -> bool {
    now >= not_after + Duration::from_secs(1)
}
