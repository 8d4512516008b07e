//! Ten times the load that the server can bear, for real: what becomes of the
//! calls that it accepts, of those that it sends away, and of its health.
//!
//! Prints ratios against the same server with one caller, measured in the same
//! run. Calls come at their time, whether or not earlier ones were answered. The
//! server and its database have one processor to themselves, and the callers
//! another, as they would on a machine of their own.

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
const MEASURED: Duration = Duration::from_secs(5);
const TIMES: f64 = 10.0;

/// How much longer a call that is served may take, at the 99th percentile.
const MOST_TIMES: f64 = 3.0;

/// How many milliseconds a check of the health may take. Most give it a second.
const HEALTH_WITHIN: f64 = 500.0;

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
        Err("an overload is felt by those that are served".into())
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

    one_caller(&clients[0], Duration::from_secs(1)).await;
    let alone = one_caller(&clients[0], MEASURED).await;
    let bearable = closed(&clients, 2).await;
    let health = tokio::spawn(health(server.address.clone()));
    let (accepted, sent_away, other) = open(&clients, bearable * TIMES).await;
    let health = health.await.unwrap_or_default();

    println!("{} {}", backend.name(), call.name());
    println!(
        "  one caller      p50 {:7.2} ms  p99 {:7.2} ms",
        of(&alone, 50),
        of(&alone, 99)
    );
    println!("  it can bear     {bearable:7.0} calls/s");
    println!(
        "  {TIMES} times that   {:7.0} calls/s accepted, {sent_away} sent away, {other} otherwise",
        accepted.len() as f64 / MEASURED.as_secs_f64()
    );
    let times = of(&accepted, 99) / of(&alone, 99);
    println!(
        "  accepted        p50 {:7.2} ms  p99 {:7.2} ms   p99 is {times:.2} times that of one caller",
        of(&accepted, 50),
        of(&accepted, 99),
    );
    println!(
        "  health          p50 {:7.2} ms  max {:7.2} ms of {} checks",
        of(&health, 50),
        of(&health, 100),
        health.len()
    );
    Ok(times <= MOST_TIMES && other == 0 && of(&health, 100) <= HEALTH_WITHIN)
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

async fn one_caller(client: &Client, long: Duration) -> Waits {
    let end = Instant::now() + long;
    let mut waits = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        if client.ask().await == Code::Ok {
            waits.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    sorted(waits)
}

/// Calls a second with as many callers, of whom each asks again when answered.
async fn closed(clients: &[Client], callers: usize) -> f64 {
    let mut tasks = JoinSet::new();
    for number in 0..callers {
        let client = clients[number % clients.len()].clone();
        tasks.spawn(async move { one_caller(&client, MEASURED).await.len() });
    }
    let answered: usize = tasks.join_all().await.into_iter().sum();
    answered as f64 / MEASURED.as_secs_f64()
}

/// Waits of the accepted, and how many were sent away or failed otherwise.
async fn open(clients: &[Client], a_second: f64) -> (Waits, usize, usize) {
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    let mut sent = 0_usize;
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while began.elapsed() < MEASURED {
        tick.tick().await;
        let due = began.elapsed().as_secs_f64() * a_second;
        while (sent as f64) < due {
            let client = clients[sent % clients.len()].clone();
            let at = Instant::now();
            tasks.spawn(async move {
                let code = client.ask().await;
                (code, at.elapsed().as_secs_f64() * 1e3)
            });
            sent += 1;
        }
    }
    let (mut accepted, mut sent_away, mut other) = (Vec::new(), 0, 0);
    for (code, wait) in tasks.join_all().await {
        match code {
            Code::Ok => accepted.push(wait),
            Code::ResourceExhausted => sent_away += 1,
            _ => other += 1,
        }
    }
    (sorted(accepted), sent_away, other)
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
        self.answer().await.unwrap_or(Code::Unknown)
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
    while began.elapsed() < MEASURED {
        let asked = Instant::now();
        let request = HealthCheckRequest {
            service: String::new(),
        };
        if client.check(request).await.is_ok() {
            waits.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sorted(waits)
}
