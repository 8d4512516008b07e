//! The cost of knowing callers: certificates, tokens, rules and the audit beside calls over
//! the loopback by the built-in caller: `make callers`.
//!
//! Prints a table and writes it to `docs/performance.md`, which says how each row is measured.
//! `BENCH_SECONDS` says how long each row is measured in a round.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures, may fail loudly, and says what it measured"
)]

#[path = "../tests/it"]
#[expect(
    unused,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "made for tests, which may fail loudly, and use all of it"
)]
mod it {
    pub mod support;
}

#[path = "performance/process.rs"]
#[expect(unused, reason = "made for more than this")]
mod process;
#[path = "performance/report.rs"]
#[expect(unused, reason = "made for more than this")]
mod report;

use std::{
    env, fs,
    hint::black_box,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use it::support::{
    Backend, Client, Database, Program,
    authority::{Authority, Certificate},
    get_inbox, pb,
    program::Server,
    tls::Tls,
    tokens::{Key, jwks},
    viewer,
};
use leadchat_inbox::{
    domain::{
        id::AccountId,
        viewer::{Detail, Viewer},
    },
    identity::{Ask, CallersFile, Method, Peer, Presented},
};
use prost::Message;
use serde_json::json;
use tonic::{Request, metadata::MetadataValue};

use process::Measured;
use report::{Amount, Ratio, Row};

/// Callers in a loop, each with a connection of its own.
const CALLERS: usize = 8;
const ROUNDS: usize = 5;
/// Tokens, each of which is verified once.
const TOKENS: usize = 400;
const HANDSHAKES: usize = 200;
const DECISIONS: usize = 20_000;
/// Of the caller that is measured beside a flood.
const CALLS_PER_SECOND: u64 = 200;

const PATH: &str = "/leadchat.inbox.v1.InboxService/GetInbox";
const ID: &str = "spiffe://leadchat.internal/me";

type Headers = Vec<(&'static str, String)>;

/// Callers of one kind: their clients, and all that they present with a call.
struct Party {
    clients: Vec<Client>,
    headers: Headers,
    request: Vec<u8>,
    server: Measured,
}

impl Party {
    async fn call(&self, client: usize, headers: &Headers) {
        let mut request = Request::new(self.request.clone());
        for (name, value) in headers {
            let value = MetadataValue::try_from(value.as_str()).unwrap();
            request.metadata_mut().insert(*name, value);
        }
        let client = self.clients.get(client % CALLERS).unwrap();
        client.raw::<()>(PATH, request).await.unwrap();
    }

    /// The processor time of the server for a call, in microseconds.
    async fn measure(&self) -> f64 {
        let before = self.server.processor_time();
        let end = Instant::now() + window();
        let loops = (0..CALLERS).map(async |caller| {
            let mut count = 0_usize;
            while Instant::now() < end {
                self.call(caller, &self.headers).await;
                count += 1;
            }
            count
        });
        let calls: usize = join_all(loops).await.into_iter().sum();
        self.server.processor_time().microseconds_since(&before) / calls as f64
    }

    /// The same for one pass of calls, each with a token of its own.
    async fn measure_tokens(&self, tokens: &[String]) -> f64 {
        let before = self.server.processor_time();
        for (index, token) in tokens.iter().enumerate() {
            self.call(index, &vec![("authorization", token.clone())])
                .await;
        }
        self.server.processor_time().microseconds_since(&before) / tokens.len() as f64
    }
}

fn window() -> Duration {
    let seconds = env::var("BENCH_SECONDS")
        .ok()
        .and_then(|it| it.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(1.0))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    *numbers.get(numbers.len() / 2).unwrap()
}

struct World {
    database: Database,
    mesh: Authority,
    servers: Authority,
    certificate: Certificate,
    keys: [Key; 3],
    login: Key,
}

/// A file with 256 callers; the measured one is the last, and has 16 rules. So many rules of
/// all others would not fit into a file.
fn callers_file() -> String {
    let rule = "[[caller.may]]\nmethods=[\"GetInbox\"]\naccounts=[\"2\"]\nas={itself=true}\n";
    let others = (1..256).map(|number| {
        let uid = 70_000 + number;
        let rules = rule.repeat(10);
        format!("[[caller]]\nname = \"other-{number}\"\nuids = [{uid}]\n{rules}")
    });
    let head = "version = 1\n[[authority]]\nname = \"mesh\"\nfile = \"mesh.pem\"\n\
         trust_domain = \"leadchat.internal\"\n\
         [[issuer]]\nname = \"jobs\"\nnames = \"callers\"\niss = \"jobs\"\naudience = \"a\"\n\
         keys = \"jobs.jwks\"\n\
         [[issuer]]\nname = \"login\"\nnames = \"viewers\"\niss = \"login\"\n\
         audience = \"a\"\nkeys = \"login.jwks\"\n";
    let uid = rustix::process::getuid().as_raw();
    let me = format!(
        "[[caller]]\nname = \"me\"\nuids = [{uid}]\nspiffe = [\"{ID}\"]\n\
         subjects = [{{ issuer = \"jobs\", subject = \"me\" }}]\n{}[[caller.may]]\n\
         methods = [\"GetInbox\"]\naccounts = [\"1\"]\nas = {{ users = \"any\" }}\n\
         detail = \"full\"\nsecrets = [\"signing\", \"imap\", \"smtp\", \"twilio\", \"whatsapp\"]\n",
        rule.repeat(15)
    );
    format!("{head}{}{me}", others.collect::<String>())
}

impl World {
    fn program(&self, callers: &str, audit: &str) -> Program {
        let server = self.servers.certificate("server", "DNS:localhost");
        let program = ["RUST_LOG", "MAX_STALENESS"]
            .into_iter()
            .fold(Program::serving(&self.database), Program::without_env)
            .without_listen();
        let socket = format!("unix:{}", program.folder().join("socket").display());
        program
            .with_callers(callers)
            .with_file("mesh.pem", &self.mesh.text())
            .with_file("jobs.jwks", &jwks(&self.keys.each_ref()))
            .with_file("login.jwks", &jwks(&[&self.login]))
            .with_file("server.pem", &server.text)
            .with_file("server.key", &server.key)
            .args(["--listen", "tls:127.0.0.1:0", "--listen", &socket])
            .args(["--listen", "127.0.0.1:0", "--audit", audit])
            .args(["--tls-certificate", "server.pem", "--tls-key", "server.key"])
    }

    fn tls(&self) -> Tls {
        Tls::new(&self.servers.text(), Some(self.certificate.presented()))
    }
}

fn token_of(key: &Key, number: usize) -> String {
    let claims = json!({
        "iss": "jobs", "sub": "me", "aud": "a", "exp": seconds() + 3600, "jti": number,
    });
    format!("Bearer {}", key.token(&claims))
}

fn seconds() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// The addresses of a server: TLS, socket, loopback.
fn addresses(server: &Server) -> [String; 3] {
    let socket = format!("unix:{}", server.folder().join("socket").display());
    let log = server.log();
    let mut plain = log
        .lines()
        .filter_map(|line| line.split_once("address=127.0.0.1:"));
    let (_, port) = plain.next_back().unwrap();
    let port = port.split_whitespace().next().unwrap();
    [server.address.clone(), socket, format!("127.0.0.1:{port}")]
}

fn measured(server: &Server) -> Measured {
    Measured::Process(server.pid().as_raw_nonzero().get().unsigned_abs())
}

async fn plain(address: &str) -> Vec<Client> {
    join_all((0..CALLERS).map(|_| Client::connect(address))).await
}

fn row(number: &'static str, measure: &'static str, floor: f64, figure: f64, goal: f64) -> Row {
    Row {
        number,
        measure,
        floor: Amount(floor, "µs"),
        figure: Amount(figure, "µs"),
        ratio: if floor.is_nan() {
            Ratio::Figure
        } else {
            Ratio::OfFloor
        },
        goal,
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mesh = Authority::new();
    let world = World {
        database: Backend::Sqlite.golden(),
        certificate: mesh.certificate_with("me", &format!("subjectAltName = URI:{ID}")),
        mesh,
        servers: Authority::new(),
        keys: [Key::es256("es"), Key::eddsa("ed"), Key::rs256("rs")],
        login: Key::es256("login"),
    };
    let built_in = Program::serving(&world.database)
        .without_env("RUST_LOG")
        .without_env("MAX_STALENESS")
        .start();
    let callers = callers_file();
    let (server, without_audit) = (
        world.program(&callers, "on").start(),
        world.program(&callers, "off").start(),
    );
    let client = built_in.client().await;
    let inboxes = client.all(1, viewer::user(1)).await;
    let of_kind = |kind| {
        let inbox = inboxes.iter().find(|it| it.channel_kind() == kind).unwrap();
        get_inbox(1, inbox.id, viewer::user(1)).encode_to_vec()
    };
    let public = of_kind(pb::ChannelKind::Telegram);
    let secret = of_kind(pb::ChannelKind::Email);

    let mut rows = calls(&world, &built_in, &server, &public).await;
    report::print(&rows);
    let audited = audit(&world, [&without_audit, &server], &secret).await;
    let verified = verifications(&world, &server, &public).await;
    for more in [audited, verified, vec![decisions(&world, &callers)]] {
        report::print(&more);
        rows.extend(more);
    }
    let flooded = flood(&world, &callers, &public).await;
    report::print(&flooded);
    rows.extend(flooded);
    write(&rows);
    ExitCode::from(u8::from(!rows.iter().all(Row::holds)))
}

/// Kept connections, one kind of caller beside the other.
async fn calls(world: &World, built_in: &Server, server: &Server, request: &[u8]) -> Vec<Row> {
    let [tls, socket, loopback] = addresses(server);
    let token = token_of(&world.keys[0], 0);
    let user = json!({ "iss": "login", "sub": "1", "aud": "a", "exp": seconds() + 3600 });
    let user = format!("Bearer {}", world.login.token(&user));
    let authorization = || ("authorization", token.clone());
    let encrypted = || -> Vec<_> { (0..CALLERS).map(|_| world.tls().client(&tls)).collect() };
    let party = |clients, headers, server| Party {
        clients,
        headers,
        request: request.to_vec(),
        server: measured(server),
    };
    let parties = [
        party(plain(&built_in.address).await, vec![], built_in),
        party(plain(&socket).await, vec![], server),
        party(plain(&loopback).await, vec![authorization()], server),
        party(encrypted(), vec![], server),
        party(encrypted(), vec![authorization()], server),
        party(
            encrypted(),
            vec![authorization(), ("viewer-authorization", user.clone())],
            server,
        ),
    ];
    let mut rounds: Vec<Vec<f64>> = parties.iter().map(|_| Vec::new()).collect();
    for party in &parties {
        party.measure().await;
    }
    for _ in 0..ROUNDS {
        for (party, figures) in parties.iter().zip(&mut rounds) {
            figures.push(party.measure().await);
        }
    }
    let mut medians = rounds.into_iter().map(median);
    let floor = medians.next().unwrap();
    let measures = [
        (
            "11",
            "a user id over a Unix socket, of 256 callers : built-in caller over the loopback",
            1.05,
        ),
        ("11", "a cached token over the loopback : the same", 1.10),
        ("11", "a certificate over TLS 1.3 : the same", 1.30),
        ("11", "a certificate and a cached token : the same", 1.40),
        (
            "11",
            "both and a cached token of the viewer : the same",
            1.45,
        ),
    ];
    measures
        .into_iter()
        .zip(medians)
        .map(|((number, measure, goal), figure)| row(number, measure, floor, figure, goal))
        .collect()
}

async fn audit(world: &World, servers: [&Server; 2], request: &[u8]) -> Vec<Row> {
    let mut parties = Vec::new();
    for server in servers {
        let [tls, ..] = addresses(server);
        parties.push(Party {
            clients: (0..CALLERS).map(|_| world.tls().client(&tls)).collect(),
            headers: vec![],
            request: request.to_vec(),
            server: measured(server),
        });
    }
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (party, figures) in parties.iter().zip(&mut rounds) {
            figures.push(party.measure().await);
        }
    }
    let [off, on] = rounds.map(median);
    let measure = "a response with secrets, with the audit : without";
    vec![row("12", measure, off, on, 1.05)]
}

/// Tokens that are not in the cache, and handshakes.
async fn verifications(world: &World, server: &Server, request: &[u8]) -> Vec<Row> {
    let [tls, _, loopback] = addresses(server);
    let party = Party {
        clients: plain(&loopback).await,
        headers: vec![],
        request: request.to_vec(),
        server: measured(server),
    };
    let measures = [
        "a call with a new token, ES256 : with a cached one",
        "a call with a new token, EdDSA : with a cached one",
        "a call with a new token, RS256 : with a cached one",
    ];
    let mut rows = Vec::new();
    for (key, measure) in world.keys.iter().zip(measures) {
        let tokens: Vec<_> = (0..TOKENS)
            .map(|number| token_of(key, number + 1))
            .collect();
        let new = party.measure_tokens(&tokens).await;
        let cached = party.measure_tokens(&tokens).await;
        rows.push(row("13", measure, cached, new, f64::NAN));
    }
    let before = party.server.processor_time();
    for _ in 0..HANDSHAKES {
        let client = world.tls().client(&tls);
        client
            .raw::<()>(PATH, Request::new(request.to_vec()))
            .await
            .unwrap();
    }
    let each = party.server.processor_time().microseconds_since(&before) / HANDSHAKES as f64;
    let measure = "a connection with a client certificate, and its first call";
    rows.push(row("14", measure, f64::NAN, each, f64::NAN));
    rows
}

/// Identification and decision, without a server.
fn decisions(world: &World, callers: &str) -> Row {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("callers.toml", callers.to_owned()),
        ("mesh.pem", world.mesh.text()),
        ("jobs.jwks", jwks(&world.keys.each_ref())),
        ("login.jwks", jwks(&[&world.login])),
    ];
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let now = SystemTime::now();
    let file = CallersFile::read(&folder.path().join("callers.toml"), now).unwrap();
    let policy = file.into_policy();
    let peer = Peer::Unix(Some(rustix::process::getuid().as_raw()));
    let presented = Presented {
        peer: &peer,
        authorization: &[],
        viewer_authorization: &[],
    };
    let ask = Ask {
        method: Method::GetInbox,
        account: AccountId(1),
        viewer: Viewer::User(leadchat_inbox::domain::id::UserId(1)),
        detail: Detail::Full,
    };
    let rounds = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        for _ in 0..DECISIONS {
            let caller = policy.identify(&presented, now).unwrap();
            black_box(caller.permit(black_box(&ask)).is_ok());
        }
        began.elapsed().as_secs_f64() * 1e6 / DECISIONS as f64
    });
    let each = median(rounds.collect());
    let measure = "identification and decision, of 256 callers with 16 rules";
    row("15", measure, f64::NAN, each, 2.0)
}

