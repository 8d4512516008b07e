//! Ten times the load that the server can bear, for real: what becomes of the
//! calls that it accepts, of those that it sends away, and of its health.
//!
//! Prints ratios against the same server with hardly any load, measured in the
//! same run, by turns. Calls come at their time, whether or not earlier ones were
//! answered, and wait from that time on, even if their callers are late. The server
//! and its database have one processor to themselves, and the callers another, as
//! they would on a machine of their own.
//!
//! Calls that came while a processor was slow, or shortly before or after, do not count
//! for how long they took. It fails when an overload is felt, and also when there was none to speak of, or too
//! little was seen of it.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it measures, and says what it measured"
)]

#[path = "overload/client.rs"]
mod client;
#[path = "overload/watch.rs"]
mod watch;

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
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    task::{JoinError, JoinSet},
};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use client::{Call, Client};
use it::support::{Backend, Program};
use watch::{Slow, Watch};

const ACCOUNT: i64 = 1;
const CONNECTIONS: usize = 8;
/// On a quick machine; on others more, until enough was seen while they were quick.
const TURNS: usize = 5;
const MOST_TURNS: usize = 20;
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

/// What there must have been for the rest to mean anything: so many times of what it
/// can bear, and so many calls that were served.
const LEAST_LOAD: f64 = 9.0;
const LEAST_SERVED: usize = 1000;
const LEAST_UNLOADED: usize = 300;

/// So much of an overload (in %) there must have been while the processors were quick.
const LEAST_QUICK: f64 = 10.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Those whose name holds the argument, of which cargo adds one of its own.
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| argument != "--bench");
    let mut failures = Vec::new();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        for call in [Call::Get, Call::List] {
            let name = format!("{} {}", backend.name(), call.name());
            if wanted.as_ref().is_none_or(|wanted| name.contains(wanted)) {
                println!("{name}");
                for failure in seen(backend, call).await?.failures() {
                    failures.push(format!("{name}: {failure}"));
                }
            }
        }
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err("an overload is felt by those that are served, or too little was seen of it".into())
    }
}

/// What was seen of a server.
struct Seen {
    /// In calls a second.
    bearable: f64,
    unloaded: Vec<Asked>,
    overloaded: Vec<Asked>,
    /// From when until when each overload was sent.
    turns: Vec<(Instant, Instant)>,
    health: Waits,
    slow: Slow,
}

async fn seen(backend: Backend, call: Call) -> Result<Seen, Box<dyn Error>> {
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

    let watch = Watch::begin()?;
    // What it does first takes longer.
    closed(&clients, 2).await;
    let began = Instant::now();
    let closed = closed(&clients, 2).await;
    let ended = Instant::now();
    let so_far = watch.slow_until_now();
    let bearable = so_far.a_quick_second(&closed, began, ended);
    let (mut unloaded, mut overloaded) = (Vec::new(), Vec::new());
    let (mut checks, mut turns) = (Vec::new(), Vec::new());
    for turn in 1.. {
        unloaded.extend(
            open(&clients, bearable * HARDLY_ANY, UNLOADED_TURN)
                .await?
                .asked,
        );
        let health = tokio::spawn(health(server.address.clone()));
        let sent = open(&clients, bearable * TIMES, TURN).await?;
        overloaded.extend(sent.asked);
        turns.push((sent.from, sent.until));
        checks.extend(health.await?);
        tokio::time::sleep(UNTIL_OVER).await;
        let slow = watch.slow_until_now();
        let is_seen = count(slow.quick(&unloaded), Code::Ok) >= LEAST_UNLOADED
            && count(slow.quick(&overloaded), Code::Ok) >= LEAST_SERVED;
        if turn >= TURNS && is_seen || turn >= MOST_TURNS {
            break;
        }
    }
    Ok(Seen {
        bearable,
        unloaded,
        overloaded,
        turns,
        health: sorted(checks),
        slow: watch.slow_until_now(),
    })
}

