//! The program itself, as an operator starts it.
//!
//! It logs all that it can, unless a test sets RUST_LOG itself. Whatever it logs
//! and prints is searched for canaries once it has ended, and a find fails the
//! test that started it.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    process::{Child, ChildStdout, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Pid;
use tempfile::TempDir;

use super::{Client, Database, canary::CANARIES, golden};

/// SECRET_KEY_BASE, as the oracle had it, is this eight times.
pub const KEY_PART: &str = "0123456789abcdef";

/// The program with its arguments and environment: nothing is inherited.
pub struct Program {
    pub(super) command: Command,
    folder: TempDir,
}

/// A server under way; stopped when dropped.
pub struct Server {
    child: Child,
    pub address: String,
    /// The address of its admin server, of a program with one.
    pub admin: Option<String>,
    /// Its output: up to the line with its address, and after.
    pub stdout: BufReader<Printed>,
    folder: TempDir,
}

/// The output of a server, collected while it is read.
pub struct Printed {
    stdout: ChildStdout,
    kept: Vec<u8>,
}

impl Read for Printed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stdout.read(into)?;
        self.kept.extend(&into[..count]);
        Ok(count)
    }
}

/// The name of a callers file.
const CALLERS_FILE: &str = "callers.toml";

impl Program {
    pub fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_leadchat-inbox"));
        command
            .args(arguments)
            .env_clear()
            .current_dir(folder.path());
        command.env("TMPDIR", folder.path());
        command.env("RUST_LOG", "trace");
        Self { command, folder }
    }

    /// A server over a database, with the settings that the oracle ran with. It caches
    /// nothing: tests change rows and ask at once.
    pub fn serving(database: &Database) -> Self {
        Self::serving_at(&database.url())
    }

    /// The same, and answers are kept for longer than a test takes. The port for operators says
    /// what is read nevertheless.
    pub fn caching(database: &Database) -> Self {
        Self::serving(database).with_cache()
    }

    /// Answers are kept for longer than a test takes, and reads are counted.
    pub fn with_cache(self) -> Self {
        self.env("MAX_STALENESS", "60").with_admin()
    }

    /// The same over a database anywhere.
    pub fn serving_at(url: &str) -> Self {
        Self::new(&["serve", "--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", url)
            .env("FRONTEND_URL", "https://chat.example.test")
            .env("MAILER_INBOUND_EMAIL_DOMAIN", "inbound.example.test")
            .env("SECRET_KEY_BASE", &KEY_PART.repeat(8))
            .env("MAX_STALENESS", "0")
    }

    /// With the keys of encrypted columns that the oracle had.
    pub fn with_keys(self) -> Self {
        let keys = golden::encryption().keys.into_iter();
        keys.fold(self, |program, (name, key)| {
            let name = format!("ACTIVE_RECORD_ENCRYPTION_{}", name.to_uppercase());
            program.env(&name, &key)
        })
    }

    /// With a callers file of this text, in its folder.
    pub fn with_callers(self, text: &str) -> Self {
        let path = self.folder.path().join(CALLERS_FILE);
        self.with_file(CALLERS_FILE, text)
            .env("CALLERS_FILE", path.to_str().unwrap())
    }

    /// With a file in its folder.
    pub fn with_file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Started with these limits of open files, the soft one and the hard one.
    pub fn with_open_files(mut self, soft: u64, hard: u64) -> Self {
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--nofile={soft}:{hard}"))
            .arg(self.command.get_program())
            .args(self.command.get_args());
        self.replace_command(command);
        self
    }

    /// Takes `--listen` and its address away again.
    pub fn without_listen(mut self) -> Self {
        let arguments: Vec<_> = self.command.get_args().map(ToOwned::to_owned).collect();
        let at = arguments
            .iter()
            .position(|argument| argument == "--listen")
            .unwrap();
        let kept = arguments[..at].iter().chain(&arguments[at + 2..]);
        let mut command = Command::new(self.command.get_program());
        command.args(kept);
        self.replace_command(command);
        self
    }

    /// Takes another command, in the same folder and environment.
    pub(super) fn replace_command(&mut self, mut command: Command) {
        command.env_clear().current_dir(self.folder.path());
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        self.command = command;
    }

    /// The folder it is started in.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Runs it to its end.
    pub fn output(mut self) -> Output {
        let output = self.command.output().unwrap();
        for said in [&output.stdout, &output.stderr] {
            assert_eq!(CANARIES.find(said), None);
        }
        output
    }

    /// Starts it, with its log in its folder, which goes when that is dropped.
    pub fn spawn(self, stdout: Stdio) -> (Child, TempDir) {
        let log = File::create(self.folder.path().join("stderr")).unwrap();
        self.spawn_with(stdout, log.into())
    }

    /// Starts it. Nobody searches what it says.
    pub fn spawn_with(mut self, stdout: Stdio, stderr: Stdio) -> (Child, TempDir) {
        self.command
            .stdout(stdout)
            .stderr(stderr)
            .stdin(Stdio::null());
        let child = self.command.spawn().unwrap();
        // Its copies of what was handed to the child would keep that open.
        drop(self.command);
        (child, self.folder)
    }

    /// Runs it to its end, which is a refusal: the one line that it says beside the
    /// log.
    pub fn refusal(self) -> String {
        let output = self.output();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        let said: Vec<_> = said
            .lines()
            .filter(|line| !line.starts_with("20"))
            .collect();
        assert_eq!(said.len(), 1, "{said:?}");
        println!("{}", said[0]);
        said[0].to_owned()
    }

    /// Starts it, and waits until it listens.
    pub fn start(mut self) -> Server {
        let log = File::create(self.folder.path().join("stderr")).unwrap();
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(Printed {
            stdout: child.stdout.take().unwrap(),
            kept: Vec::new(),
        });
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let admin = line.trim().split_once(" serves metrics on ");
        let admin = admin.map(|(_, address)| address.to_owned());
        if admin.is_some() {
            line.clear();
            stdout.read_line(&mut line).unwrap();
        }
        let Some((_, address)) = line.trim().split_once(" is listening on ") else {
            child.wait().unwrap();
            panic!(
                "{line}{}",
                fs::read_to_string(self.folder.path().join("stderr")).unwrap()
            );
        };
        Server {
            child,
            address: address.to_owned(),
            admin,
            stdout,
            folder: self.folder,
        }
    }
}