/// The latency of one caller, alone and while another one floods.
async fn flood(world: &World, callers: &str, request: &[u8]) -> Vec<Row> {
    let limited = "[[caller]]\nname = \"flood\"\nsubjects = [{ issuer = \"jobs\", subject = \"flood\" }]\n\
         [[caller.may]]\nmethods = [\"GetInbox\"]\naccounts = [\"1\"]\nas = { users = \"any\" }\n\
         detail = \"full\"\n[caller.limits]\ncalls_per_second = 50\nconcurrent_calls = 4\n";
    // In the place of another, so that there are 256.
    let (head, rest) = callers
        .split_once("[[caller]]\nname = \"other-1\"")
        .unwrap();
    let (_, others) = rest.split_once("[[caller]]\n").unwrap();
    let callers = format!("{head}{limited}[[caller]]\n{others}");
    let server = world.program(&callers, "on").start();
    let [tls, _, loopback] = addresses(&server);
    let party = Party {
        clients: (0..CALLERS).map(|_| world.tls().client(&tls)).collect(),
        headers: vec![],
        request: request.to_vec(),
        server: measured(&server),
    };
    let claims = json!({ "iss": "jobs", "sub": "flood", "aud": "a", "exp": seconds() + 3600 });
    let token = format!("Bearer {}", world.keys[0].token(&claims));
    let flooding = Party {
        clients: plain(&loopback).await,
        headers: vec![("authorization", token)],
        request: request.to_vec(),
        server: measured(&server),
    };
    party.measure().await;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(p99(&party).await);
        tokio::select! {
            figure = p99(&party) => beside.push(figure),
            () = flood_without_end(&flooding) => {}
        }
    }
    let (alone, beside) = (median(alone), median(beside));
    let measure = "p99 of a caller while another exceeds its limits in a loop : without";
    vec![row("16", measure, alone * 1e3, beside * 1e3, 2.0)]
}