impl Seen {
    /// Tells it, and what is wrong: that an overload does more to those that are served
    /// than it may, or that nothing is proven.
    fn failures(&self) -> Vec<String> {
        let is_other = |asked: &&Asked| !matches!(asked.code, Code::Ok | Code::ResourceExhausted);
        for asked in self
            .unloaded
            .iter()
            .chain(&self.overloaded)
            .filter(is_other)
        {
            println!("  {:?} after {:?}", asked.code, asked.wait);
        }
        let (accepted, sent_away) = (
            count(&self.overloaded, Code::Ok),
            count(&self.overloaded, Code::ResourceExhausted),
        );
        // Nobody is sent away but under overload.
        let other = self.overloaded.len() - accepted - sent_away + self.unloaded.len()
            - count(&self.unloaded, Code::Ok);
        let turns = self.turns.iter();
        let seconds: f64 = turns
            .clone()
            .map(|(from, until)| (*until - *from).as_secs_f64())
            .sum();
        let quick: f64 = turns
            .map(|(from, until)| self.slow.quick_seconds(*from, *until))
            .sum();
        let quick = quick / seconds * 100.0;
        let a_second = |calls: usize| calls as f64 / seconds;
        // One that serves more can bear more, whatever was measured before.
        let bearable = self.bearable.max(a_second(accepted));
        let load = a_second(self.overloaded.len()) / bearable;
        let health = of(&self.health, 100);
        println!(
            "  it can bear {bearable:.0} calls/s; at {load:.1} times that {:.0}/s were accepted, \
             {:.0}/s sent away, {other} calls ended otherwise",
            a_second(accepted),
            a_second(sent_away),
        );
        println!(
            "  health          p50 {:7.2} ms  max {health:7.2} ms of {} checks",
            of(&self.health, 50),
            self.health.len()
        );
        println!("  while the processors were quick, {quick:.0} % of the overload:");
        let (unloaded, served, times) = compared(
            &self.slow.quick(&self.unloaded),
            &self.slow.quick(&self.overloaded),
        );
        println!("  all of the time, which decides nothing:");
        compared(
            &self.unloaded.iter().collect(),
            &self.overloaded.iter().collect(),
        );

        let demands = [
            (
                times <= MOST_TIMES,
                format!("p99 is {times:.2} times as long"),
            ),
            (other == 0, format!("{other} calls ended otherwise")),
            (
                health <= HEALTH_WITHIN,
                format!("a check of the health took {health:.0} ms"),
            ),
            (
                load >= LEAST_LOAD,
                format!("the load was {load:.1} times what it can bear"),
            ),
            (sent_away > 0, "nothing was sent away".to_owned()),
            (
                quick >= LEAST_QUICK,
                format!("the processors were quick for {quick:.0} % of it"),
            ),
            (
                served >= LEAST_SERVED && unloaded >= LEAST_UNLOADED,
                format!("only {unloaded} and {served} calls decide"),
            ),
        ];
        let failed = demands.into_iter().filter(|(holds, _)| !holds);
        failed.map(|(_, failure)| failure).collect()
    }
}

fn count<'a>(asked: impl IntoIterator<Item = &'a Asked>, code: Code) -> usize {
    asked.into_iter().filter(|asked| asked.code == code).count()
}

/// How many were served without and under overload, and how many times longer the
/// latter took.
fn compared(unloaded: &Vec<&Asked>, overloaded: &Vec<&Asked>) -> (usize, usize, f64) {
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
    (unloaded.len(), overloaded.len(), times)
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

/// One call, as its caller saw it: it waits from when it is due.
struct Asked {
    due: Instant,
    wait: Duration,
    code: Code,
}

impl Asked {
    async fn by(client: &Client, due: Instant) -> Self {
        let code = client.ask().await;
        let wait = due.elapsed();
        Self { due, wait, code }
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

/// Calls, and the time in which they were sent.
struct Sent {
    asked: Vec<Asked>,
    from: Instant,
    until: Instant,
}

/// So many calls a second, each at its time: by a thread of its own, as what waits in
/// a runtime is woken a millisecond late. What is late is sent all the same. Where there
/// are more than one in [`AT_ONCE`], they are due together: a timer for each would cost
/// the processor more than they do.
async fn open(clients: &[Client], a_second: f64, turn: Duration) -> Result<Sent, JoinError> {
    const AT_ONCE: f64 = 500e-6;
    let (clients, runtime) = (clients.to_vec(), Handle::current());
    let send = move || {
        let mut calls = JoinSet::new();
        let from = Instant::now();
        let together = (a_second * AT_ONCE).ceil();
        for (number, client) in clients.iter().cycle().enumerate() {
            let burst = (number as f64 / together).floor();
            let after = Duration::from_secs_f64(burst * together / a_second);
            if after >= turn {
                break;
            }
            let due = from + after;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let client = client.clone();
            calls.spawn_on(async move { Asked::by(&client, due).await }, &runtime);
        }
        // What is sent in time is sent for the whole of it.
        (calls, from, Instant::now().max(from + turn))
    };
    let (calls, from, until) = tokio::task::spawn_blocking(send).await?;
    let asked = calls.join_all().await;
    Ok(Sent { asked, from, until })
}

/// Asks on a connection of its own, as a load balancer does. A check that fails takes
/// for ever.
async fn health(address: String) -> Waits {
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}"));
    let Ok(channel) = channel else {
        return vec![f64::INFINITY];
    };
    let Ok(channel) = channel.connect().await else {
        return vec![f64::INFINITY];
    };
    let mut client = HealthClient::new(channel);
    let began = Instant::now();
    let mut waits = Vec::new();
    while began.elapsed() < TURN {
        let asked = Instant::now();
        let request = HealthCheckRequest {
            service: String::new(),
        };
        let serves = client
            .check(request)
            .await
            .is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving);
        waits.push(if serves {
            asked.elapsed().as_secs_f64() * 1e3
        } else {
            f64::INFINITY
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    waits
}
