//! A wall clock of a server's own, which a test sets: libfaketime, which takes the place of the
//! system's. Clocks that count on are left alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Program, program::Server};

/// The file of the offset, in the folder of the program.
const OFFSET: &str = "offset";

/// A server with a wall clock of its own.
pub struct Clocked(pub Server);

impl Program {
    /// Starts it with a clock of its own, which is that of the system at first.
    pub fn start_with_clock(self) -> Clocked {
        let file = self.folder().join(OFFSET).display().to_string();
        let program = self
            .with_file(OFFSET, "+0")
            .env("LD_PRELOAD", library().to_str().unwrap())
            .env("FAKETIME_TIMESTAMP_FILE", &file)
            // The file is read whenever the clock is asked.
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        Clocked(program.start())
    }
}

impl Clocked {
    /// Sets its clock to this many seconds beside that of the system.
    pub fn set_clock(&self, offset_seconds: i64) {
        self.0.replace(OFFSET, &format!("{offset_seconds:+}"));
    }
}

impl Drop for Clocked {
    /// The library leaves two files behind if its process is killed.
    fn drop(&mut self) {
        self.0.signal("KILL");
        let process = self.0.pid().as_raw_pid();
        for name in ["faketime_shm", "sem.faketime_sem"] {
            // It may have named them otherwise.
            let _ = fs::remove_file(format!("/dev/shm/{name}_{process}"));
        }
    }
}

/// Debian has it in a folder of the architecture.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let folders = folders.map(|folder| folder.path());
    let folders = [Path::new("/usr/lib"), Path::new("/usr/lib64")]
        .map(Path::to_owned)
        .into_iter()
        .chain(folders);
    let mut files = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    files
        .find(|file| file.exists())
        .expect("the tests need libfaketime: apt-get install faketime")
}