/// At a rate; in milliseconds.
async fn p99(party: &Party) -> f64 {
    let interval = Duration::from_micros(1_000_000 / CALLS_PER_SECOND);
    let mut ticks = tokio::time::interval(interval);
    let (mut times, end) = (Vec::new(), Instant::now() + 2 * window());
    while Instant::now() < end {
        let due = ticks.tick().await.into_std();
        party.call(times.len(), &party.headers).await;
        times.push(due.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    *times.get(times.len() * 99 / 100).unwrap()
}

/// Two loops, whose calls are nearly all refused.
async fn flood_without_end(party: &Party) {
    let loops = party.clients.iter().take(2).map(async |client| {
        loop {
            let mut request = Request::new(party.request.clone());
            for (name, value) in &party.headers {
                let value = MetadataValue::try_from(value.as_str()).unwrap();
                request.metadata_mut().insert(*name, value);
            }
            let _ = client.raw::<()>(PATH, request).await;
        }
    });
    join_all(loops).await;
}

/// Writes the part of the page that is about callers, behind the rest of it.
fn write(rows: &[Row]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, _) = page.split_once(report::OF_CALLERS).unwrap_or((&page, ""));
    let lines: Vec<_> = rows.iter().map(Row::line).collect();
    let text = format!(
        "{}\n\n{}\n{}{}\n{METHOD}",
        before.trim_end(),
        report::OF_CALLERS,
        "
`make callers` measures this, and writes this section.

| # | measure | floor | figure | ratio | goal | |
|---|---|---|---|---|---|---|
",
        lines.join("\n")
    );
    fs::write(path, text).unwrap();
}

const METHOD: &str = "
The calls are equal `GetInbox` calls, which the cache answers; the golden rows are in SQLite. There
are 8 callers in a loop, each with a kept connection. Figures are medians of five rounds, and floors
are measured in alternation with them. Processor time is that of all threads of the server.

* **11.** The floor is a server without a callers file, over the loopback. The callers file has 256
  callers. The last one calls, and the last of its 16 rules permits the call. Nothing secret is in
  the response, so it has no line in the audit.
* **12.** The response has secrets, over TLS. The lines go to a file.
* **13.** Each of 400 tokens is sent once, and then once more. Calls follow each other.
* **14.** TLS 1.3, one connection after the other.
* **15.** In the process of the driver, by user id. It is no processor time of a server.
* **16.** The caller sends 200 calls a second over TLS. The other one calls in two loops, and may
  call 50 times a second. A latency counts from the time at which a call is due.
";
