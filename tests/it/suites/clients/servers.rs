//! The servers that clients are tried against, all with the demonstration data: one without a
//! callers file, on a loopback address and a Unix socket, one with TLS and a callers file, and two
//! replicas. A file tells clients the addresses and credentials.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    suites::callers::{
        issuers::now,
        network::{DASHBOARD, Network, uri},
    },
    support::{
        Client, Database, Program,
        authority::Certificate,
        program::Server,
        tls::Tls,
        tokens::{Key, jwks},
    },
};

const SENDER: &str = "spiffe://leadchat.internal/ns/send/sa/sender";

pub const CALLERS: &str = r#"
[[issuer]]
name = "jobs"
names = "callers"
iss = "https://tokens.example"
audience = "leadchat-inbox"
keys = "jobs.jwks"

[[issuer]]
name = "login"
names = "viewers"
iss = "https://login.example"
audience = "leadchat-inbox"
keys = "login.jwks"

[[caller]]
name = "dashboard"
spiffe = ["spiffe://leadchat.internal/ns/web/sa/dashboard"]

[[caller.may]]
why = "users look at their inboxes"
methods = ["GetInbox", "ListInboxes", "BatchGetInboxes", "ExplainAccess", "WatchInboxes"]
accounts = ["*"]
as = { users = "with-token" }
detail = "full"
secrets = ["signing", "imap", "smtp", "twilio", "whatsapp"]

[[caller]]
name = "webhooks"
subjects = [{ issuer = "jobs", subject = "webhooks" }]

[[caller.may]]
why = "events find their inbox"
methods = ["FindInboxes"]
accounts = ["*"]
everywhere = true
as = { itself = true }

[[caller]]
name = "sender"
spiffe = ["spiffe://leadchat.internal/ns/send/sa/sender"]
subjects = [{ issuer = "jobs", subject = "sender" }]
needs = "all"

[[caller.may]]
why = "mail goes out"
methods = ["GetInbox", "BatchGetInboxes", "ExplainAccess", "WatchInboxes"]
accounts = ["1"]
as = { itself = true }
detail = "full"
secrets = ["smtp"]

[[caller]]
name = "watcher"
subjects = [{ issuer = "jobs", subject = "watcher" }]

[[caller.may]]
why = "a copy of the inboxes is kept"
methods = ["WatchInboxes"]
accounts = ["1"]
as = { itself = true }
"#;

/// The service accepts a token for so long after its end.
const CLOCK_SKEW_SECONDS: u64 = 60;

/// Callers with tokens that end during a test.
const SHORT_LIVED: [&str; 2] = ["renewed", "expired"];

