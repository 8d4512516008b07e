//! Files that are read while the server runs, and the ends of certificates.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use super::labels::{label_values, start_at_zero};

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum FileKind {
    Callers,
    /// The server's certificate and its key.
    Certificate,
    Authority,
    Issuer,
    /// Of a database or of Redis.
    Password,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
enum ReloadResult {
    Done,
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    file: FileKind,
    result: ReloadResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FileLabels {
    file: FileKind,
}

/// A certificate: `server`, or the name of an authority.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    which: Arc<str>,
}

label_values!(FileKind, ReloadResult);

const SERVER: &str = "server";

/// Counts what becomes of files.
#[derive(Clone, Debug)]
pub struct FileMetrics {
    reloads: Family<ReloadLabels, Counter>,
    loaded: Family<FileLabels, Gauge>,
    stale: Family<FileLabels, Gauge>,
    /// The files whose newest version is refused.
    refused: Arc<Mutex<BTreeSet<(FileKind, String)>>>,
    expiry: Family<CertificateLabels, Gauge>,
    /// In seconds since 1970; 0 without a certificate.
    server_expiry: Arc<AtomicI64>,
    clock: fn() -> SystemTime,
}

impl Default for FileMetrics {
    fn default() -> Self {
        Self::new(|| UNIX_EPOCH)
    }
}

impl FileMetrics {
    /// `clock` is the wall clock.
    pub(super) fn new(clock: fn() -> SystemTime) -> Self {
        let (reloads, stale) = (Family::default(), Family::default());
        for file in FileKind::iter() {
            let results = ReloadResult::iter().map(|result| ReloadLabels { file, result });
            start_at_zero(&reloads, results);
            start_at_zero(&stale, [FileLabels { file }]);
        }
        Self {
            reloads,
            loaded: Family::default(),
            stale,
            refused: Arc::default(),
            expiry: Family::default(),
            server_expiry: Arc::default(),
            clock,
        }
    }

    /// A file was read at the start.
    pub fn loaded(&self, file: FileKind) {
        let loaded = self.loaded.get_or_create(&FileLabels { file });
        loaded.set(seconds((self.clock)()));
    }

    /// A new version of a file counts from now on. `name` tells files of one kind apart.
    pub fn reloaded(&self, file: FileKind, name: &str) {
        self.count(file, ReloadResult::Done);
        self.loaded(file);
        self.change_refused(file, |refused| {
            refused.remove(&(file, name.to_owned()));
        });
    }

    /// The newest version of a file is bad, so that the last good one stays.
    pub fn refused(&self, file: FileKind, name: &str) {
        self.count(file, ReloadResult::Refused);
        self.change_refused(file, |refused| {
            refused.insert((file, name.to_owned()));
        });
    }

    /// Files of a kind are named anew; of these, the newest version is bad.
    pub fn set_refused<'n>(&self, file: FileKind, names: impl IntoIterator<Item = &'n str>) {
        self.change_refused(file, |refused| {
            refused.retain(|(kind, _)| *kind != file);
            refused.extend(names.into_iter().map(|name| (file, name.to_owned())));
        });
    }

    fn change_refused(
        &self,
        file: FileKind,
        change: impl FnOnce(&mut BTreeSet<(FileKind, String)>),
    ) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut refused);
        let is_stale = refused.iter().any(|(kind, _)| *kind == file);
        let stale = self.stale.get_or_create(&FileLabels { file });
        stale.set(i64::from(is_stale));
    }

    fn count(&self, file: FileKind, result: ReloadResult) {
        let reloads = self.reloads.get_or_create(&ReloadLabels { file, result });
        reloads.inc();
    }

    /// The kinds of files whose newest version is refused.
    pub fn stale(&self) -> BTreeSet<&'static str> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().map(|(kind, _)| kind.into()).collect()
    }

    /// The certificate of the server ends then.
    pub fn set_server_expiry(&self, not_after: SystemTime) {
        let end = seconds(not_after);
        self.server_expiry.store(end, Ordering::Relaxed);
        self.set_expiry(SERVER, end);
    }

    /// The authorities of the callers file end then.
    pub fn set_authorities<'a>(&self, ends: impl IntoIterator<Item = (&'a str, SystemTime)>) {
        self.expiry.clear();
        let server = self.server_expiry.load(Ordering::Relaxed);
        if server != 0 {
            self.set_expiry(SERVER, server);
        }
        for (name, not_after) in ends {
            self.set_expiry(name, seconds(not_after));
        }
    }

    fn set_expiry(&self, which: &str, end: i64) {
        let which = which.into();
        let expiry = self.expiry.get_or_create(&CertificateLabels { which });
        expiry.set(end);
    }

    /// Whether the certificate of the server has ended.
    pub fn server_certificate_has_expired(&self) -> bool {
        let end = self.server_expiry.load(Ordering::Relaxed);
        end != 0 && end <= seconds((self.clock)())
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl FileMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "reloads",
            "New versions of files, taken or refused",
            self.reloads.clone(),
        );
        registry.register(
            "loaded_timestamp_seconds",
            "When the last good version was read",
            self.loaded.clone(),
        );
        registry.register(
            "stale",
            "1 while the newest version of such a file is refused",
            self.stale.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate ends",
            self.expiry.clone(),
        );
    }
}
