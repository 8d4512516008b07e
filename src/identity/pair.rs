//! The files of the server's certificate and its key.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustls::ServerConfig;

use super::{
    caller::{Policy, PolicySource},
    certificate::{EXPIRY_NOTE_WINDOW, end_of_certificate, has_ended},
    file::{Problem, Problems},
    files::{Content, is_readable_by_all, read},
    tls::{PairError, server_config},
    trust::read_certificates,
};

/// The paths of the server's certificate and key.
#[derive(Clone, Debug)]
pub struct PairPaths {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A certificate and a key that can be served with.
#[derive(Clone, Debug)]
pub struct PairReport {
    /// When the certificate ends.
    pub not_after: SystemTime,
    pub notes: Vec<Problem>,
}

impl PairPaths {
    /// Whether the two can be served with, at a time.
    pub fn inspect(&self, now: SystemTime) -> Result<PairReport, Problems> {
        let (certificate, key) = (read(&self.certificate), read(&self.key));
        let policy = PolicySource::fixed(Policy::none());
        let configured = configure(&certificate, &key, policy, now);
        configured.map_err(|error| Problems(vec![error.at(self)]))?;
        let not_after = not_after(&certificate).ok_or_else(|| {
            Problems::about(
                &self.certificate,
                "the end of the certificate cannot be read",
            )
        })?;
        let mut notes = Vec::new();
        let mut note = |path: &Path, text: &str| {
            notes.push(Problem::without_place(path.display().to_string(), text));
        };
        if has_ended(not_after, now + EXPIRY_NOTE_WINDOW) {
            note(&self.certificate, "expires within a week");
        }
        if is_readable_by_all(&self.key) {
            note(&self.key, "every user of this machine may read the key");
        }
        Ok(PairReport { not_after, notes })
    }
}

pub fn configure(
    certificate: &Content,
    key: &Content,
    policy: PolicySource,
    now: SystemTime,
) -> Result<ServerConfig, PairError> {
    let certificate = certificate.as_ref().map_err(Clone::clone);
    let certificate = certificate.map_err(PairError::Certificate)?;
    let key = key.as_ref().map_err(Clone::clone).map_err(PairError::Key)?;
    let config = server_config(certificate, key, policy)?;
    if end_of(certificate)
        .map_err(PairError::Certificate)?
        .is_some_and(|not_after| has_ended(not_after, now))
    {
        return Err(PairError::Certificate("has expired".to_owned()));
    }
    Ok(config)
}

/// When the certificate of a file ends, if that can be read.
pub fn not_after(certificate: &Content) -> Option<SystemTime> {
    let pem = certificate.as_ref().ok()?;
    end_of(pem).ok()?
}

fn end_of(pem: &[u8]) -> Result<Option<SystemTime>, String> {
    let chain = read_certificates(pem)?;
    Ok(chain.first().and_then(|leaf| end_of_certificate(leaf)))
}

impl PairError {
    /// The same, about a file.
    pub fn at(&self, paths: &PairPaths) -> Problem {
        let (path, text) = match self {
            Self::Certificate(reason) => (&paths.certificate, reason.clone()),
            Self::Key(reason) => (&paths.key, reason.clone()),
            Self::Mismatch => (&paths.key, "is not the key of the certificate".to_owned()),
        };
        Problem::without_place(path.display().to_string(), text)
    }
}
