//! Ten times the load that the server can bear, for real: what becomes of the
//! calls that it accepts, of those that it sends away, and of its health.
//!
//! Prints ratios against the same server with hardly any load, measured in the
//! same run, by turns. Calls come at their time, whether or not earlier ones were
//! answered. The server and its database have one processor to themselves, and
//! the callers another, as they would on a machine of their own.
//!
//! Processors of shared machines run at a tenth of their speed now and then, for
//! a twentieth of a second or so. Ten times the load is then a hundred times. So a
//! watch on the processor's speed tells such moments, and what was under way in
//! them or shortly after, loaded or not, is counted apart.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it measures, and says what it measured"
)]

/// What the tests stand on.
#[path = "../tests/it"]
#[expect(
    unused,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "made for tests, which may fail loudly, and use all of it"
)]
mod it {
    pub mod support;
}

use std::{
    error::Error,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::{Message, bytes::Bytes};
use tokio::{net::TcpStream, task::JoinSet};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use it::support::{Backend, Program, pb, viewer};

const ACCOUNT: i64 = 1;
const CONNECTIONS: usize = 8;
const TURNS: usize = 5;
const TURN: Duration = Duration::from_secs(3);
/// With hardly any load there are few calls, of which some hundreds are wanted.
const UNLOADED_TURN: Duration = Duration::from_secs(6);
/// After which a server treats nobody any more as under overload.
const UNTIL_OVER: Duration = Duration::from_millis(500);
/// Of what it can bear.
const TIMES: f64 = 10.0;
const HARDLY_ANY: f64 = 0.1;

/// How much longer a call that is served may take, at the 99th percentile.
const MOST_TIMES: f64 = 3.0;

/// How many milliseconds a check of the health may take. Most give it a second.
const HEALTH_WITHIN: f64 = 500.0;

/// What a measure has to rest on: so many of the times that were meant, so much of the
/// time with a quick processor, and so many calls that were served in it.
const LEAST_TIMES: f64 = 9.0;
const LEAST_QUICK: f64 = 0.5;
const LEAST_ACCEPTED: usize = 1000;
const LEAST_UNLOADED: usize = 200;

#[derive(Clone, Copy)]
enum Call {
    Get,
    List,
}

impl Call {
    /// Framed as gRPC does: not compressed, its length, the message.
    fn message(self) -> Result<Bytes, Box<dyn Error>> {
        let viewer = Some(viewer::user(1));
        let message = match self {
            Self::Get => pb::GetInboxRequest {
                account_id: ACCOUNT,
                inbox_id: 1,
                viewer,
                detail: 0,
            }
            .encode_to_vec(),
            Self::List => pb::ListInboxesRequest {
                account_id: ACCOUNT,
                viewer,
                ..Default::default()
            }
            .encode_to_vec(),
        };
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len())?.to_be_bytes());
        framed.extend(message);
        Ok(framed.into())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GetInbox",
            Self::List => "ListInboxes",
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Those whose name holds the argument, of which cargo adds one of its own.
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| argument != "--bench");
    let mut held = true;
    for backend in [Backend::Sqlite, Backend::Postgres] {
        for call in [Call::Get, Call::List] {
            let name = format!("{} {}", backend.name(), call.name());
            if wanted.as_ref().is_none_or(|wanted| name.contains(wanted)) {
                held &= overload(backend, call).await?;
            }
        }
    }
    if held {
        Ok(())
    } else {
        Err("an overload is felt by those that are served, or was not measured".into())
    }
}

