//! How many callers are served, how quickly, what an overload does to them, and how a
//! caller fares beside other programs. Prints a table, and fails where it falls short.
//!
//! The driver and the server share the processors. `LOAD_PROGRAM` names another program to
//! measure than the one that was built, `LOAD_SECONDS` how long each row is measured.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures, may fail loudly, and says what it measured"
)]

#[path = "../tests/it"]
#[expect(
    unused,
    clippy::indexing_slicing,
    reason = "made for tests, which may fail loudly, and use all of it"
)]
mod it {
    pub mod support;
}

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use it::support::{Backend, Client, account::account, pb, viewer};
use prost::Message;
use tokio::{sync::Mutex, time::interval};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

const CALLER_SHAPES: [(&str, usize, bool); 5] = [
    ("1 caller", 1, true),
    ("4 callers", 4, true),
    ("16 callers", 16, true),
    ("64 callers", 64, true),
    ("64 streams on one", 64, false),
];

/// The method and the address of calls.
#[derive(Clone, Copy)]
struct Target {
    store: &'static str,
    method: &'static str,
    account_id: i64,
}

/// The results of calls.
#[derive(Default)]
struct Outcome {
    milliseconds: Vec<f64>,
    refused: usize,
    /// Refusals that are not typed as they have to be, and other failures.
    unexpected: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut failures = Vec::new();
    let database = account(Backend::Postgres, 31).await;
    // As any database is that has been in use for a minute.
    database.execute("ANALYZE").await;
    for store in ["SQLite", "PostgreSQL"] {
        let url = (store == "PostgreSQL").then(|| database.url());
        let server = Server::start(url.as_deref());
        for method in ["GetInbox", "ListInboxes"] {
            let target = Target {
                store,
                method,
                account_id: 1,
            };
            let best = measure_closed_loops(&server, target, &mut failures).await;
            match (store, method) {
                ("PostgreSQL", "ListInboxes") => {
                    measure_overload(&server, target, best, 10.0, Some(&mut failures)).await;
                }
                (_, "GetInbox") => {
                    measure_overload(&server, target, best, 2.0, Some(&mut failures)).await;
                    measure_overload(&server, target, best, 10.0, None).await;
                }
                _ => {}
            }
        }
        measure_beside_busy_processes(&server, store, &mut failures).await;
    }
    for failure in &failures {
        println!("FELL SHORT: {failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}

/// How long each row is measured.
fn measure_window() -> Duration {
    let seconds = env::var("LOAD_SECONDS").ok().and_then(|it| it.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5))
}

/// Callers that ask again as soon as they are answered. The best figure served.
async fn measure_closed_loops(server: &Server, target: Target, failures: &mut Vec<String>) -> f64 {
    let Target { store, method, .. } = target;
    let (mut best, mut with_64) = (0.0_f64, f64::INFINITY);
    for (shape, callers, own_connections) in CALLER_SHAPES {
        let first = server.client().await;
        let mut clients = vec![first; callers];
        if own_connections {
            clients = join_all((0..callers).map(|_| server.client())).await;
        }
        // Once each, so that none is the first.
        join_all(clients.iter().map(|client| call(client, target, None))).await;
        let (cpu, began) = (server.cpu_seconds(), Instant::now());
        let end = began + measure_window();
        let loops = clients.into_iter().map(|client| {
            tokio::spawn(async move {
                let mut outcome = Outcome::default();
                while Instant::now() < end {
                    outcome.add(&client, target, None).await;
                }
                outcome
            })
        });
        let outcome = Outcome::sum(join_all(loops).await.into_iter().map(Result::unwrap));
        let took = began.elapsed().as_secs_f64();
        let served = outcome.milliseconds.len() as f64 / took;
        let cpu_us = (server.cpu_seconds() - cpu) * 1e6 / outcome.all() as f64;
        println!(
            "{store:10} {method:11} {shape:17} {served:7.0} served/s, p50 {:7.1} ms, p99 {:7.1} ms, \
             {:5.1} % refused, {cpu_us:6.0} us of processor a call",
            outcome.percentile(50),
            outcome.percentile(99),
            outcome.refused as f64 * 100.0 / outcome.all() as f64,
        );
        best = best.max(served);
        if callers == 64 {
            with_64 = with_64.min(served);
        }
        if outcome.refused > 0 || !outcome.unexpected.is_empty() {
            let unexpected = outcome.unexpected.first().cloned().unwrap_or_default();
            let refused = outcome.refused;
            failures.push(format!(
                "{store} {method}, {shape}: {refused} refused {unexpected}"
            ));
        }
    }
    if with_64 < best * 0.8 {
        failures.push(format!(
            "{store} {method}: with 64 callers {with_64:.0} of {best:.0}"
        ));
    }
    best
}

/// Calls that come at `times` the best rate, whatever becomes of those before, each with
/// five seconds. Health is asked meanwhile.
async fn measure_overload(
    server: &Server,
    target: Target,
    best: f64,
    times: f64,
    failures: Option<&mut Vec<String>>,
) {
    const SEND_INTERVAL: Duration = Duration::from_millis(5);
    let Target { store, method, .. } = target;
    let clients = join_all((0..32).map(|_| server.client())).await;
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let health = server.health().await;
    let checks = tokio::spawn(max_health_latency(health, measure_window() * 2));
    let (began, mut sent, mut calls) = (Instant::now(), 0_usize, Vec::new());
    let mut ticks = interval(SEND_INTERVAL);
    while began.elapsed() < measure_window() * 2 {
        ticks.tick().await;
        let due = (began.elapsed().as_secs_f64() * best * times) as usize;
        while sent < due {
            let client = clients.iter().cycle().nth(sent % 32).cloned().unwrap();
            let outcome = Arc::clone(&outcome);
            calls.push(tokio::spawn(async move {
                let mut one = Outcome::default();
                let deadline = Some(Duration::from_secs(5));
                one.add(&client, target, deadline).await;
                outcome.lock().await.add_all(one);
            }));
            sent += 1;
        }
    }
    let took = began.elapsed().as_secs_f64();
    // Answers after the last call was sent do not count.
    let served = outcome.lock().await.milliseconds.len() as f64 / took;
    join_all(calls).await;
    let health = checks.await.unwrap();
    let outcome = outcome.lock().await;
    let refused = outcome.refused as f64 * 100.0 / outcome.all() as f64;
    println!(
        "{store:10} {method:11} {times:4.0} times the best {served:7.0} served/s of {best:.0}, \
         p50 {:.0} ms, {refused:.1} % refused, {} otherwise, health {:.0} ms at most",
        outcome.percentile(50),
        outcome.unexpected.len(),
        health.as_secs_f64() * 1e3,
    );
    let Some(failures) = failures else { return };
    if health > Duration::from_millis(500) {
        failures.push(format!(
            "{store} {method}, {times} times: health {health:?}"
        ));
    }
    if served < best * 0.8 {
        failures.push(format!(
            "{store} {method}, {times} times: {served:.0} of {best:.0} served"
        ));
    }
    if let Some(unexpected) = outcome.unexpected.first() {
        let count = outcome.unexpected.len();
        failures.push(format!(
            "{store} {method}, {times} times: {count} of {unexpected}"
        ));
    }
}

/// The longest that health took to answer.
async fn max_health_latency(mut health: HealthClient<Channel>, within: Duration) -> Duration {
    let (began, mut max) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < within {
        let asked = Instant::now();
        health.check(HealthCheckRequest::default()).await.unwrap();
        max = max.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    max
}

/// One caller, alone and beside two processes that only count, in turn.
async fn measure_beside_busy_processes(
    server: &Server,
    store: &'static str,
    failures: &mut Vec<String>,
) {
    let target = Target {
        store,
        method: "GetInbox",
        account_id: 1,
    };
    let client = server.client().await;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        alone.push(measure_one_caller(&client, target).await);
        let mut busy = [BusyProcess::start(), BusyProcess::start()];
        beside.push(measure_one_caller(&client, target).await);
        busy.iter_mut().for_each(BusyProcess::stop);
    }
    let (alone, beside) = (median(alone), median(beside));
    let times = beside / alone;
    println!(
        "{store:10} GetInbox    1 caller          p50 {alone:.2} ms alone, {beside:.2} ms beside \
         two busy processes: {times:.2} times"
    );
    if times > 2.5 {
        failures.push(format!("{store}: {times:.2} times as slow beside others"));
    }
}

async fn measure_one_caller(client: &Client, target: Target) -> f64 {
    let end = Instant::now() + measure_window() * 2;
    let mut outcome = Outcome::default();
    while Instant::now() < end {
        outcome.add(client, target, None).await;
    }
    outcome.percentile(50)
}

/// A process that only counts.
struct BusyProcess(Child);

impl BusyProcess {
    fn start() -> Self {
        let count = "i=0; while :; do i=$((i + 1)); done";
        Self(Command::new("sh").args(["-c", count]).spawn().unwrap())
    }

    fn stop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for BusyProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

async fn call(client: &Client, target: Target, deadline: Option<Duration>) -> Result<(), Status> {
    let viewer = Some(viewer::user(1));
    let account_id = target.account_id;
    let bytes = match target.method {
        "GetInbox" => pb::GetInboxRequest {
            account_id,
            inbox_id: 1,
            viewer,
            ..Default::default()
        }
        .encode_to_vec(),
        _ => pb::ListInboxesRequest {
            account_id,
            viewer,
            page_size: 100,
            ..Default::default()
        }
        .encode_to_vec(),
    };
    let mut request = Request::new(bytes);
    if let Some(deadline) = deadline {
        request.set_timeout(deadline);
    }
    let path = format!("/leadchat.inbox.v1.InboxService/{}", target.method);
    // Read as a message without fields, which costs the driver least.
    client.raw::<()>(&path, request).await.map(drop)
}

impl Outcome {
    async fn add(&mut self, client: &Client, target: Target, deadline: Option<Duration>) {
        let began = Instant::now();
        match call(client, target, deadline).await {
            Ok(()) => self.milliseconds.push(began.elapsed().as_secs_f64() * 1e3),
            Err(status) => {
                let info = status.get_details_error_info();
                let is_typed = status.code() == Code::ResourceExhausted
                    && info.is_some_and(|info| info.reason == "OVERLOADED")
                    && status.get_details_retry_info().is_some();
                if is_typed {
                    self.refused += 1;
                } else {
                    self.unexpected
                        .push(format!("{:?} {}", status.code(), status.message()));
                }
            }
        }
    }

    fn add_all(&mut self, other: Self) {
        self.milliseconds.extend(other.milliseconds);
        self.refused += other.refused;
        self.unexpected.extend(other.unexpected);
    }

    fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum.add_all(one);
            sum
        })
    }

