//! The five steps of `docs/attach.md` are typed into a shell, and show what it
//! shows.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use regex::Regex;

use super::readme::shown::is_as_shown;
use crate::support::{
    Database,
    cluster::{Cluster, free_port},
    golden,
    program::{KEY_PART, eventually},
    redis::Redis,
};

/// The document's placeholders for values that differ each time.
const DATABASE: &str = "127.0.0.1:5432/leadchat";
const LISTEN: &str = "127.0.0.1:50051";
const REDIS: &str = "127.0.0.1:6379";

/// The program, and the same without what sqlx complains of on a slow machine:
/// statements that take longer than a second.
const PATIENT: [(&str, &str); 2] = [
    (
        "leadchat-inbox grants",
        "RUST_LOG=info,sqlx=error leadchat-inbox grants",
    ),
    (
        "leadchat-inbox serve",
        "RUST_LOG=info,sqlx=error leadchat-inbox serve",
    ),
];

/// In seconds, for all steps together. They take a few.
const LONGEST: &str = "300";

/// A shell that lives from the first step to the last, but no longer than it may.
struct Shell {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The texts of the document, and their values here.
    names: Vec<(&'static str, String)>,
}

impl Shell {
    fn start(folder: &std::path::Path, names: Vec<(&'static str, String)>) -> Self {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_leadchat-inbox"));
        let path = format!(
            "{}:{}:{}/target/tools:/usr/bin:/bin",
            program.parent().unwrap().display(),
            Cluster::shared().programs().display(),
            env!("CARGO_MANIFEST_DIR")
        );
        // Ends the shell and whatever it has started, so that a command that hangs is
        // one that fails.
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", LONGEST, "bash", "--norc", "--noprofile"])
            .current_dir(folder)
            .env_clear()
            .env("PATH", path)
            .env("FRONTEND_URL", "https://chat.example.test")
            .env("MAILER_INBOUND_EMAIL_DOMAIN", "inbound.example.test")
            .env("SECRET_KEY_BASE", KEY_PART.repeat(8))
            .env("REDIS_URL", Redis::golden().url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        for (name, here) in &names {
            if *name == LISTEN {
                command.env("LISTEN_ADDR", here);
            }
        }
        for (name, key) in golden::encryption().keys {
            command.env(
                format!("ACTIVE_RECORD_ENCRYPTION_{}", name.to_uppercase()),
                key,
            );
        }
        let mut shell = command.spawn().unwrap();
        let mut input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        // However this process ends, the input does, and then the shell.
        writeln!(input, "exec 2>&1; trap 'kill $(jobs -p) 2>/dev/null' EXIT").unwrap();
        Self {
            process: shell,
            input,
            output,
            names,
        }
    }

    /// The output of a command, with the document's names.
    fn run(&mut self, command: &str) -> String {
        const DONE: &str = "that was all";
        let command = self
            .names
            .iter()
            .fold(command.to_owned(), |text, (name, here)| {
                text.replace(name, here)
            });
        writeln!(self.input, "{command}\necho; echo {DONE}").unwrap();
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "{command} did not come to an end:\n{said}");
            if line.trim_end() == DONE {
                break;
            }
            said += &line;
        }
        let said = said.strip_suffix('\n').unwrap_or_default().to_owned();
        self.names
            .iter()
            .fold(said, |text, (name, here)| text.replace(here.as_str(), name))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // With what it started, should a step have failed.
        let _ = writeln!(self.input, "exit");
        let _ = self.process.wait();
    }
}

/// A step: what is typed, and what is shown of its output.
fn steps(document: &str) -> Vec<(String, String)> {
    let console = Regex::new("(?s)```console\n(.*?)```").unwrap();
    let mut steps: Vec<(String, String)> = Vec::new();
    for block in console.captures_iter(document) {
        for line in block[1].lines() {
            match (line.strip_prefix("$ "), line.strip_prefix("> ")) {
                (Some(command), _) => steps.push((command.to_owned(), String::new())),
                (None, Some(more)) => {
                    let (command, _) = steps.last_mut().unwrap();
                    *command = format!("{command}\n{more}");
                }
                (None, None) => {
                    let (_, output) = steps.last_mut().unwrap();
                    *output = format!("{output}{line}\n");
                }
            }
        }
    }
    steps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_lead_where_they_say() {
    let document = include_str!("../../../docs/attach.md");
    let database = Database::unique();
    let name = database.name();
    let cluster = Cluster::shared();
    cluster.create_database(name, None);
    cluster.psql(name, include_str!("../../golden/leadchat_tables.sql"));
    cluster.psql(name, golden::ENCRYPTED_ROWS);
    let url = database.url();
    let redis = Redis::golden().url();
    let (_, database_here) = url.split_once('@').unwrap();
    let redis_here = redis.rsplit(['@', '/']).find(|part| part.contains(':'));
    let redis_here = redis_here.unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Shell::start(
        folder.path(),
        [
            (DATABASE, database_here.to_owned()),
            ("PGPORT=5432", format!("PGPORT={}", cluster.port)),
            ("PGDATABASE=leadchat", format!("PGDATABASE={name}")),
            (LISTEN, listen.clone()),
            (REDIS, redis_here.to_owned()),
        ]
        .into_iter()
        .chain(PATIENT.map(|(name, here)| (name, here.to_owned())))
        .collect(),
    );

    let steps = steps(document);
    assert!(steps.len() >= 10, "{}", steps.len());
    for (command, shown) in steps {
        let came = shell.run(&command);
        assert!(
            is_as_shown(&shown, &came),
            "$ {command}\ncame:\n{came}\nshown:\n{shown}"
        );
        if command.ends_with('&') {
            eventually("it listens", || {
                std::net::TcpStream::connect(&listen).is_ok()
            })
            .await;
        }
    }
    // Nothing is left of the reader.
    let left = "SELECT count(*) FROM pg_roles WHERE rolname = 'leadchat_inbox'";
    assert_eq!(cluster.psql(name, left).trim(), "0");
}