/// Whether it does to those that are served no more than it may.
async fn overload(backend: Backend, call: Call) -> Result<bool, Box<dyn Error>> {
    // What is started from here has the processor, too.
    move_to_processor(0);
    let database = backend.golden();
    // One at a time, as both have one processor.
    let server = Program::serving(&database)
        .env("RUST_LOG", "warn")
        .env("MAX_CONCURRENT_CALLS", "1")
        .start();
    move_to_processor(1);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connected(&server.address, call).await?);
    }

    let watch = Watch::begin();
    // What it does first takes longer.
    closed(&clients, 2).await;
    let began = Instant::now();
    let closed = closed(&clients, 2).await;
    let ended = Instant::now();
    let so_far = watch.slow_until_now();
    let bearable = so_far.quick(&closed).len() as f64 / so_far.quick_seconds(began, ended);
    let (mut unloaded, mut overloaded, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    let began = Instant::now();
    for _ in 0..TURNS {
        unloaded.extend(open(&clients, bearable * HARDLY_ANY, UNLOADED_TURN).await);
        let health = tokio::spawn(health(server.address.clone()));
        overloaded.extend(open(&clients, bearable * TIMES, TURN).await);
        checks.extend(health.await.unwrap_or_default());
        tokio::time::sleep(UNTIL_OVER).await;
    }
    let (ended, slow) = (Instant::now(), watch.slow_until_now());

    let with = |code: Code| overloaded.iter().filter(move |asked| asked.code == code);
    let (accepted, sent_away) = (
        with(Code::Ok).count(),
        with(Code::ResourceExhausted).count(),
    );
    let unanswered = unloaded
        .iter()
        .filter(|asked| asked.code != Code::Ok)
        .count();
    let other = overloaded.len() - accepted - sent_away + unanswered;
    for asked in unloaded.iter().chain(&overloaded) {
        if !matches!(asked.code, Code::Ok | Code::ResourceExhausted) {
            println!("  {:?} after {:?}", asked.code, asked.wait);
        }
    }
    let health = sorted(checks);
    let seconds = TURN.as_secs_f64() * TURNS as f64;
    println!("{} {}", backend.name(), call.name());
    println!(
        "  it can bear {bearable:.0} calls/s; at {TIMES} times that {:.0}/s were accepted, {:.0}/s \
         sent away, {other} calls ended otherwise",
        accepted as f64 / seconds,
        sent_away as f64 / seconds,
    );
    let offered = overloaded.len() as f64 / seconds / bearable;
    println!("  {offered:.1} times that were asked, whether or not earlier calls were answered");
    println!(
        "  health          p50 {:7.2} ms  max {:7.2} ms of {} checks",
        of(&health, 50),
        of(&health, 100),
        health.len()
    );
    let quick_share = slow.quick_seconds(began, ended) / (ended - began).as_secs_f64();
    println!(
        "  the processor was quick for {:.0} % of the time:",
        quick_share * 100.0
    );
    let compared_quick = compared(&slow.quick(&unloaded), &slow.quick(&overloaded));
    println!("  all of the time:");
    compared(&unloaded.iter().collect(), &overloaded.iter().collect());
    Ok(all_hold(&[
        (
            compared_quick.times <= MOST_TIMES,
            "served calls take too long",
        ),
        (other == 0, "calls ended otherwise"),
        (
            of(&health, 100) <= HEALTH_WITHIN,
            "health is slow, or was not asked",
        ),
        (sent_away > 0, "nobody was sent away"),
        (
            offered >= LEAST_TIMES,
            "the load was less than it should have been",
        ),
        (
            quick_share >= LEAST_QUICK,
            "the processor was slow for most of the time",
        ),
        (
            compared_quick.overloaded >= LEAST_ACCEPTED
                && compared_quick.unloaded >= LEAST_UNLOADED,
            "too few calls were measured",
        ),
    ]))
}

/// Whether nothing was missed, and what.
fn all_hold(conditions: &[(bool, &str)]) -> bool {
    let missed = conditions.iter().filter(|(holds, _)| !holds);
    let missed = missed.inspect(|(_, what)| println!("  FAILED: {what}"));
    missed.count() == 0
}

/// How those that were served fared, and how many they were.
struct Compared {
    times: f64,
    unloaded: usize,
    overloaded: usize,
}

