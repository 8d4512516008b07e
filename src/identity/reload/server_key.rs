//! The server's certificate and its key, read again while the server runs.

use std::{sync::Arc, time::SystemTime};

use rustls::ServerConfig;
use tokio::sync::watch;
use tracing::{error, info};

use crate::{
    identity::{
        caller::PolicySource,
        file::Problems,
        files::{Version, WatchedFile, read},
        pair::{PairPaths, configure, not_after},
        tls::PairError,
    },
    metrics::files::{FileKind, FileMetrics},
};

/// Readings of a certificate and a key that do not match until this is logged. Two files
/// are never written at once.
const MISMATCHES_TO_LOG: u32 = 3;

/// The configuration of TLS that counts for the next handshake.
#[derive(Clone, Debug)]
pub struct TlsSource(watch::Receiver<Arc<ServerConfig>>);

impl TlsSource {
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.borrow())
    }
}

/// The last good pair, and what became of the last reading.
pub struct ServerKeyState {
    certificate: WatchedFile,
    key: WatchedFile,
    policy: PolicySource,
    sender: watch::Sender<Arc<ServerConfig>>,
    /// Of the last reading, and how often it was the same.
    problem: Option<(String, u32)>,
    metrics: FileMetrics,
}

impl ServerKeyState {
    pub fn begin(
        paths: PairPaths,
        policy: PolicySource,
        now: SystemTime,
        metrics: FileMetrics,
    ) -> Result<(Self, TlsSource), Problems> {
        let (certificate, key) = (read(&paths.certificate), read(&paths.key));
        let versions = (Version::of(&certificate), Version::of(&key));
        let config = configure(&certificate, &key, policy.clone(), now);
        let config = config.map_err(|error| Problems(vec![error.at(&paths)]))?;
        metrics.loaded(FileKind::Certificate);
        if let Some(not_after) = not_after(&certificate) {
            metrics.set_server_expiry(not_after);
        }
        let (sender, receiver) = watch::channel(Arc::new(config));
        let state = Self {
            certificate: WatchedFile::new(paths.certificate, versions.0),
            key: WatchedFile::new(paths.key, versions.1),
            policy,
            sender,
            problem: None,
            metrics,
        };
        Ok((state, TlsSource(receiver)))
    }

    /// Takes a new certificate and key, if they are good. Bad ones are read again: one of
    /// the two files may be about to follow.
    pub async fn read(&mut self, now: SystemTime) {
        let has_changed =
            self.certificate.changed().await.is_some() | self.key.changed().await.is_some();
        if !has_changed && self.problem.is_none() {
            return;
        }
        let paths = PairPaths {
            certificate: self.certificate.path.clone(),
            key: self.key.path.clone(),
        };
        let (certificate, key) = (read(&paths.certificate), read(&paths.key));
        match configure(&certificate, &key, self.policy.clone(), now) {
            Ok(config) => {
                info!("the server's certificate has changed and counts from now on");
                self.problem = None;
                self.metrics.reloaded(FileKind::Certificate, "");
                if let Some(not_after) = not_after(&certificate) {
                    self.metrics.set_server_expiry(not_after);
                }
                self.sender.send_replace(Arc::new(config));
            }
            Err(error) => {
                let problem = error.at(&paths).to_string();
                let before = self.problem.take().filter(|(last, _)| *last == problem);
                let count = before.map_or(1, |(_, count)| count + 1);
                let logged_at = if error == PairError::Mismatch {
                    MISMATCHES_TO_LOG
                } else {
                    1
                };
                if count == logged_at {
                    self.metrics.refused(FileKind::Certificate, "");
                    error!(
                        problem,
                        "the server's certificate cannot be used; the last good one stays"
                    );
                }
                self.problem = Some((problem, count));
            }
        }
    }
}
