//! The other end of a connection: what the system says about it, and its certificate.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::{CertificateDer, UnixTime};
use tokio_util::sync::CancellationToken;

use super::{
    certificate::{Leaf, LeafError, end_of_certificate, has_ended},
    credential::{Credential, CredentialError, CredentialProblem},
    file::Problems,
    files,
    trust::{Authorities, read_certificates},
};

#[derive(Clone, Debug)]
pub enum Peer {
    /// A process of this machine, over a loopback address.
    Loopback,
    /// A process of this machine, over a Unix socket: its user id at the time of its
    /// `connect`. `None` where the system does not tell.
    Unix(Option<u32>),
    /// Over TLS, with the certificate that it has presented.
    Tls(IpAddr, Option<Arc<PeerCertificate>>),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback"),
            Self::Unix(_) => f.write_str("unix"),
            Self::Tls(address, _) => address.fmt(f),
        }
    }
}

impl Peer {
    /// Cancelled when the connection is to end, for its certificate does not hold any more.
    pub fn dismissed(&self) -> Option<&CancellationToken> {
        match self {
            Self::Tls(_, Some(certificate)) => Some(&certificate.dismissed),
            _ => None,
        }
    }

    /// The peers that one machine may be: an address, or the /64 of an address of IPv6.
    pub fn network(&self) -> String {
        match self {
            Self::Tls(IpAddr::V6(address), _) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                format!("{}/64", Ipv6Addr::from_bits(network))
            }
            other => other.to_string(),
        }
    }
}

/// The certificate of a connection, and whether it still counts.
#[derive(Debug)]
pub struct PeerCertificate {
    pub leaf: Leaf,
    /// When the certificates of the chain end.
    ends: Vec<SystemTime>,
    /// The leaf, and what it came with.
    chain: Vec<CertificateDer<'static>>,
    /// The generation of the policy by whose authorities the chain was verified last.
    verified_in: AtomicU64,
    dismissed: CancellationToken,
}

impl PeerCertificate {
    /// The first call verifies the chain.
    pub fn read(chain: Vec<CertificateDer<'static>>) -> Result<Self, LeafError> {
        let leaf = Leaf::read(chain.first().ok_or(LeafError::NoName)?)?;
        let ends = chain.iter().filter_map(|it| end_of_certificate(it));
        Ok(Self {
            ends: ends.collect(),
            leaf,
            chain,
            verified_in: AtomicU64::new(0),
            dismissed: CancellationToken::new(),
        })
    }

    /// Reads the file of a certificate, with those that lead to its authority.
    pub fn read_file(path: &Path) -> Result<Self, Problems> {
        let content = files::read(path).and_then(|pem| read_certificates(&pem));
        let certificate = content.and_then(|chain| Self::read(chain).map_err(|it| it.to_string()));
        certificate.map_err(|reason| Problems::about(path, reason))
    }

    /// Whether it holds at this time, and by the authorities of this generation. Where it
    /// does not, the connection is to end, and no further call counts.
    pub fn check(
        &self,
        authorities: &Authorities,
        generation: u64,
        now: SystemTime,
    ) -> Result<(), CredentialError> {
        let problem = if has_ended(self.leaf.not_after, now) {
            CredentialProblem::Expired
        } else if !self.dismissed.is_cancelled()
            && (self.is_verified(generation, now) || self.verify(authorities, now).is_ok())
        {
            self.verified_in.store(generation, Ordering::Release);
            return Ok(());
        } else {
            CredentialProblem::Distrusted
        };
        self.dismissed.cancel();
        Err(CredentialError::new(Credential::Certificate, problem))
    }

    /// Whether the chain needs no verification: once a certificate of it has ended, it is
    /// verified each time, since it may do without this one.
    fn is_verified(&self, generation: u64, now: SystemTime) -> bool {
        let mut ends = self.ends.iter();
        self.verified_in.load(Ordering::Acquire) == generation
            && !ends.any(|end| has_ended(*end, now))
    }

    /// When the next certificate of the chain ends.
    pub fn next_end(&self, now: SystemTime) -> Option<SystemTime> {
        let ends = self.ends.iter().copied();
        ends.filter(|end| !has_ended(*end, now)).min()
    }

    fn verify(&self, authorities: &Authorities, now: SystemTime) -> Result<(), rustls::Error> {
        let (leaf, intermediates) = self
            .chain
            .split_first()
            .ok_or(rustls::Error::NoCertificatesPresented)?;
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(since_epoch);
        authorities.verify(leaf, intermediates, now)
    }
}