impl Server {
    pub async fn client(&self) -> Client {
        Client::connect(&self.address).await
    }

    /// Replaces its callers file, as an editor does: by another file of that name.
    pub fn replace_callers(&self, text: &str) {
        self.replace(CALLERS_FILE, text);
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// How long its log is so far.
    pub fn log_bytes(&self) -> u64 {
        let log = self.folder.path().join("stderr");
        fs::metadata(log).unwrap().len()
    }

    /// All that it has logged since its log had this length.
    pub fn log_after(&self, bytes: u64) -> String {
        let mut log = File::open(self.folder.path().join("stderr")).unwrap();
        log.seek(SeekFrom::Start(bytes)).unwrap();
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        text
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Replaces a file of its folder, by another one of that name.
    pub fn replace(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The folder of the files that it has open.
    pub fn files(&self) -> String {
        format!("/proc/{}/fd", self.child.id())
    }

    /// How many of these are sockets: connections, and the one that is listened on.
    pub fn sockets(&self) -> usize {
        let files = fs::read_dir(self.files()).unwrap().flatten();
        let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        let names = targets.map(|target| target.to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("socket:")).count()
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Sends a signal and waits for the end; gives the exit code and what was
    /// printed in the meantime.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed).unwrap();
        (self.child.wait().unwrap().code(), printed)
    }

    /// Waits for its end, and gives the exit code.
    pub fn wait(mut self) -> Option<i32> {
        let end = Instant::now() + WAIT_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = io::copy(&mut self.stdout, &mut io::sink());
        let log = fs::read(self.folder.path().join("stderr")).unwrap_or_default();
        for said in [&log, &self.stdout.get_ref().kept] {
            if let Some(found) = CANARIES.find(said) {
                // A second panic would end all tests.
                assert!(thread::panicking(), "the program told {found}");
                eprintln!("the program told {found}");
            }
        }
    }
}

/// How long tests wait for what has to happen: far longer than a busy machine needs.
pub const WAIT_TIMEOUT: Duration = Duration::from_mins(3);

/// Waits until something is so, for as long as a slow machine may need.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT_TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
