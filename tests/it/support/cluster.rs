//! A throw-away PostgreSQL cluster, started once for the whole test process.
//!
//! It needs only PostgreSQL's own programs, and always stops with the tests. A small
//! shell script, the keeper, owns the server and its folder. It waits on a pipe whose
//! other end only this process holds. However the process ends, by return, panic, Ctrl-C
//! or SIGKILL, the kernel closes the pipe, and the keeper stops the server and removes
//! the folder.
//!
//! Every call here blocks its thread. In an asynchronous test that stops what else runs on it, so
//! use these calls before and after what is tested, or from `spawn_blocking`.

mod processes;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

pub use processes::Processes;

/// Settings that differ from the shared cluster.
#[derive(Default)]
pub struct Setup<'a> {
    /// The folder of other programs than Debian's.
    pub programs: Option<PathBuf>,
    /// More lines of `postgresql.conf`.
    pub lines: Vec<&'a str>,
    /// All lines of `pg_hba.conf`, if any.
    pub hba: Vec<&'a str>,
    /// Files in the folder of the data: `KEY`, `CERTIFICATE`, `AUTHORITY`, by these names.
    pub files: Vec<(&'a str, &'a str)>,
    /// The port of a cluster that this one streams from, all that is in it included.
    pub replica_of: Option<u16>,
}

/// A running server on a free port of the loopback interface. Its superuser `postgres` needs no
/// password.
pub struct Cluster {
    pub port: u16,
    psql: PathBuf,
    keeper: Child,
}

impl Cluster {
    /// The cluster of this test process, started by whoever asks first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A cluster of its own, for a test that takes the server away: it stops when it is dropped.
    pub fn start() -> Self {
        Self::with(&Setup::default())
    }

    /// One that is set up in some way.
    pub fn with(setup: &Setup<'_>) -> Self {
        let bin = setup.programs.clone().unwrap_or_else(server_programs);
        for _ in 0..5 {
            match Self::try_start(&bin, setup) {
                Ok(cluster) => return cluster,
                // The port was free when it was picked, but somebody can take it before the server.
                Err(said) if said.contains("could not create any TCP/IP sockets") => {}
                Err(said) => panic!("the test PostgreSQL did not start:\n{said}"),
            }
        }
        panic!("the test PostgreSQL did not start: five free ports in a row were taken by others");
    }

    /// A hot standby that streams from this one.
    pub fn standby(&self) -> Self {
        Self::with(&Setup {
            replica_of: Some(self.port),
            ..Setup::default()
        })
    }

    fn try_start(bin: &Path, setup: &Setup<'_>) -> Result<Self, String> {
        let port = free_port();
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(bin)
            .arg(port.to_string())
            .arg(setup.replica_of.map_or_else(String::new, |port| port.to_string()))
            .env("LINES", setup.lines.join("\n"))
            .env("HBA", setup.hba.join("\n"))
            // The server's user may not be allowed to enter the folder that the tests run in.
            .current_dir("/")
            // A Ctrl-C goes to the whole group of the tests; the keeper must outlive it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        for (name, content) in &setup.files {
            keeper.env(format!("FILE_{name}"), content);
        }
        as_a_server(&mut keeper);
        let mut keeper = keeper.spawn().expect("sh starts");

