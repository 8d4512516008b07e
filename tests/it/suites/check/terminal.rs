//! The bar, which is for people at a terminal; and a Ctrl-C of theirs.

use std::{
    fs::File,
    io::Read,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tempfile::TempDir;

use super::*;
use crate::support::canary::CANARIES;

/// A program whose standard error is a terminal.
struct OnTerminal {
    child: Child,
    shown: JoinHandle<String>,
    _folder: TempDir,
}

impl OnTerminal {
    fn start(program: Program) -> Self {
        let (mut master, slave) = terminal();
        let (child, folder) = program.spawn_with(Stdio::piped(), slave.into());
        let shown = thread::spawn(move || {
            let mut shown = Vec::new();
            // Ends with an error, once nobody has the other end any more.
            let _ = master.read_to_end(&mut shown);
            String::from_utf8_lossy(&shown).into_owned()
        });
        Self {
            child,
            shown,
            _folder: folder,
        }
    }

    /// The exit code, what was printed, and what was shown on the terminal.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut printed = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut printed).unwrap();
        let code = self.child.wait().unwrap().code();
        let shown = self.shown.join().unwrap();
        for said in [&printed, &shown] {
            assert_eq!(CANARIES.find(said.as_bytes()), None);
        }
        (code, printed, shown)
    }
}

/// Both ends of a terminal that is 100 wide.
fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: 30,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let name = name.into_string().unwrap();
    let slave = File::options().read(true).write(true).open(name).unwrap();
    (master.into(), slave)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bar_is_shown_on_a_terminal_and_nowhere_else() {
    let database = Backend::Sqlite.golden();
    let silent = || {
        checking(&database)
            .without_env("RUST_LOG")
            .env("TERM", "xterm")
    };
    let (code, printed, shown) = OnTerminal::start(silent()).end();
    assert_eq!(code, Some(0));
    assert!(shown.contains("of 4 accounts"), "{shown:?}");
    // And taken away again.
    assert!(
        shown.ends_with("\u{1b}[2K") || shown.ends_with('\r'),
        "{shown:?}"
    );
    assert!(printed.ends_with("It would serve well.\n"), "{printed}");

    for (program, is_logging) in [
        (silent().arg("--json"), false),
        (silent().env("RUST_LOG", "debug"), true),
    ] {
        let (code, printed, shown) = OnTerminal::start(program).end();
        assert_eq!(code, Some(0));
        assert!(!shown.contains("of 4 accounts"));
        assert_eq!(!shown.is_empty(), is_logging);
        assert!(!printed.is_empty());
    }
    let output = silent().output();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), printed);
}

/// Looks that are taken, a hundredth of a second apart.
const MAX_POLLS: u32 = 3000;

async fn waited(rest: u32) -> u32 {
    tokio::time::sleep(Duration::from_millis(10)).await;
    rest.checked_sub(1).expect("waited in vain")
}

/// While it reads one account after the other, each of which takes its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_it_at_once_with_what_was_found() {
    const ACCOUNTS: u64 = 250;
    let database = many::many(Backend::Postgres, ACCOUNTS).await;
    database.slow_down(0.5).await;
    for (signal, as_json) in [("INT", false), ("TERM", true)] {
        let program = checking(&database)
            .without_env("RUST_LOG")
            .env("TERM", "xterm");
        let program = if as_json {
            program.arg("--json")
        } else {
            program
        };
        // Those of a check that was ended sleep on for a moment.
        let mut rest = MAX_POLLS;
        while database.sessions("true").await > 0 {
            rest = waited(rest).await;
        }
        let check = OnTerminal::start(program);
        // At the start there is one.
        let mut most = 0;
        let mut rest = MAX_POLLS;
        while most < 2 {
            rest = waited(rest).await;
            most = database.sessions("wait_event = 'PgSleep'").await.max(most);
            assert!(database.sessions("true").await <= 5);
        }
        let pid = check.child.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(kill.unwrap().success());
        let (code, printed, shown) = check.end();
        assert_eq!(code, Some(1));
        if as_json {
            assert!(shown.is_empty(), "{shown:?}");
            let report: Value = serde_json::from_str(&printed).unwrap();
            assert_eq!(report["complete"], false);
            assert_eq!(problems(&report), ["STOPPED"]);
            assert_eq!(report["accounts"]["total"], ACCOUNTS);
            assert!(report["accounts"]["read"].as_u64() < Some(ACCOUNTS));
        } else {
            assert!(shown.contains("of 250 accounts"), "{shown:?}");
            assert!(shown.ends_with("\u{1b}[2K"), "{shown:?}");
            assert!(printed.contains("the check was stopped"), "{printed}");
        }
    }
}
