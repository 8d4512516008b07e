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
        let name = path.display().to_string();
        let mut file = Self::parse(&name, &read_text(path)?)?;
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
    String::from_utf8(bytes).map_err(|_| problem("is not UTF-8".to_owned()))
}

fn is_writable_by_others(path: &Path) -> bool {
    const GROUP_AND_OTHERS: u32 = 0o022;
    let metadata = std::fs::metadata(path);
    metadata.is_ok_and(|file| file.permissions().mode() & GROUP_AND_OTHERS != 0)
}

/// Logs an entry that needs no proof, at the start and after each reload.
fn log_policy(policy: &Policy) {
    if let Some(local) = policy.entries().find(|entry| entry.is_local) {
        warn!(
            caller = local.name,
            "every process of this machine may call as this caller"
        );
    }
}

/// Reads the file again until the policy is not used any more.
pub fn watch_file(path: PathBuf, file: CallersFile, mut trigger: ReloadTrigger) -> PolicySource {
    let CallersFile { entries, text, .. } = file;
    let policy = Policy::new(entries, None);
    log_policy(&policy);
    let (sender, source) = watch::channel(Arc::new(policy));
    let mut known = Ok(text);
    tokio::spawn(async move {
        loop {
            let (task_path, previous) = (path.clone(), Arc::clone(&sender.borrow()));
            let read = move || read_text(&task_path);
            if let Ok(text) = tokio::task::spawn_blocking(read).await
                && known != text
            {
                match reloaded(&path, text.as_ref(), &previous) {
                    Ok(policy) => {
                        log_policy(&policy);
                        info!("the callers file has changed and counts from now on");
                        sender.send_replace(Arc::new(policy));
                    }
                    Err(problems) => {
                        for problem in problems.0 {
                            error!(%problem, "the callers file cannot be used; the last good one stays");
                        }
                    }
                }
                known = text;
            }
            tokio::select! {
                () = sleep(RELOAD_INTERVAL) => {}
                asked = trigger.recv() => if asked.is_none() { sleep(RELOAD_INTERVAL).await },
                () = sender.closed() => return,
            }
        }
    });
    PolicySource(source)
}

fn reloaded(
    path: &Path,
    text: Result<&String, &Problems>,
    previous: &Policy,
) -> Result<Policy, Problems> {
    let text = text.map_err(Clone::clone)?;
    let file = CallersFile::parse(&path.display().to_string(), text)?;
    Ok(Policy::new(file.entries, Some(previous)))
}
