//! The callers file is read again while the server runs: every few seconds and at SIGHUP.
//!
//! Contents are compared, and no times: a mounted file may change without a new time. A bad
//! new version is logged once, and the last good one stays.

use std::{
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tracing::{error, info, warn};

use super::{
    caller::Policy,
    file::{CallersFile, MAX_FILE_BYTES, Problem, Problems},
};

/// The interval at which the file is read.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// The time that a writer has for the rest of a file.
const WRITE_DELAY: Duration = Duration::from_millis(200);

/// Receives when the operator asks for it.
pub type ReloadTrigger = mpsc::Receiver<()>;

/// The policy that counts now. Every call sees one version from beginning to end.
#[derive(Clone, Debug)]
pub struct PolicySource(watch::Receiver<Arc<Policy>>);

impl PolicySource {
    /// One that does not change.
    pub fn fixed(policy: Policy) -> Self {
        Self(watch::channel(Arc::new(policy)).1)
    }

    pub fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.0.borrow())
    }
}

impl CallersFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        Self::of_text(path, &read_text(path)?)
    }

    fn of_text(path: &Path, text: &str) -> Result<Self, Problems> {
        let name = path.display().to_string();
        let mut file = Self::parse(&name, text)?;
        if is_writable_by_others(path) {
            let text = "others than its owner may write it, and so decide who may call";
            file.notes.insert(0, Problem::without_place(name, text));
        }
        Ok(file)
    }
}

/// A text; one that cannot be read is a mistake without a place.
fn read_text(path: &Path) -> Result<String, Problems> {
    let problem = |text: String| {
        let name = path.display().to_string();
        Problems(vec![Problem::without_place(name, text)])
    };
    let unreadable = |error: io::Error| problem(format!("cannot be read: {}", error.kind()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // A byte more, so that a larger file is noticed.
    let mut limited = file.take(MAX_FILE_BYTES as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(problem("is larger than 256 KiB".to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| problem("is not UTF-8".to_owned()))
}

fn is_writable_by_others(path: &Path) -> bool {
    const GROUP_AND_OTHERS: u32 = 0o022;
    let metadata = std::fs::metadata(path);
    metadata.is_ok_and(|file| file.permissions().mode() & GROUP_AND_OTHERS != 0)
}

/// Logs what is worth knowing, at the start and after each reload.
fn log_notes(file: &CallersFile) {
    for note in &file.notes {
        warn!(%note, "about the callers file");
    }
}

/// Reads the file again until the policy is not used any more.
pub fn watch_file(path: PathBuf, file: CallersFile, mut trigger: ReloadTrigger) -> PolicySource {
    log_notes(&file);
    let CallersFile { entries, text, .. } = file;
    let policy = Policy::new(entries, None);
    let (sender, source) = watch::channel(Arc::new(policy));
    let mut known = Ok(text);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sleep(RELOAD_INTERVAL) => {}
                asked = trigger.recv() => if asked.is_none() { sleep(RELOAD_INTERVAL).await },
                () = sender.closed() => return,
            }
            let Some((text, file)) = changed(&path, &known).await else {
                continue;
            };
            known = text;
            match file {
                Ok(file) => {
                    log_notes(&file);
                    info!("the callers file has changed and counts from now on");
                    let previous = Arc::clone(&sender.borrow());
                    let policy = Policy::new(file.entries, Some(&previous));
                    sender.send_replace(Arc::new(policy));
                }
                Err(problems) => {
                    for problem in problems.0 {
                        error!(%problem, "the callers file cannot be used; the last good one stays");
                    }
                }
            }
        }
    });
    PolicySource(source)
}

type ReadText = Result<String, Problems>;

/// A changed text, and what it says. `None` where nothing has changed, or a change is not
/// over: a file that is written in place is read whole only after a while.
async fn changed(
    path: &Path,
    known: &ReadText,
) -> Option<(ReadText, Result<CallersFile, Problems>)> {
    let read = |path: PathBuf| async move {
        let read = tokio::task::spawn_blocking(move || read_text(&path));
        read.await.ok()
    };
    let text = read(path.to_owned()).await?;
    if text == *known {
        return None;
    }
    sleep(WRITE_DELAY).await;
    if read(path.to_owned()).await? != text {
        return None;
    }
    let (task_path, task_text) = (path.to_owned(), text.clone());
    let parse = move || CallersFile::of_text(&task_path, &task_text?);
    // A panic is logged as such; the last good version stays.
    let file = tokio::task::spawn_blocking(parse).await.ok()?;
    Some((text, file))
}
