//! A server for other machines, and the authorities of its callers: `mesh` signs SPIFFE IDs
//! of leadchat.internal, `office` DNS names.

use crate::support::{
    Client, Database, Program,
    authority::{Authority, Certificate},
    program::Server,
    tls::Tls,
};

pub const DASHBOARD: &str = "spiffe://leadchat.internal/ns/web/sa/dashboard";
pub const ON_CALL: &str = "on-call.office.example";

/// The extension of a certificate for a SPIFFE ID.
pub fn uri(id: &str) -> String {
    format!("subjectAltName = URI:{id}")
}

pub fn dns(name: &str) -> String {
    format!("subjectAltName = DNS:{name}")
}

pub struct Network {
    pub mesh: Authority,
    pub office: Authority,
    pub servers: Authority,
}

impl Network {
    pub fn new() -> Self {
        Self {
            mesh: Authority::new(),
            office: Authority::new(),
            servers: Authority::new(),
        }
    }

    /// The head of a callers file.
    pub const HEAD: &str = r#"version = 1
[[authority]]
name = "mesh"
file = "mesh.pem"
trust_domain = "leadchat.internal"
[[authority]]
name = "office"
file = "office.pem"
"#;

    pub fn program(&self, database: &Database, callers: &str) -> Program {
        self.program_with(Program::caching(database), callers)
    }

    /// A program that listens with TLS, and knows these callers.
    pub fn program_with(&self, program: Program, callers: &str) -> Program {
        let certificate = self.certificate("server");
        program
            .without_listen()
            .with_callers(callers)
            .with_file("mesh.pem", &self.mesh.text())
            .with_file("office.pem", &self.office.text())
            .with_file("server.pem", &certificate.text)
            .with_file("server.key", &certificate.key)
            .args(["--listen", "tls:127.0.0.1:0"])
            .args(["--tls-certificate", "server.pem", "--tls-key", "server.key"])
    }

    pub fn server(&self, database: &Database, callers: &str) -> Server {
        self.program(database, callers).start()
    }

    /// Another certificate of the server.
    pub fn certificate(&self, name: &str) -> Certificate {
        self.servers
            .certificate(name, "DNS:localhost, IP:127.0.0.1")
    }

    /// The side of a client with this certificate, or without any.
    pub fn tls(&self, certificate: Option<&Certificate>) -> Tls {
        Tls::new(
            &self.servers.text(),
            certificate.map(Certificate::presented),
        )
    }

    pub fn client(&self, server: &Server, certificate: Option<&Certificate>) -> Client {
        self.tls(certificate).client(&server.address)
    }
}

/// An entry that may read account 1 as itself, with more keys.
pub fn entry(name: &str, identities: &str) -> String {
    format!(
        "[[caller]]\nname = \"{name}\"\n{identities}\n[[caller.may]]\nmethods = [\"GetInbox\"]\n\
         accounts = [\"1\"]\nas = {{ itself = true }}\ndetail = \"full\"\n"
    )
}
