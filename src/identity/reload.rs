//! The files of the settings are read again while the server runs: every few seconds and at
//! SIGHUP.
//!
//! Each file keeps its own last good version: a mistake in the callers file holds up no
//! renewed certificate. A bad new version is logged once, and changes nothing.

mod server_key;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tracing::{error, info, warn};

use super::{
    caller::{Policy, PolicySource, Trust},
    file::{Authority, CallersFile, IssuerEntry, LastGoodFiles, Problem, Problems, Surroundings},
    files::{Content, Version, WatchedFile, is_writable_by_others, read},
    keys::KeySet,
    pair::PairPaths,
    token::Verifier,
    trust::{Anchors, Authorities},
};
use crate::metrics::{
    callers::CallerMetrics,
    files::{FileKind, FileMetrics},
};
use server_key::ServerKeyState;
pub use server_key::TlsSource;

/// The interval at which the files are read.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Receives when the operator asks for it.
pub type ReloadTrigger = mpsc::Receiver<()>;

/// The wall clock.
pub type WallClock = fn() -> SystemTime;

impl CallersFile {
    /// Reads a file, and the files that it names.
    pub fn read(path: &Path, now: SystemTime) -> Result<Self, Problems> {
        Self::of_content(path, &read(path), now, &LastGoodFiles::default())
    }

    /// The policy of the file, for answers about it.
    pub fn into_policy(self) -> Policy {
        policy_of(self, None, CallerMetrics::default()).0
    }

    fn of_content(
        path: &Path,
        content: &Content,
        now: SystemTime,
        last_good: &LastGoodFiles,
    ) -> Result<Self, Problems> {
        let bytes = content.as_ref();
        let bytes = bytes.map_err(|reason| Problems::about(path, reason))?;
        let text = str::from_utf8(bytes).map_err(|_| Problems::about(path, "is not UTF-8"))?;
        let name = path.display().to_string();
        let folder = path.parent().unwrap_or(Path::new(""));
        let surroundings = Surroundings {
            folder,
            read: &|file| read(&folder.join(file)),
            now,
            last_good,
        };
        let mut file = Self::parse(&name, text, &surroundings)?;
        if is_writable_by_others(path) {
            let text = "others than its owner may write it, and so decide who may call";
            file.notes.insert(0, Problem::without_place(name, text));
        }
        Ok(file)
    }
}

/// Logs what is worth knowing, at the start and after each reload.
fn log_notes(notes: &[Problem]) {
    for note in notes {
        warn!(%note, "about the callers file");
    }
}

/// Reads the files, and reads them again until the policy is not used any more.
pub fn watch_files(
    path: PathBuf,
    pair: Option<PairPaths>,
    trigger: ReloadTrigger,
    clock: WallClock,
    metrics: ReloadMetrics,
) -> Result<(PolicySource, Option<TlsSource>), Problems> {
    let content = read(&path);
    let version = Version::of(&content);
    let file = CallersFile::of_content(&path, &content, clock(), &LastGoodFiles::default());
    // All that is wrong is reported at once.
    let of_pair = pair.as_ref().map(|pair| pair.inspect(clock()).err());
    let file = match (file, of_pair.flatten()) {
        (Ok(file), None) => file,
        (Ok(_), Some(problems)) | (Err(problems), None) => return Err(problems),
        (Err(problems), Some(of_pair)) => {
            return Err(Problems([problems.0, of_pair.0].concat()));
        }
    };
    log_notes(&file.notes);
    let callers = CallersState {
        file: WatchedFile::new(path, version),
        problems: None,
        metrics: metrics.files.clone(),
    };
    metrics.files.loaded(FileKind::Callers);
    let (policy, trusted) = policy_of(file, None, metrics.callers.clone());
    trusted.count(&metrics.files);
    let (policy, source) = watch::channel(Arc::new(policy));
    let source = PolicySource(source);
    let tls = pair
        .map(|paths| ServerKeyState::begin(paths, source.clone(), clock(), metrics.files.clone()));
    let (server_key, tls) = match tls.transpose()? {
        Some((state, source)) => (Some(state), Some(source)),
        None => (None, None),
    };
    let watcher = Watcher {
        policy,
        callers,
        trusted,
        server_key,
        clock,
        metrics,
    };
    tokio::spawn(watcher.run(trigger));
    Ok((source, tls))
}

/// Counts files and tokens.
#[derive(Clone, Debug, Default)]
pub struct ReloadMetrics {
    pub files: FileMetrics,
    pub callers: CallerMetrics,
}

/// All files of the settings, with their last good versions.
struct Watcher {
    policy: watch::Sender<Arc<Policy>>,
    callers: CallersState,
    trusted: TrustedFiles,
    server_key: Option<ServerKeyState>,
    clock: WallClock,
    metrics: ReloadMetrics,
}

impl Watcher {
    async fn run(mut self, mut trigger: ReloadTrigger) {
        loop {
            tokio::select! {
                () = sleep(RELOAD_INTERVAL) => {}
                asked = trigger.recv() => if asked.is_none() { sleep(RELOAD_INTERVAL).await },
                () = self.policy.closed() => return,
            }
            self.read_trusted().await;
            if let Some(file) = self
                .callers
                .changed((self.clock)(), self.trusted.last_good())
                .await
            {
                self.change_callers(file);
            }
            if let Some(server_key) = &mut self.server_key {
                server_key.read((self.clock)()).await;
            }
        }
    }

    fn change_callers(&mut self, file: CallersFile) {
        log_notes(&file.notes);
        info!("the callers file has changed and counts from now on");
        let previous = Arc::clone(&self.policy.borrow());
        let (policy, trusted) = policy_of(file, Some(&previous), self.metrics.callers.clone());
        self.policy.send_replace(Arc::new(policy));
        let files = &self.metrics.files;
        files.reloaded(FileKind::Callers, "");
        trusted.count(files);
        self.trusted = trusted;
    }

