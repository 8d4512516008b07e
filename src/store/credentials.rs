//! Credentials in files, read anew for each connection.
//!
//! A file that cannot be used leaves the last good credentials, so that a rotation in
//! progress ends no service. This module does not know what is connected to.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::{task::spawn_blocking, time::timeout};
use tracing::{info, warn};

use super::secret_file::{SecretFile, SecretFileError, secret_in};
use crate::metrics::files::{FileKind, FileMetrics};

/// The longest time to read a file. A mount may hang.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// A user and a password. A part that is not given stays as it was at the start.
#[derive(Clone)]
pub struct Credentials {
    pub username: Option<String>,
    pub password: Option<SecretString>,
}

/// Takes credentials from the content of a file.
type Parse = Arc<dyn Fn(&str) -> Result<Credentials, SecretFileError> + Send + Sync>;

/// A file of credentials. Clones share the last good version.
#[derive(Clone)]
pub struct CredentialsFile {
    file: SecretFile,
    parse: Parse,
    state: Arc<Mutex<State>>,
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// The files of one connection, of which the first one with a part counts.
#[derive(Clone, Default)]
pub struct CredentialsFiles(Vec<CredentialsFile>);

struct State {
    last_good: Credentials,
    /// The failure that was logged, until a version is good again.
    logged: Option<Failure>,
    metrics: FileMetrics,
}

/// A version of a file that cannot be used. The content is compared by its hash, so that
/// it does not stay in memory.
#[derive(PartialEq)]
struct Failure {
    error: SecretFileError,
    content: Option<[u8; 32]>,
}

impl Credentials {
    pub const fn of_password(password: SecretString) -> Self {
        Self {
            username: None,
            password: Some(password),
        }
    }

    /// Fails without a part that the credentials have to have.
    pub fn with_parts_of(
        self,
        has_username: bool,
        has_password: bool,
    ) -> Result<Self, SecretFileError> {
        let lacks_username = has_username && self.username.is_none();
        if lacks_username || has_password && self.password.is_none() {
            return Err(SecretFileError::Incomplete);
        }
        Ok(self)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.username == other.username && self.exposed() == other.exposed()
    }

