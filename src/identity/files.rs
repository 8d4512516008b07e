//! Reads the files of the settings.
//!
//! Contents are compared, and no times: a mounted file may change without a new time. They
//! are compared by their hashes, so that no key stays in memory.

use std::{
    collections::HashMap,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tokio::{task::spawn_blocking, time::sleep};
use zeroize::Zeroizing;

/// The largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 256 << 10;

/// The time that a writer has for the rest of a file.
const WRITE_DELAY: Duration = Duration::from_millis(200);

/// The bytes of a file, or why there are none.
pub type Content = Result<Zeroizing<Vec<u8>>, String>;

/// A version of a file: two contents are equal if their versions are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(Result<[u8; 32], String>);

impl Version {
    pub fn of(content: &Content) -> Self {
        let hash = content.as_ref().map(|bytes| Sha256::digest(bytes).into());
        Self(hash.map_err(Clone::clone))
    }
}

/// Reads a whole file.
pub fn read(path: &Path) -> Content {
    let unreadable = |error: io::Error| format!("cannot be read: {}", error.kind());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    // A byte more, so that a larger file is noticed.
    let mut limited = file.take(MAX_FILE_BYTES as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err("is larger than 256 KiB".to_owned());
    }
    Ok(bytes)
}

/// The time since the last change of a file. `None` where the system does not tell.
pub fn age(path: &Path, now: SystemTime) -> Option<Duration> {
    let changed = std::fs::metadata(path).ok()?.modified().ok()?;
    // A file from the future is new.
    Some(now.duration_since(changed).unwrap_or_default())
}

pub fn is_writable_by_others(path: &Path) -> bool {
    has_permission(path, 0o022)
}

pub fn is_readable_by_all(path: &Path) -> bool {
    has_permission(path, 0o004)
}

fn has_permission(path: &Path, permission: u32) -> bool {
    let metadata = std::fs::metadata(path);
    metadata.is_ok_and(|file| file.permissions().mode() & permission != 0)
}

/// A file, and the version of it that was seen last.
#[derive(Debug)]
pub struct WatchedFile {
    pub path: PathBuf,
    seen: Version,
}

impl WatchedFile {
    pub const fn new(path: PathBuf, seen: Version) -> Self {
        Self { path, seen }
    }

    /// The content of a new version. `None` where nothing has changed, or a change is not
    /// over: a file that is written in place is whole only after a while.
    pub async fn changed(&mut self) -> Option<Content> {
        let version = Version::of(&self.read().await?);
        if version == self.seen {
            return None;
        }
        sleep(WRITE_DELAY).await;
        let content = self.read().await?;
        if Version::of(&content) != version {
            return None;
        }
        self.seen = version;
        Some(content)
    }

    async fn read(&self) -> Option<Content> {
        let path = self.path.clone();
        spawn_blocking(move || read(&path)).await.ok()
    }
}

/// A file, and what its last good version says.
#[derive(Debug)]
pub struct Loaded<T> {
    file: WatchedFile,
    pub value: T,
    /// Whether the newest version is bad, so that the last good one counts.
    pub is_refused: bool,
}

/// Last good versions, by path.
pub type LastGood<T> = HashMap<PathBuf, T>;

impl<T> Loaded<T> {
    /// From the content of a file. A bad one leaves the last good version, if there is one.
    pub fn new(
        path: PathBuf,
        content: Content,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
        last_good: &LastGood<T>,
    ) -> Result<Self, String>
    where
        T: Clone,
    {
        let version = Version::of(&content);
        let parsed = content.and_then(|bytes| parse(&bytes));
        let is_refused = parsed.is_err();
        let value = parsed.or_else(|reason| last_good.get(&path).cloned().ok_or(reason))?;
        Ok(Self {
            file: WatchedFile::new(path, version),
            value,
            is_refused,
        })
    }

    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Takes a new version of the file. `None` where there is none; an error leaves the last
    /// good one.
    pub async fn reload(
        &mut self,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Option<Result<(), String>> {
        let content = self.file.changed().await?;
        let parsed = content.and_then(|bytes| parse(&bytes));
        self.is_refused = parsed.is_err();
        Some(match parsed {
            Ok(value) => {
                self.value = value;
                Ok(())
            }
            Err(reason) => Err(format!("{} {reason}", self.file.path.display())),
        })
    }
}
