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
        Client, Program,
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
methods = ["GetInbox", "ListInboxes", "BatchGetInboxes", "ExplainAccess"]
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
methods = ["GetInbox", "BatchGetInboxes", "ExplainAccess"]
accounts = ["1"]
as = { itself = true }
detail = "full"
secrets = ["smtp"]
"#;

/// The servers, and what a client presents to them.
pub struct Servers {
    pub plain: Server,
    pub tls: Server,
    network: Network,
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

impl Servers {
    pub fn start() -> Self {
        let network = Network::new();
        let (jobs, login, other) = (Key::es256("jobs"), Key::es256("login"), Key::es256("jobs"));
        let claims = |iss: &str, subject: &str, expires: u64| json!({ "iss": iss, "sub": subject, "aud": "leadchat-inbox", "exp": expires });
        let (hour, before) = (now() + 3600, now() - 3600);
        let token = |key: &Key, subject: &str, expires: u64| {
            key.token(&claims("https://tokens.example", subject, expires))
        };
        let tokens = vec![
            ("sender", token(&jobs, "sender", hour)),
            ("webhooks", token(&jobs, "webhooks", hour)),
            ("nobody", token(&jobs, "nobody", hour)),
            ("forger", token(&other, "webhooks", hour)),
            ("late", token(&jobs, "webhooks", before)),
        ];
        let user = |id: &str| login.token(&claims("https://login.example", id, now() + 3600));
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
            tls: tls.start(),
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let scrape = runtime.unwrap().block_on(server.scrape());
        let handled = "grpc_server_handled_total";
        scrape.count(handled, &[]) - scrape.count(handled, &[("grpc_code", "CANCELLED")])
    }
}