        let mut output = BufReader::new(keeper.stdout.take().expect("stdout is piped"));
        let mut said = String::new();
        output
            .read_line(&mut said)
            .expect("the keeper speaks UTF-8");
        if said.trim_end() == "ready" {
            let psql = program(bin, "psql");
            return Ok(Self { port, psql, keeper });
        }
        output
            .read_to_string(&mut said)
            .expect("the keeper speaks UTF-8");
        keeper.wait().expect("the keeper ends");
        Err(said)
    }

    /// The URL of a database, as `DATABASE_URL` would have it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The folder of `psql`; none where it is found on the PATH.
    pub fn programs(&self) -> &Path {
        self.psql.parent().unwrap_or(Path::new(""))
    }

    /// Runs SQL, stops at its first error, and returns what it selected: a row a line, columns
    /// separated by `|`.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.psql_at(self.port, database, sql)
    }

    /// The same on another port.
    pub fn psql_at(&self, port: u16, database: &str, sql: &str) -> String {
        let mut psql = Command::new(&self.psql);
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
        ])
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-d", database])
        .env("PGCLIENTENCODING", "UTF8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
        // A developer's own settings must not lead psql elsewhere or change what it does.
        for name in [
            "PGHOSTADDR",
            "PGSERVICE",
            "PGOPTIONS",
            "PGSSLMODE",
            "PGTZ",
            "PGDATESTYLE",
        ] {
            psql.env_remove(name);
        }
        let mut psql = psql.spawn().expect("psql starts");
        let mut input = psql.stdin.take().expect("stdin is piped");
        let output = std::thread::scope(|scope| {
            // On a thread of its own, since psql may fill its output before it has read all its
            // input. It stops reading at an error; then the write fails, and the status says why.
            scope.spawn(move || input.write_all(sql.as_bytes()));
            psql.wait_with_output().expect("psql ends")
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "psql, database {database}: {errors}"
        );
        String::from_utf8(output.stdout).expect("psql prints UTF-8")
    }

    /// Creates a database, empty or as a copy of `template`, to which nobody may be connected.
    pub fn create_database(&self, name: &str, template: Option<&str>) {
        let (name, template) = (quoted(name), quoted(template.unwrap_or("template0")));
        self.psql(
            "postgres",
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        );
    }

    /// Drops a database if it is there, and with it whatever is still connected to it.
    pub fn drop_database(&self, name: &str) {
        let name = quoted(name);
        self.psql(
            "postgres",
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The server is gone when the keeper is; how the keeper ended is no concern of the test.
        let _ = self.keeper.wait();
    }
}

/// `$1` is the folder of PostgreSQL's programs ("" for those on the PATH), `$2` the port, and `$3`
/// that of a primary, if there is one. It prints `ready` and waits for the end of its standard input; or it prints what went wrong and ends.
///
/// Durability is switched off, since nothing here survives the process. The locale is the plainest
/// one that knows the letters of UTF-8; C, which knows only ASCII's, where the system lacks it.
const KEEPER: &str = r#"
exec 2>&1
# The tests may be killed while the server starts: nobody hears `ready` then, and that must not
# end the keeper.
trap '' PIPE
bin=${1:+$1/} port=$2 primary=$3
dir=$(mktemp -d "${TMPDIR:-/tmp}/leadchat-inbox-pg.XXXXXX" 2>/dev/null) ||
  dir=$(mktemp -d /tmp/leadchat-inbox-pg.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
init() {
  "${bin}initdb" -D "$dir/data" -A trust --no-sync -U postgres -E UTF8 --locale="$1" \
    >"$dir/init" 2>&1
}
if [ "$primary" ]; then
  "${bin}pg_basebackup" -D "$dir/data" -R -X stream -c fast --no-sync -h 127.0.0.1 -p "$primary" \
    -U postgres >"$dir/init" 2>&1 || { tail -n 20 "$dir/init"; exit 1; }
else
  init C.UTF-8 || init C || { tail -n 20 "$dir/init"; exit 1; }
fi
umask 077
for name in KEY CERTIFICATE AUTHORITY; do
  eval "content=\${FILE_$name}"
  [ -z "$content" ] || printf '%s\n' "$content" >"$dir/data/$name"
done
[ -z "$HBA" ] || printf '%s\n' "$HBA" >"$dir/data/pg_hba.conf"
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 200
fsync = off
full_page_writes = off
synchronous_commit = off
$LINES
CONF
"${bin}pg_ctl" start -w -t 60 -D "$dir/data" -l "$dir/log" >/dev/null 2>&1 ||
  { tail -n 20 "$dir/log"; exit 1; }
echo ready
# Nobody reads on: what follows is said to no one.
exec >/dev/null 2>&1
read -r _
# By the pid in its own folder: SIGINT, which ends open sessions; SIGQUIT if that takes too long.
"${bin}pg_ctl" stop -w -t 20 -m fast -D "$dir/data" ||
  "${bin}pg_ctl" stop -w -m immediate -D "$dir/data"
"#;

/// PostgreSQL and PgBouncer refuse to run as root.
pub fn as_a_server(keeper: &mut Command) {
    if id(&["-u"]) == 0 {
        keeper
            .uid(id(&["-u", "postgres"]))
            .gid(id(&["-g", "postgres"]));
    }
}

/// The folder of the newest server that Debian's packages installed, or the empty path when the
/// PATH has one.
fn server_programs() -> PathBuf {
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        // A machine with only the client has the folder too.
        .filter(|(_, bin)| bin.join("initdb").exists() && bin.join("pg_ctl").exists())
        .max();
    if let Some((_, bin)) = newest {
        return bin;
    }
    let on_path = Command::new("initdb")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    assert!(
        on_path.is_ok(),
        "the tests need a PostgreSQL server: apt-get install postgresql"
    );
    PathBuf::new()
}

/// A program of the server's folder, or of that name on the PATH.
fn program(bin: &Path, name: &str) -> PathBuf {
    let here = bin.join(name);
    if here.exists() {
        here
    } else {
        PathBuf::from(name)
    }
}

pub fn free_port() -> u16 {
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).expect("the loopback interface has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

fn id(arguments: &[&str]) -> u32 {
    let output = Command::new("id")
        .args(arguments)
        .output()
        .expect("id starts");
    let number = String::from_utf8_lossy(&output.stdout);
    let Ok(number) = number.trim().parse() else {
        panic!(
            "id {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    };
    number
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