/// How many times longer those that were served took under overload.
fn compared(unloaded: &Vec<&Asked>, overloaded: &Vec<&Asked>) -> Compared {
    let waits = |asked: &Vec<&Asked>| {
        let served = asked.iter().filter(|asked| asked.code == Code::Ok);
        sorted(served.map(|asked| asked.wait.as_secs_f64() * 1e3).collect())
    };
    let (unloaded, overloaded) = (waits(unloaded), waits(overloaded));
    for (what, waits) in [("hardly any load", &unloaded), ("accepted", &overloaded)] {
        println!(
            "    {what:15} p50 {:6.2}  p95 {:6.2}  p99 {:6.2} ms of {}",
            of(waits, 50),
            of(waits, 95),
            of(waits, 99),
            waits.len()
        );
    }
    let times = of(&overloaded, 99) / of(&unloaded, 99);
    println!("    p99 is {times:.2} times as long");
    Compared {
        times,
        unloaded: unloaded.len(),
        overloaded: overloaded.len(),
    }
}

/// Watches how fast the processor is, on a thread of its own.
struct Watch {
    /// When a little work was done, and how much of the processor's time it took.
    seen: Arc<Mutex<Vec<(Instant, Duration)>>>,
    done: Arc<AtomicBool>,
}

impl Watch {
    fn begin() -> Self {
        const EVERY: Duration = Duration::from_millis(2);
        let watch = Self {
            seen: Arc::default(),
            done: Arc::default(),
        };
        let (seen, done) = (watch.seen.clone(), watch.done.clone());
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let took = little_work();
                if let Ok(mut seen) = seen.lock() {
                    seen.push((Instant::now(), took));
                }
                thread::sleep(EVERY);
            }
        });
        watch
    }

    fn slow_until_now(&self) -> Slow {
        /// Of what the work usually takes.
        const SLOW: f64 = 1.5;
        const BEFORE: Duration = Duration::from_millis(5);
        /// Until what had to wait is done.
        const AFTER: Duration = Duration::from_millis(50);

        let seen = self
            .seen
            .lock()
            .map(|seen| seen.clone())
            .unwrap_or_default();
        let mut costs: Vec<_> = seen.iter().map(|(_, took)| took.as_secs_f64()).collect();
        costs.sort_by(f64::total_cmp);
        let usual = costs.get(costs.len() / 4).copied().unwrap_or_default();
        let mut spans: Vec<(Instant, Instant)> = Vec::new();
        for (at, took) in seen {
            if took.as_secs_f64() > usual * SLOW {
                let (from, until) = (at.checked_sub(BEFORE).unwrap_or(at), at + AFTER);
                match spans.last_mut() {
                    Some(last) if last.1 >= from => last.1 = until,
                    _ => spans.push((from, until)),
                }
            }
        }
        Slow(spans)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

/// Not counting the time that others have the processor.
fn little_work() -> Duration {
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let began = now();
    let mut number = 1_u64;
    for step in 0..30_000 {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005) ^ step);
    }
    let ended = now();
    let nanoseconds = |time: rustix::time::Timespec| time.tv_sec * 1_000_000_000 + time.tv_nsec;
    Duration::from_nanos(nanoseconds(ended).abs_diff(nanoseconds(began)))
}

/// When the processor was slow: spans that do not touch.
struct Slow(Vec<(Instant, Instant)>);

impl Slow {
    /// Those that were under way while it was quick.
    fn quick<'a>(&self, asked: &'a [Asked]) -> Vec<&'a Asked> {
        let is_quick = |asked: &&Asked| {
            let next = self.0.partition_point(|(_, until)| *until < asked.at);
            let next = self.0.get(next);
            next.is_none_or(|(from, _)| *from > asked.at + asked.wait)
        };
        asked.iter().filter(is_quick).collect()
    }

    fn quick_seconds(&self, began: Instant, ended: Instant) -> f64 {
        let slow = self.0.iter().map(|(from, until)| {
            let (from, until) = (*from.max(&began), *until.min(&ended));
            until.saturating_duration_since(from)
        });
        let slow: Duration = slow.sum();
        (ended - began).saturating_sub(slow).as_secs_f64()
    }
}

/// With all threads.
fn move_to_processor(number: u32) {
    let moved = Command::new("taskset")
        .args(["-a", "-c", "-p", &number.to_string()])
        .arg(std::process::id().to_string())
        .stdout(Stdio::null())
        .status();
    assert!(
        moved.is_ok_and(|status| status.success()),
        "taskset, of util-linux"
    );
}