    async fn read_trusted(&mut self) {
        let (files, now) = (&self.metrics.files, (self.clock)());
        if self.trusted.reload(now, files).await {
            files.set_authorities(self.trusted.ends());
            let policy = self.policy.borrow().with_trust(self.trusted.trust());
            self.policy.send_replace(Arc::new(policy));
        }
    }
}

/// The policy of a file, and the files that it names.
fn policy_of(
    file: CallersFile,
    previous: Option<&Policy>,
    metrics: CallerMetrics,
) -> (Policy, TrustedFiles) {
    let trusted = TrustedFiles {
        authorities: file.authorities,
        issuers: file.issuers,
        metrics,
    };
    (
        Policy::new(file.entries, trusted.trust(), previous),
        trusted,
    )
}

/// The files that a callers file names.
struct TrustedFiles {
    authorities: Vec<Authority>,
    issuers: Vec<IssuerEntry>,
    metrics: CallerMetrics,
}

impl TrustedFiles {
    /// Counts files that were read just now.
    fn count(&self, files: &FileMetrics) {
        if !self.authorities.is_empty() {
            files.loaded(FileKind::Authority);
        }
        if !self.issuers.is_empty() {
            files.loaded(FileKind::Issuer);
        }
        let authorities = self.authorities.iter();
        let refused = authorities.filter(|it| it.anchors.is_refused);
        files.set_refused(FileKind::Authority, refused.map(|it| it.name.as_str()));
        let refused = self.issuers.iter().filter(|it| it.keys.is_refused);
        files.set_refused(FileKind::Issuer, refused.map(IssuerEntry::name));
        files.set_authorities(self.ends());
    }

    /// The authorities, and when the last certificate of each ends.
    fn ends(&self) -> impl Iterator<Item = (&str, SystemTime)> {
        let authorities = self.authorities.iter();
        authorities.map(|it| (it.name.as_str(), it.anchors.value.not_after()))
    }

    fn trust(&self) -> Trust {
        let authorities = self.authorities.iter();
        let issuers = self.issuers.iter().map(IssuerEntry::issuer);
        Trust {
            authorities: Authorities::new(
                authorities.map(|it| (it.trust_domain.as_deref(), &it.anchors.value)),
            ),
            tokens: Some(Arc::new(Verifier::new(
                issuers.collect(),
                self.metrics.clone(),
            ))),
        }
    }

    fn last_good(&self) -> LastGoodFiles {
        let anchors = self.authorities.iter().map(|it| &it.anchors);
        let keys = self.issuers.iter().map(|it| &it.keys);
        LastGoodFiles {
            anchors: anchors
                .map(|it| (it.path().to_owned(), it.value.clone()))
                .collect(),
            keys: keys
                .map(|it| (it.path().to_owned(), it.value.clone()))
                .collect(),
        }
    }

    /// Takes new versions that are good, and says whether there was one.
    async fn reload(&mut self, now: SystemTime, files: &FileMetrics) -> bool {
        let mut has_changed = false;
        for Authority { name, anchors, .. } in &mut self.authorities {
            let read = anchors.reload(|pem| Anchors::read(pem, now)).await;
            has_changed |= report_reload(FileKind::Authority, name, read, files);
            if anchors.value.drop_ended(now) {
                warn!(
                    authority = name,
                    "a certificate of an authority has expired"
                );
                has_changed = true;
            }
        }
        for issuer in &mut self.issuers {
            let read = issuer.keys.reload(|json| KeySet::read(json).map(Arc::new));
            let read = read.await;
            has_changed |= report_reload(FileKind::Issuer, issuer.name(), read, files);
        }
        has_changed
    }
}

/// Logs and counts a new version of a file, and says whether it is good.
fn report_reload(
    file: FileKind,
    name: &str,
    read: Option<Result<(), String>>,
    files: &FileMetrics,
) -> bool {
    let kind: &'static str = file.into();
    match read {
        None => false,
        Some(Ok(())) => {
            files.reloaded(file, name);
            info!(
                kind,
                name, "the file of an authority or issuer counts from now on"
            );
            true
        }
        Some(Err(problem)) => {
            files.refused(file, name);
            error!(
                kind,
                name,
                problem,
                "the file of an authority or issuer cannot be used; its last good version stays"
            );
            false
        }
    }
}

fn log_refused(problems: &Problems) {
    for problem in &problems.0 {
        error!(%problem, "the callers file cannot be used; the last good one stays");
    }
}

struct CallersState {
    file: WatchedFile,
    /// Of the last version, if it is bad. It is read again even if it does not change: it
    /// may name a file that is not there yet.
    problems: Option<Problems>,
    metrics: FileMetrics,
}

impl CallersState {
    /// A new version, if it is good.
    async fn changed(&mut self, now: SystemTime, last_good: LastGoodFiles) -> Option<CallersFile> {
        let path = self.file.path.clone();
        let content = match self.file.changed().await {
            Some(content) => content,
            None if self.problems.is_some() => read(&path),
            None => return None,
        };
        let parse = move || CallersFile::of_content(&path, &content, now, &last_good);
        // A panic is logged as such; the last good version stays.
        let file = tokio::task::spawn_blocking(parse).await.ok()?;
        match file {
            Ok(file) => {
                self.problems = None;
                Some(file)
            }
            Err(problems) => {
                if self.problems.as_ref() != Some(&problems) {
                    log_refused(&problems);
                    self.metrics.refused(FileKind::Callers, "");
                }
                self.problems = Some(problems);
                None
            }
        }
    }
}
