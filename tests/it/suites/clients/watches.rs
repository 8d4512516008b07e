//! Caches that a client keeps by watches, while rows change, a replica stops, and tokens end.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::Value;

use super::{
    languages::{Outcomes, outcomes, script},
    servers::{Servers, wait_for},
};
use crate::support::{Backend, program::Server};

/// All that a client has to report.
const CASES: [(&str, &str); 5] = [
    ("cache/administrator", "replicas"),
    ("cache/agent", "replicas"),
    ("cache/forgets", "replicas"),
    ("cache/renewed", "tls"),
    ("cache/expired", "tls"),
];

/// The rows of `serve --demo`.
const DEMO_ROWS: &str = include_str!("../../../../src/demo/rows.sql");

/// Changes while both replicas serve: a name, memberships, inboxes and a secret.
const FIRST_CHANGES: [&str; 6] = [
    "UPDATE inboxes SET name = 'Letters' WHERE id = 3",
    "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
        VALUES (2, 2, '2026-02-01 09:00:00.000000', '2026-02-01 09:00:00.000000')",
    "DELETE FROM inbox_members WHERE user_id = 2 AND inbox_id = 7",
    "INSERT INTO channel_api (id, account_id, identifier, hmac_token, created_at, updated_at)
        VALUES (140, 1, 'returns', 'returns-hmac-token',
            '2026-02-01 09:00:00.000000', '2026-02-01 09:00:00.000000');
    INSERT INTO inboxes (id, account_id, channel_type, channel_id, name, created_at, updated_at)
        VALUES (40, 1, 'Channel::Api', 140, 'Returns',
            '2026-02-01 09:00:00.000000', '2026-02-01 09:00:00.000000')",
    "DELETE FROM inboxes WHERE id = 9",
    "UPDATE channel_email SET smtp_password = 'another-smtp-password' WHERE id = 103",
];

/// Changes that only the other replica sees.
const LATER_CHANGES: [&str; 6] = [
    "UPDATE inboxes SET name = 'Order desk' WHERE id = 2",
    "INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
        VALUES (2, 40, '2026-02-02 09:00:00.000000', '2026-02-02 09:00:00.000000')",
    "DELETE FROM inbox_members WHERE user_id = 2 AND inbox_id = 1",
    "UPDATE channel_api SET hmac_token = 'another-hmac-token' WHERE id = 140",
    "DELETE FROM inboxes WHERE id = 8",
    "UPDATE inboxes SET greeting_enabled = TRUE, greeting_message = 'Hello' WHERE id = 3",
];

/// The agent leaves the account.
const LEAVES: &str = "DELETE FROM account_users WHERE account_id = 1 AND user_id = 2";

/// The seconds after which a token of the last two steps ends.
const TOKEN_SECONDS: u64 = 8;

/// The seconds of a token that has been renewed.
const RENEWED_SECONDS: u64 = 3600;

/// A runner in its mode `watch`.
struct Runner {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    reported: Vec<Value>,
}

impl Runner {
    fn start(language: &str, servers: &Path) -> Self {
        let mut child = script(language, "conformance")
            .arg("watch")
            .arg(servers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        Self {
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
            reported: Vec::new(),
        }
    }

    /// Begins a step.
    fn begin(&mut self, step: &str) -> Result<(), String> {
        let sent = writeln!(self.stdin, "{step}").and_then(|()| self.stdin.flush());
        sent.map_err(|error| format!("it does not read {step:?}: {error}"))
    }

    fn line(&mut self) -> Result<Value, String> {
        let line = self.lines.next().and_then(Result::ok);
        let line = line.ok_or("it has ended early")?;
        serde_json::from_str(&line).map_err(|_| format!("it says {line}"))
    }

    /// Waits for the line that says so.
    fn expect(&mut self, what: &str) -> Result<(), String> {
        let line = self.line()?;
        match line[what].as_bool() {
            Some(true) => Ok(()),
            _ => Err(format!("it is not {what}: {line}")),
        }
    }

    /// Takes the lines of so many cases.
    fn cases(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            let line = self.line()?;
            self.reported.push(line);
        }
        Ok(())
    }
}

/// The outcomes of the caches of a client.
pub fn try_caches(language: &str, servers: &Servers) -> Outcomes {
    let database = Backend::Sqlite.empty();
    wait_for(database.execute(DEMO_ROWS));
    let (replicas, file) = servers.replicas_over(&database);
    let change = |statement: &str| wait_for(database.execute(statement));
    let mut runner = Runner::start(language, &file);
    let ended = take_steps(&mut runner, servers, replicas, change);
    // It is told to end, however far it has come.
    drop(runner.stdin);
    let code = runner.child.wait().unwrap().code();
    let mut found = outcomes(&runner.reported);
    let problem = ended.err().unwrap_or_else(|| "it was not tried".to_owned());
    for (case, endpoint) in CASES {
        let of_case = (case.to_owned(), endpoint.to_owned());
        found.entry(of_case).or_insert(Some(problem.clone()));
    }
    let end = (code != Some(0)).then(|| format!("exit code {code:?}; {problem}"));
    found.insert(("cache".to_owned(), "-".to_owned()), end);
    found
}

fn take_steps(
    runner: &mut Runner,
    servers: &Servers,
    replicas: [Server; 2],
    change: impl Fn(&str),
) -> Result<(), String> {
    runner.expect("ready")?;
    FIRST_CHANGES.iter().copied().for_each(&change);
    let [mut other, mut stopped] = replicas;
    if watches(&other) > watches(&stopped) {
        (other, stopped) = (stopped, other);
    }
    let open = watches(&other) + watches(&stopped);
    if open < 2 {
        return Err(format!("two caches have {open} watches"));
    }
    stopped.signal("TERM");
    let code = stopped.wait();
    LATER_CHANGES.iter().copied().for_each(&change);
    runner.begin("compare")?;
    runner.cases(2)?;
    let after = watches(&other);
    if (code, after) != (Some(0), open) {
        return Err(format!(
            "the other replica has {after} of {open} watches; exit code {code:?}"
        ));
    }

    change(LEAVES);
    runner.begin("forget")?;
    runner.cases(1)?;

    let ended = watches_without_credentials(&servers.tls);
    servers.renew_token("renewed", TOKEN_SECONDS);
    runner.begin("renew")?;
    runner.expect("opened")?;
    servers.renew_token("renewed", RENEWED_SECONDS);
    runner.cases(1)?;
    if watches_without_credentials(&servers.tls) == ended {
        return Err("no watch has ended with its token".to_owned());
    }

    servers.renew_token("expired", TOKEN_SECONDS);
    runner.begin("expire")?;
    runner.expect("opened")?;
    runner.cases(1)
}

/// The open watches of a server.
fn watches(server: &Server) -> u64 {
    wait_for(server.scrape()).count("leadchat_inbox_watches", &[])
}

/// The watches of a server that have ended because of credentials.
fn watches_without_credentials(server: &Server) -> u64 {
    let ended = "leadchat_inbox_watches_ended_total";
    wait_for(server.scrape()).count(ended, &[("why", "credentials")])
}