    fn all(&self) -> usize {
        self.milliseconds.len() + self.refused + self.unexpected.len()
    }

    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        let at = sorted.len().saturating_sub(1) * percent / 100;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The program, as an operator starts it, with its defaults; stopped when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Over a PostgreSQL, or else over demonstration data in SQLite.
    fn start(url: Option<&str>) -> Self {
        let program = env::var("LOAD_PROGRAM");
        let program = program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_leadchat-inbox").to_owned());
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.env_clear().env("RUST_LOG", "warn");
        match url {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.arg("--demo"),
        };
        // The audit has a line for each call; a file takes them, as in ordinary use.
        let log = tempfile::tempfile().unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        let address = line.trim().split_once(" is listening on ");
        let address = address.expect("the program listens").1.to_owned();
        // Further output is small.
        std::thread::spawn(move || std::io::copy(&mut printed, &mut std::io::sink()));
        Self { child, address }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.address).await
    }

    async fn health(&self) -> HealthClient<Channel> {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        HealthClient::new(channel.connect().await.unwrap())
    }

    /// That it has used so far, in user and system mode.
    fn cpu_seconds(&self) -> f64 {
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, behind_name) = stat.rsplit_once(") ").unwrap();
        let ticks = behind_name.split(' ').skip(11).take(2);
        ticks.map(|it| it.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