/// Milliseconds, sorted.
type Waits = Vec<f64>;

fn of(waits: &Waits, percentile: usize) -> f64 {
    let index = (waits.len() * percentile / 100).min(waits.len().saturating_sub(1));
    waits.get(index).copied().unwrap_or(f64::NAN)
}

fn sorted(mut waits: Waits) -> Waits {
    waits.sort_by(f64::total_cmp);
    waits
}

/// One call, as its caller saw it.
struct Asked {
    at: Instant,
    wait: Duration,
    code: Code,
}

impl Asked {
    async fn by(client: &Client, at: Instant) -> Self {
        let code = client.ask().await;
        let wait = at.elapsed();
        Self { at, wait, code }
    }
}

/// What as many callers get served, of whom each asks again when answered.
async fn closed(clients: &[Client], callers: usize) -> Vec<Asked> {
    let mut tasks = JoinSet::new();
    let end = Instant::now() + TURN;
    for number in 0..callers {
        let client = clients[number % clients.len()].clone();
        tasks.spawn(async move {
            let mut served = Vec::new();
            while Instant::now() < end {
                let asked = Asked::by(&client, Instant::now()).await;
                if asked.code == Code::Ok {
                    served.push(asked);
                }
            }
            served
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// So many calls a second, each at its time. Nothing here waits for an answer, so that a
/// slow server is asked no less; what the clock is late by is made up for.
async fn open(clients: &[Client], a_second: f64, turn: Duration) -> Vec<Asked> {
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    let mut sent = 0_usize;
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while began.elapsed() < turn {
        tick.tick().await;
        let due = began.elapsed().as_secs_f64() * a_second;
        while (sent as f64) < due {
            let client = clients[sent % clients.len()].clone();
            let at = Instant::now();
            tasks.spawn(async move { Asked::by(&client, at).await });
            sent += 1;
        }
    }
    tasks.join_all().await
}

/// What asks at the least cost, so that callers are not what is measured:
/// HTTP/2 alone, with a request encoded once.
#[derive(Clone)]
struct Client {
    connection: SendRequest<Bytes>,
    request: Request<()>,
    message: Bytes,
}

impl Client {
    async fn connected(address: &str, call: Call) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (client, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        let path = format!("leadchat.inbox.v1.InboxService/{}", call.name());
        let request = Request::post(format!("http://{address}/{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        Ok(Self {
            connection: client,
            request,
            message: call.message()?,
        })
    }

    /// `Unknown` for what does not come to an end.
    async fn ask(&self) -> Code {
        self.answer().await.unwrap_or_else(|error| {
            println!("  {error}");
            Code::Unknown
        })
    }

    async fn answer(&self) -> Result<Code, h2::Error> {
        let mut connection = self.connection.clone().ready().await?;
        let (answer, mut body) = connection.send_request(self.request.clone(), false)?;
        // One that is refused at once need not take the message any more.
        let _ = body.send_data(self.message.clone(), true);
        let (head, mut body) = answer.await?.into_parts();
        if let Some(code) = code(&head.headers) {
            return Ok(code);
        }
        while let Some(part) = body.data().await {
            let arrived = part?.len();
            body.flow_control().release_capacity(arrived)?;
        }
        let trailers = body.trailers().await?;
        Ok(trailers.as_ref().and_then(code).unwrap_or(Code::Unknown))
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers
        .get("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
}

/// Asks on a connection of its own, as a load balancer does.
async fn health(address: String) -> Waits {
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}"));
    let Ok(channel) = channel else {
        return Vec::new();
    };
    let Ok(channel) = channel.connect().await else {
        return Vec::new();
    };
    let mut client = HealthClient::new(channel);
    let began = Instant::now();
    let mut waits = Vec::new();
    while began.elapsed() < TURN {
        let asked = Instant::now();
        let request = HealthCheckRequest {
            service: String::new(),
        };
        if client.check(request).await.is_ok() {
            waits.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    waits
}
