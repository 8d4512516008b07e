//! Redis servers and sentinels of the tests' own, on free ports and in temporary folders.
//!
//! As with [the cluster](super::cluster), a small shell script, the keeper, owns each server and its
//! folder. It does what it is told on a pipe, and ends the server when the pipe is closed, however
//! this process ends.
//!
//! Calls here block their thread for a moment.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::symlink, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use redis::{Client, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo, RedisError};
use tempfile::TempDir;

use super::{cluster::free_port, golden, program::WAIT_TIMEOUT};

/// A running server, or a sentinel.
pub struct Redis {
    pub port: u16,
    password: Mutex<Option<String>>,
    /// Before the folder, which it is in.
    keeper: Mutex<Keeper>,
    folder: TempDir,
}

struct Keeper {
    process: Child,
    /// Closed first of all.
    orders: Option<ChildStdin>,
    done: BufReader<ChildStdout>,
}

impl Redis {
    /// A server with these lines in its configuration. Its data survives a kill.
    pub fn start(lines: &[&str]) -> Self {
        let own = ["save \"\"", "appendonly yes"];
        Self::of_kind("redis-server", &[&own, lines].concat())
    }

    /// A sentinel that watches a server as `mymaster`, and alone decides that it is down.
    pub fn sentinel(master: u16, lines: &[&str]) -> Self {
        let monitor = format!("sentinel monitor mymaster 127.0.0.1 {master} 1");
        let own = [
            &monitor,
            "sentinel down-after-milliseconds mymaster 300",
            "sentinel failover-timeout mymaster 3000",
        ];
        Self::of_kind("redis-sentinel", &[&own, lines].concat())
    }

    /// The server with the oracle's flags, started by whoever asks first. Nobody writes to it.
    pub fn golden() -> &'static Self {
        static GOLDEN: OnceLock<Redis> = OnceLock::new();
        GOLDEN.get_or_init(|| {
            let redis = Self::start(&[]);
            redis.load(&golden::redis());
            redis
        })
    }

    fn of_kind(kind: &str, lines: &[&str]) -> Self {
        for _ in 0..5 {
            match Self::try_start(kind, lines) {
                Ok(redis) => return redis,
                // The port was free when it was picked, but somebody can take it before the server.
                Err(said) if said.contains("Address already in use") => {}
                Err(said) => panic!("the test Redis did not start:\n{said}"),
            }
        }
        panic!("the test Redis did not start: five free ports in a row were taken by others");
    }

    fn try_start(kind: &str, lines: &[&str]) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().display();
        let own = format!("bind 127.0.0.1\nport {port}\ndir {path}\n");
        let configuration = own + &lines.join("\n") + "\n";
        fs::write(folder.path().join("redis.conf"), configuration).unwrap();
        // The program behaves by the name it is called by.
        symlink(program(), folder.path().join(kind)).unwrap();
        let password = |line: &&str| line.strip_prefix("requirepass ").map(str::to_owned);
        let redis = Self {
            port,
            password: Mutex::new(lines.iter().find_map(password)),
            keeper: Mutex::new(Keeper::new(folder.path(), kind)),
            folder,
        };
        redis.start_again();
        redis.wait_until_it_answers()?;
        Ok(redis)
    }

    fn wait_until_it_answers(&self) -> Result<(), String> {
        let end = Instant::now() + WAIT_TIMEOUT;
        loop {
            let Err(error) = self.try_run::<String>(&["PING"]) else {
                return Ok(());
            };
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            if log.contains("Address already in use") || Instant::now() > end {
                return Err(format!("{error}\n{log}"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The folder that the server runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The answer to a command.
    pub fn run<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_run(command)
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    fn try_run<T: FromRedisValue>(&self, command: &[&str]) -> Result<T, RedisError> {
        let mut settings = RedisConnectionInfo::default();
        if let Some(password) = &*self.password.lock().unwrap() {
            settings = settings.set_password(password);
        }
        let info = ("127.0.0.1", self.port).into_connection_info()?;
        let client = Client::open(info.set_redis_settings(settings))?;
        let mut connection = client.get_connection_with_timeout(WAIT_TIMEOUT)?;
        let (name, arguments) = command.split_first().unwrap();
        redis::cmd(name).arg(arguments).query(&mut connection)
    }

    pub fn load(&self, values: &BTreeMap<String, String>) {
        for (key, value) in values {
            self.run::<()>(&["SET", key, value]);
        }
    }

    /// Changes the password by this command, which ends with it, and then closes every
    /// connection but this one.
    pub fn change_password(&self, command: &[&str], password: &str) {
        self.run::<()>(&[command, &[password]].concat());
        let password = password.trim_start_matches('>').to_owned();
        *self.password.lock().unwrap() = Some(password);
        self.run::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    }

    /// How often each command was called since the server started.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let output: String = self.run(&["INFO", "commandstats"]);
        let counts = output.lines().filter_map(|line| {
            let (command, counts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = counts.split(',').next()?.parse().ok()?;
            Some((command.to_owned(), calls))
        });
        counts.collect()
    }

    /// Stops it where it is, so that connections stay and nothing is answered.
    pub fn freeze(&self) {
        self.keeper.lock().unwrap().tell("STOP");
    }

    pub fn thaw(&self) {
        self.keeper.lock().unwrap().tell("CONT");
    }

    /// Ends it without a word, and waits until it has ended.
    pub fn kill(&self) {
        self.keeper.lock().unwrap().tell("kill");
    }

    /// Starts it anew, on the same port and with what was written to it.
    pub fn start_again(&self) {
        self.keeper.lock().unwrap().tell("start");
    }

    /// The same, and waits until it answers.
    pub fn restart(&self) {
        self.kill();
        self.start_again();
        self.wait_until_it_answers().unwrap();
    }
}

impl Keeper {
    fn new(folder: &Path, program: &str) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(folder)
            .arg(folder.join(program))
            .current_dir("/")
            // A Ctrl-C goes to the whole group of the tests; the keeper must outlive it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        Self {
            orders: process.stdin.take(),
            done: BufReader::new(process.stdout.take().expect("stdout is piped")),
            process,
        }
    }

    fn tell(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("it is open until the end");
        writeln!(orders, "{order}").expect("the keeper listens");
        let mut done = String::new();
        self.done.read_line(&mut done).expect("the keeper answers");
        assert_eq!(done, "done\n", "{order}");
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        // The server is gone when the keeper is; how the keeper ended is no concern of the test.
        let _ = self.process.wait();
    }
}

/// `$1` is the folder, `$2` the program. Each line that it reads is an order. The program is started
/// again only after a `kill`.
const KEEPER: &str = r#"
trap '' PIPE
folder=$1 program=$2 server=
while read -r order; do
  case $order in
    start) "$program" "$folder/redis.conf" >>"$folder/log" 2>&1 & server=$! ;;
    kill) kill -s KILL "$server"; wait "$server"; server= ;;
    *) kill -s "$order" "$server" ;;
  esac
  echo done
