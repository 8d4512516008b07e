//! Callers in Go that ask both replicas, and what their calls came to.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

/// The kinds of clients, in the order of their counts.
pub const PUBLISHED: usize = 0;
pub const HEALTH: usize = 1;
pub const NEITHER: usize = 2;
pub const BALANCER: usize = 3;

/// The calls of a phase, by kind of client.
#[derive(Deserialize)]
pub struct Phase {
    #[serde(rename = "phase")]
    name: String,
    kinds: Vec<Kind>,
}

/// The calls of all phases.
pub struct Outcome {
    pub phases: Vec<Phase>,
}

#[derive(Deserialize)]
pub struct Kind {
    #[serde(rename = "kind")]
    name: String,
    calls: u64,
    pub failed: u64,
    /// Attempts beyond the first, by the retry policy.
    pub retried: u64,
    /// Attempts beyond the first, by the library: no replica had taken the call.
    pub transparent: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    problems: Option<Vec<String>>,
}

/// The callers, until they are ended or dropped.
pub struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    _folder: TempDir,
}

impl Load {
    /// Builds the client, and starts the callers.
    pub fn start(addresses: &[String; 2]) -> Self {
        let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/go");
        let built = Command::new(client.join("build")).status().unwrap();
        assert!(built.success(), "clients/go/build failed");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("servers.json");
        std::fs::write(&file, json!({ "replicas": addresses }).to_string()).unwrap();
        let mut child = Command::new(client.join("conformance"))
            .arg("upgrade")
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut load = Self {
            stdin: child.stdin.take(),
            child,
            lines,
            _folder: folder,
        };
        let ready = load.line();
        assert!(ready.contains("\"ready\""), "{ready}");
        load
    }

    /// Begins a phase, and returns the one before it.
    pub fn begin(&mut self, phase: &str) -> Phase {
        writeln!(self.stdin.as_mut().unwrap(), "{phase}").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Ends the calls, and returns the last phase.
    pub fn end(mut self) -> Phase {
        drop(self.stdin.take());
        let last = serde_json::from_str(&self.line()).unwrap();
        assert!(self.child.wait().unwrap().success());
        last
    }

    fn line(&mut self) -> String {
        let line = self.lines.next().expect("the callers have ended");
        line.unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    pub fn name(&self, kind: usize) -> &str {
        &self.phases[0].kinds[kind].name
    }

    /// The sum of a count over all phases.
    pub fn sum(&self, kind: usize, count: impl Fn(&Kind) -> u64) -> u64 {
        let phases = self.phases.iter();
        phases.map(|phase| count(&phase.kinds[kind])).sum()
    }

    /// Prints a table, and the first errors.
    pub fn print(&self) {
        println!(
            "{:<20}{:<28}{:>8}{:>8}{:>9}{:>13}{:>9}{:>9}{:>9}",
            "phase",
            "client",
            "calls",
            "failed",
            "retried",
            "transparent",
            "p50 ms",
            "p99 ms",
            "max ms"
        );
        for phase in &self.phases {
            for kind in &phase.kinds {
                println!(
                    "{:<20}{:<28}{:>8}{:>8}{:>9}{:>13}{:>9.1}{:>9.1}{:>9.1}",
                    phase.name,
                    kind.name,
                    kind.calls,
                    kind.failed,
                    kind.retried,
                    kind.transparent,
                    kind.p50_ms,
                    kind.p99_ms,
                    kind.max_ms
                );
            }
        }
        for kind in 0..self.phases[0].kinds.len() {
            println!(
                "{:<20}{:<28}{:>8}{:>8}{:>9}{:>13}",
                "all",
                self.name(kind),
                self.sum(kind, |it| it.calls),
                self.sum(kind, |it| it.failed),
                self.sum(kind, |it| it.retried),
                self.sum(kind, |it| it.transparent)
            );
        }
        for kind in self.phases.iter().flat_map(|phase| &phase.kinds) {
            for problem in kind.problems.iter().flatten() {
                println!("{}: {problem}", kind.name);
            }
        }
    }
}
