//! A PgBouncer of the tests' own before a PostgreSQL, on a free port.
//!
//! As with [the cluster](super::cluster), a small shell script, the keeper, owns the process and
//! its folder, and ends both when this process ends.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use super::{
    cluster::{Cluster, as_a_server, free_port},
    tools::{Unpacked, unpacked},
};

/// A running PgBouncer. Any name is admitted, and becomes the superuser of the cluster.
pub struct PgBouncer {
    pub port: u16,
    keeper: Child,
    _unpacked: Option<Unpacked>,
}

impl PgBouncer {
    /// In transaction mode, with no more sessions than this, and more lines of `pgbouncer.ini`.
    pub fn before(cluster: &Cluster, sessions: u32, lines: &[&str]) -> Self {
        for _ in 0..5 {
            match Self::try_start(cluster, sessions, lines) {
                Ok(pgbouncer) => return pgbouncer,
                // The port was free when it was picked, but somebody can take it before.
                Err(said) if said.contains("Address already in use") => {}
                Err(said) => panic!("the test PgBouncer did not start:\n{said}"),
            }
        }
        panic!("the test PgBouncer did not start: five free ports in a row were taken by others");
    }

    fn try_start(cluster: &Cluster, sessions: u32, lines: &[&str]) -> Result<Self, String> {
        let port = free_port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\nadmin_users = postgres\npool_mode = transaction\n\
             default_pool_size = {sessions}\nmax_client_conn = 500\n{}\n",
            cluster.port,
            lines.join("\n")
        );
        let unpacked = unpacked("pgbouncer");
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "keeper", &settings])
            .args(unpacked.iter().map(|it| &it.folder))
            .current_dir("/")
            // A Ctrl-C goes to the whole group of the tests; the keeper must outlive it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        as_a_server(&mut keeper);
        let mut keeper = keeper.spawn().expect("sh starts");
        let mut output = BufReader::new(keeper.stdout.take().expect("stdout is piped"));
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        if said.trim_end() == "ready" {
            return Ok(Self {
                port,
                keeper,
                _unpacked: unpacked,
            });
        }
        output.read_to_string(&mut said).unwrap();
        keeper.wait().expect("the keeper ends");
        Err(said)
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The answer to a command of PgBouncer's console, with `|` between columns.
    pub fn console(&self, command: &str) -> Vec<Vec<String>> {
        let said = Cluster::shared().psql_at(self.port, "pgbouncer", command);
        said.lines()
            .map(|line| line.split('|').map(ToOwned::to_owned).collect())
            .collect()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It is gone when the keeper is; how the keeper ended is no concern of the test.
        let _ = self.keeper.wait();
    }
}

/// `$1` is what it is set up with, `$2` the folder that it was unpacked to, if it was.
const KEEPER: &str = r#"
exec 2>&1
trap '' PIPE
PATH=$PATH:/usr/sbin
if [ "$2" ]; then
  PATH=$2/usr/sbin:$PATH
  export LD_LIBRARY_PATH="$(echo "$2"/usr/lib/*-linux-gnu*)"
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/leadchat-inbox-pgbouncer.XXXXXX" 2>/dev/null) ||
  dir=$(mktemp -d /tmp/leadchat-inbox-pgbouncer.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
printf '%s\n' "$1" >"$dir/pgbouncer.ini"
command -v pgbouncer >/dev/null || { echo 'the tests need PgBouncer: make tools'; exit 1; }
: >"$dir/log"
pgbouncer "$dir/pgbouncer.ini" >>"$dir/log" 2>&1 &
process=$!
until grep -q 'process up' "$dir/log"; do
  kill -0 "$process" 2>/dev/null || { tail -n 20 "$dir/log"; exit 1; }
  sleep 0.02
done
echo ready
exec >/dev/null 2>&1
read -r _
kill -s KILL "$process"
wait
"#;