    fn exposed(&self) -> Option<&str> {
        self.password.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl CredentialsFile {
    /// `None` if the content at the start has no credentials.
    pub fn new(
        file: SecretFile,
        parse: impl Fn(&str) -> Result<Credentials, SecretFileError> + Send + Sync + 'static,
        content: &str,
    ) -> Option<Self> {
        let state = State {
            last_good: parse(content).ok()?,
            logged: None,
            metrics: FileMetrics::default(),
        };
        Some(Self {
            file,
            parse: Arc::new(parse),
            state: Arc::new(Mutex::new(state)),
            reading: Arc::default(),
        })
    }

    /// The credentials in the file now, or the last good ones.
    async fn read(&self) -> Credentials {
        let (file, parse) = (self.file.clone(), Arc::clone(&self.parse));
        // One at a time, so that an older version never replaces a newer one.
        let reading = async {
            let guard = Arc::clone(&self.reading).lock_owned().await;
            spawn_blocking(move || {
                // Held also where nobody waits any more.
                let _reading = guard;
                read(&file, &*parse)
            })
            .await
        };
        let Ok(read) = timeout(READ_TIMEOUT, reading).await else {
            warn!(
                setting = self.setting(),
                "the file of a password cannot be read in time"
            );
            return self.last_good();
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(Ok(credentials)) => {
                let is_new = !credentials.is_same(&state.last_good);
                if is_new || state.logged.is_some() {
                    let metrics = &state.metrics;
                    metrics.reloaded(FileKind::Password, self.file.variable);
                }
                if is_new {
                    info!(
                        setting = self.setting(),
                        "a connection is opened with new credentials"
                    );
                }
                state.last_good = credentials;
                state.logged = None;
            }
            Ok(Err(failure)) => {
                if state.logged.as_ref() != Some(&failure) {
                    warn!(
                        setting = self.setting(),
                        path = %self.file.path.display(),
                        reason = %failure.error,
                        "the file of a password cannot be used; the last good password counts"
                    );
                    let metrics = &state.metrics;
                    metrics.refused(FileKind::Password, self.file.variable);
                }
                state.logged = Some(failure);
            }
            // The runtime is stopping.
            Err(_) => {}
        }
        state.last_good.clone()
    }

    fn count(&self, metrics: &FileMetrics) {
        metrics.loaded(FileKind::Password);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.metrics = metrics.clone();
    }

    fn last_good(&self) -> Credentials {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_good.clone()
    }

    fn setting(&self) -> String {
        format!("{}_FILE", self.file.variable)
    }
}

impl CredentialsFiles {
    /// The variables whose files are read.
    pub fn variables(&self) -> Vec<&'static str> {
        self.0.iter().map(|it| it.file.variable).collect()
    }

    /// Counts new versions from now on.
    pub(super) fn count(&self, metrics: &FileMetrics) {
        for file in &self.0 {
            file.count(metrics);
        }
    }

    /// The credentials in the files now, or the last good ones. `None` without files.
    pub(super) async fn read(&self) -> Option<Credentials> {
        let read = join_all(self.0.iter().map(CredentialsFile::read)).await;
        read.into_iter().reduce(|first, then| Credentials {
            username: first.username.or(then.username),
            password: first.password.or(then.password),
        })
    }
}

impl FromIterator<CredentialsFile> for CredentialsFiles {
    fn from_iter<T: IntoIterator<Item = CredentialsFile>>(files: T) -> Self {
        Self(files.into_iter().collect())
    }
}

fn read(
    file: &SecretFile,
    parse: impl Fn(&str) -> Result<Credentials, SecretFileError>,
) -> Result<Credentials, Failure> {
    let without_content = |error| Failure {
        error,
        content: None,
    };
    let bytes = file.bytes().map_err(without_content)?;
    let secret = secret_in(&bytes);
    let credentials = secret.and_then(|text| parse(&text));
    credentials.map_err(|error| Failure {
        error,
        content: Some(Sha256::digest(&*bytes).into()),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn number(text: &str) -> Result<Credentials, SecretFileError> {
        let is_number = text.parse::<u32>().is_ok();
        let credentials = is_number.then(|| Credentials::of_password(text.to_owned().into()));
        credentials.ok_or(SecretFileError::Invalid)
    }

    fn of(path: &Path) -> CredentialsFile {
        let file = SecretFile {
            variable: "NAME",
            path: path.to_owned(),
        };
        CredentialsFile::new(file, number, "1").unwrap()
    }

    async fn password(file: &CredentialsFile) -> String {
        let password = file.read().await.password.unwrap();
        password.expose_secret().to_owned()
    }

    #[tokio::test]
    async fn a_bad_version_leaves_the_last_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let file = of(&path);
        assert_eq!(password(&file).await, "1", "there is no file");
        for (content, expected) in [
            ("2\n", "2"),
            ("", "2"),
            ("x", "2"),
            ("y", "2"),
            ("3", "3"),
            ("\0", "3"),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(password(&file).await, expected, "{content:?}");
            assert_eq!(password(&file.clone()).await, expected, "{content:?}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(password(&file).await, "3");
    }

    /// The log has a line for each failure.
    #[tokio::test]
    async fn failures_differ_by_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let file = of(&path).file;
        let failure = |content: &str| {
            std::fs::write(&path, content).unwrap();
            read(&file, number).err().unwrap()
        };
        assert!(failure("x") == failure("x"));
        assert!(failure("x") != failure("y"));
        assert!(failure("") != failure(" "));
    }

    #[test]
    fn a_file_begins_with_credentials() {
        let file = SecretFile {
            variable: "NAME",
            path: "unused".into(),
        };
        assert!(CredentialsFile::new(file, number, "x").is_none());
    }
}