/// The servers, and what a client presents to them.
pub struct Servers {
    pub plain: Server,
    pub tls: Server,
    network: Network,
    /// The key of the issuer of the callers' tokens.
    jobs: Key,
    /// Certificates by caller.
    certificates: Vec<(&'static str, Certificate)>,
    /// Tokens by caller.
    tokens: Vec<(&'static str, String)>,
    viewer_tokens: Vec<(&'static str, String)>,
    folder: TempDir,
}

fn demo() -> Program {
    Program::new(&["serve", "--demo", "--listen", "127.0.0.1:0"])
}

fn claims(iss: &str, subject: &str, expires: u64) -> Value {
    json!({ "iss": iss, "sub": subject, "aud": "leadchat-inbox", "exp": expires })
}

/// A token of a caller.
fn token(key: &Key, subject: &str, expires: u64) -> String {
    key.token(&claims("https://tokens.example", subject, expires))
}

/// Waits for a future. To be called outside of a runtime.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

impl Servers {
    pub fn start() -> Self {
        let network = Network::new();
        let (jobs, login, other) = (Key::es256("jobs"), Key::es256("login"), Key::es256("jobs"));
        let (hour, before) = (now() + 3600, now() - 3600);
        let tokens = vec![
            ("watcher", token(&jobs, "watcher", hour)),
            ("sender", token(&jobs, "sender", hour)),
            ("webhooks", token(&jobs, "webhooks", hour)),
            ("nobody", token(&jobs, "nobody", hour)),
            ("forger", token(&other, "webhooks", hour)),
            ("late", token(&jobs, "webhooks", before)),
        ];
        let user = |id: &str| login.token(&claims("https://login.example", id, hour));
        let viewer_tokens = ["1", "2", "3"].map(|id| (id, user(id)));
        let certificate = |name: &str, id: &str| network.mesh.certificate_with(name, &uri(id));
        let sender = certificate("sender", SENDER);
        let certificates = vec![
            ("dashboard", certificate("dashboard", DASHBOARD)),
            ("sender", sender.clone()),
            ("sender-without-token", sender),
        ];
        let plain = demo();
        let socket = format!("unix:{}", plain.folder().join("socket").display());
        let callers = format!("{}{CALLERS}", Network::HEAD);
        let tls = network
            .program_with(demo(), &callers)
            .with_file("jobs.jwks", &jwks(&[&jobs]))
            .with_file("login.jwks", &jwks(&[&login]));
        Self {
            plain: plain.args(["--listen", &socket]).start(),
            tls: tls.with_admin().start(),
            jobs,
            certificates,
            tokens,
            viewer_tokens: viewer_tokens.into(),
            folder: tempfile::tempdir().unwrap(),
            network,
        }
    }

    /// A client of this service's own, as a case names its caller.
    pub async fn client(&self, caller: Option<&str>) -> Client {
        let Some(caller) = caller else {
            return Client::connect(self.loopback()).await;
        };
        let certificates = self.certificates.iter();
        let certificate = certificates
            .filter(|(name, _)| *name == caller)
            .map(|it| &it.1);
        let presented = certificate.map(Certificate::presented).next();
        Tls::new(&self.network.servers.text(), presented).client(&self.tls.address)
    }

    /// The headers of a caller, and of the user that it calls for.
    pub fn headers(&self, caller: &str, user: Option<&str>) -> Vec<(&'static str, String)> {
        let of = |tokens: &[(&str, String)], name: &str| {
            let token = tokens.iter().find(|(of, _)| *of == name);
            token.map(|(_, token)| format!("Bearer {token}"))
        };
        let token = of(&self.tokens, caller).map(|it| ("authorization", it));
        let viewer = user.and_then(|user| of(&self.viewer_tokens, user));
        let viewer = viewer.map(|it| ("viewer-authorization", it));
        token.into_iter().chain(viewer).collect()
    }

    fn loopback(&self) -> &str {
        let mut addresses = self.plain.address.split([' ', ',']);
        addresses.next().unwrap()
    }

    /// Two replicas, and the file that tells a client where all servers are.
    pub fn replicas(&self) -> ([Server; 2], PathBuf) {
        let replicas = [(); 2].map(|()| demo().env("RUST_LOG", "info").with_admin().start());
        let file = self.file(&replicas);
        (replicas, file)
    }

    /// Two replicas over one database, and the file that tells a client where all servers are.
    pub fn replicas_over(&self, database: &Database) -> ([Server; 2], PathBuf) {
        let program = || Program::serving(database).env("RUST_LOG", "info");
        let replicas = [(); 2].map(|()| program().with_admin().start());
        let file = self.file(&replicas);
        (replicas, file)
    }

    /// Replaces the token of a caller by one of the watcher, which is accepted for so long.
    pub fn renew_token(&self, caller: &str, seconds: u64) {
        let token = token(&self.jobs, "watcher", now() + seconds - CLOCK_SKEW_SECONDS);
        let path = self.folder.path().join(format!("{caller}.token"));
        let new = path.with_extension("new");
        std::fs::write(&new, token).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    fn file(&self, replicas: &[Server; 2]) -> PathBuf {
        let folder = self.folder.path();
        let write = |name: String, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            Value::from(path.to_str().unwrap())
        };
        let mut callers = json!({ "anonymous": {} });
        for (name, certificate) in &self.certificates {
            callers[name]["certificate"] = write(format!("{name}.pem"), &certificate.text);
            callers[name]["key"] = write(format!("{name}.key"), &certificate.key);
        }
        for (name, token) in &self.tokens {
            callers[name]["token"] = write(format!("{name}.token"), token);
        }
        for name in SHORT_LIVED {
            callers[name]["token"] = write(format!("{name}.token"), "");
        }
        let mut viewer_tokens = json!({});
        for (user, token) in &self.viewer_tokens {
            viewer_tokens[user] = write(format!("{user}.token"), token);
        }
        let (_, port) = self.tls.address.rsplit_once(':').unwrap();
        let replicas = replicas.iter().map(|replica| &replica.address);
        let servers = json!({
            "plain": { "address": self.loopback() },
            "unix": { "address": format!("unix:{}", self.plain.folder().join("socket").display()) },
            "tls": {
                "address": format!("localhost:{port}"),
                "ca": write("servers.pem".to_owned(), &self.network.servers.text()),
            },
            "callers": callers,
            "viewer_tokens": viewer_tokens,
            "replicas": replicas.collect::<Vec<_>>(),
        });
        write("servers.json".to_owned(), &servers.to_string());
        folder.join("servers.json")
    }

    /// The calls that a server has answered. To be asked outside of a runtime.
    pub fn answers(server: &Server) -> u64 {
        let scrape = wait_for(server.scrape());
        let handled = "grpc_server_handled_total";
        scrape.count(handled, &[]) - scrape.count(handled, &[("grpc_code", "CANCELLED")])
    }
}