done 2>/dev/null
[ -z "$server" ] || kill -s KILL "$server"
wait
rm -rf "$folder"
"#;

/// The server's program. Debian's redis-tools has it under the name of another.
fn program() -> PathBuf {
    let folders = env::var_os("PATH").unwrap_or_default();
    for name in ["redis-server", "redis-check-rdb"] {
        let found = env::split_paths(&folders).map(|folder| folder.join(name));
        if let Some(found) = found.into_iter().find(|file| file.exists()) {
            return found;
        }
    }
    panic!("the tests need a Redis server: apt-get install redis-tools");
}

/// A certificate of a server at 127.0.0.1, and of the authority that it comes from.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("openssl.cnf"), OPENSSL).unwrap();
        let openssl = |arguments: &str| {
            let output = Command::new("openssl")
                .args(arguments.split_whitespace())
                .env("OPENSSL_CONF", "openssl.cnf")
                .current_dir(&folder)
                .output()
                .expect("the tests need openssl: apt-get install openssl");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "openssl {arguments}\n{said}");
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!(
            "req -x509 {key} -extensions authority -days 2 -keyout authority.key -out authority.pem"
        ));
        openssl(&format!("req {key} -keyout server.key -out server.csr"));
        openssl(
            "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial \
             -extfile openssl.cnf -extensions server -days 2 -out server.pem",
        );
        Self { folder }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The file of the authority's certificate.
    pub fn authority(&self) -> String {
        self.file("authority.pem")
    }

    /// The TLS part of a server's configuration, on a port of its own.
    pub fn lines(&self, port: u16) -> [String; 5] {
        [
            format!("tls-port {port}"),
            format!("tls-cert-file {}", self.file("server.pem")),
            format!("tls-key-file {}", self.file("server.key")),
            format!("tls-ca-cert-file {}", self.authority()),
            "tls-auth-clients no".to_owned(),
        ]
    }
}

const OPENSSL: &str = "
[req]
prompt = no
distinguished_name = name
[name]
CN = of a test
[authority]
basicConstraints = critical, CA:TRUE
[server]
subjectAltName = IP:127.0.0.1
";
