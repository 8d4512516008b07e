//! A small disk of a server's own, which can be filled: a tmpfs that only its process has.
//!
//! The disk goes with the process, however that ends.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::PathBuf,
    process::Command,
};

use super::{Program, program::Server};

/// The folder of the disk, in that of the program.
const DISK: &str = "disk";
const FILLING: &str = "filling";

impl Program {
    /// Started with a disk of so many kilobytes. Files of its folder with names that end in `.db`
    /// are copied there. Then the disk may be filled.
    pub fn with_disk(mut self, kilobytes: u32, is_full: bool) -> Self {
        let fill = format!("dd if=/dev/zero of={DISK}/{FILLING} bs=4k 2>/dev/null");
        let fill = if is_full { &fill } else { "true" };
        let script = format!(
            "mkdir {DISK} && mount -t tmpfs -o size={kilobytes}k,mode=0700 tmpfs {DISK} || {{
                echo 'the tests need to mount a tmpfs: as root, or in a user namespace' >&2
                exit 1
            }}
            cp ./*.db {DISK}/; {fill}; exec \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(namespaces()).args(["sh", "-c", &script, "sh"]);
        command.arg(self.command.get_program());
        command.args(self.command.get_args());
        self.replace_command(command);
        self
    }

    /// A path on the disk, as the program sees it.
    pub fn on_disk(&self, name: &str) -> String {
        self.folder().join(DISK).join(name).display().to_string()
    }
}

impl Server {
    /// A path on its disk, as other processes see it.
    fn disk(&self, name: &str) -> PathBuf {
        let path = self.folder().join(DISK).join(name);
        let root = format!("/proc/{}/root", self.pid().as_raw_pid());
        PathBuf::from(root + &path.display().to_string())
    }

    /// Writes until the disk has no room left.
    pub fn fill_disk(&self) {
        let mut file = File::create(self.disk(FILLING)).unwrap();
        loop {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn empty_disk(&self) {
        fs::remove_file(self.disk(FILLING)).unwrap();
    }

    /// Runs SQL on the SQLite file of its disk, in another process: what it says, which is nothing
    /// if all is well.
    pub fn execute_on_disk(&self, name: &str, sql: &str) -> String {
        let script = "import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
try:
    connection.execute(sys.argv[2])
    connection.commit()
except sqlite3.OperationalError as error:
    print(error)
";
        let path = self.folder().join(DISK).join(name);
        let output = Command::new("nsenter")
            .arg(format!("--target={}", self.pid().as_raw_pid()))
            .args(namespaces().iter().filter(|it| !it.contains("map")))
            .args(["python3", "-c", script])
            .args([path.as_os_str(), sql.as_ref()])
            .output()
            .expect("the tests need nsenter: apt-get install util-linux");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "python3, which the tests need: {errors}"
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Root may mount in a namespace of mounts; another user needs one of users, too.
fn namespaces() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["--mount"]
    } else {
        &["--mount", "--user", "--map-root-user"]
    }
}
