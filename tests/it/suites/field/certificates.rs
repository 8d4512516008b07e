//! Certificates and ciphers that rustls does not support: refused, with a line that says
//! what to do, and never a connection in clear instead.

use serde_json::Value;

use crate::support::{
    Backend, Program, answers,
    authority::{Authority, Certificate},
    cluster::{Cluster, Setup, free_port},
    redis::Redis,
};

const NAME: &str = "leadchat";

const VERSION_1: &str = "of X.509 version 1, which is not supported; issue one of version 3";
const OF_AUTHORITY: &str = "that of an authority (CA:TRUE), which is not supported for a server";
const WITHOUT_NAME: &str =
    "has no subjectAltName; issue one that has the name or address of the server there";
const NOT_FOR_SERVERS: &str = "not for servers";
const NOTHING_IN_COMMON: &str = "no TLS version or cipher in common with this service";

/// A server that anyone may connect to, with TLS or without it.
fn cluster(certificate: &Certificate, authority: &Authority, lines: &[&str]) -> Cluster {
    let own = [
        "ssl = on",
        "ssl_cert_file = 'CERTIFICATE'",
        "ssl_key_file = 'KEY'",
    ];
    let cluster = Cluster::with(&Setup {
        lines: [&own, lines].concat(),
        files: vec![
            ("CERTIFICATE", &certificate.text),
            ("KEY", &certificate.key),
            ("AUTHORITY", &authority.text()),
        ],
        ..Setup::default()
    });
    answers::fill(&cluster, NAME);
    cluster
}

/// The one line of a start that is refused. Not one session was begun, in clear or not.
fn refusal(cluster: &Cluster, authority: &Authority, mode: &str) -> String {
    let parameters = match mode {
        "" => String::new(),
        "verify-ca" | "verify-full" => {
            format!("?sslmode={mode}&sslrootcert={}", authority.file())
        }
        mode => format!("?sslmode={mode}"),
    };
    let sessions =
        "SELECT coalesce(sum(sessions), 0) FROM pg_stat_database WHERE datname = 'leadchat'";
    let before = cluster.psql("postgres", sessions);
    let url = cluster.url(NAME) + &parameters;
    let said = Program::serving_at(&url).refusal();
    assert!(said.contains("DATABASE_URL"), "{said}");
    assert_eq!(cluster.psql("postgres", sessions), before, "{mode}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsupported_certificates_are_named() {
    let authority = Authority::new();
    let on_cn = "basicConstraints = CA:FALSE";
    let for_clients = "subjectAltName = IP:127.0.0.1\nextendedKeyUsage = clientAuth";
    for (certificate, modes, says) in [
        // As PostgreSQL's manual makes it: not even its signatures can be verified.
        (
            authority.certificate_with("localhost", ""),
            vec!["", "prefer", "require", "verify-ca", "verify-full"],
            VERSION_1,
        ),
        (
            authority.own_certificate(),
            vec!["verify-ca", "verify-full"],
            OF_AUTHORITY,
        ),
        (
            authority.certificate_with("127.0.0.1", on_cn),
            vec!["verify-full"],
            WITHOUT_NAME,
        ),
        (
            authority.certificate_with("server", for_clients),
            vec!["verify-ca"],
            NOT_FOR_SERVERS,
        ),
    ] {
        let cluster = cluster(&certificate, &authority, &[]);
        for mode in modes {
            let said = refusal(&cluster, &authority, mode);
            assert!(said.contains(says), "{mode}: {said}");
            assert!(!said.contains("sslcert"), "{mode}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_common_cipher_is_named() {
    let authority = Authority::new();
    let certificate = authority.rsa_certificate("server", "IP:127.0.0.1");
    for lines in [
        // Neither ECDHE nor AEAD, one of them, and TLS 1.1.
        [
            "ssl_max_protocol_version = 'TLSv1.2'",
            "ssl_ciphers = 'AES256-SHA256'",
        ],
        [
            "ssl_max_protocol_version = 'TLSv1.2'",
            "ssl_ciphers = 'AES256-GCM-SHA384'",
        ],
        [
            "ssl_max_protocol_version = 'TLSv1.2'",
            "ssl_ciphers = 'ECDHE-RSA-AES256-SHA384'",
        ],
        [
            "ssl_min_protocol_version = 'TLSv1'\nssl_max_protocol_version = 'TLSv1.1'",
            "ssl_ciphers = 'ALL:@SECLEVEL=0'",
        ],
    ] {
        let cluster = cluster(&certificate, &authority, &lines);
        for mode in ["", "require", "verify-full"] {
            let said = refusal(&cluster, &authority, mode);
            assert!(said.contains(NOTHING_IN_COMMON), "{mode}: {said}");
        }
    }
}

/// The text of `check` about a Redis; the service logs the same.
fn away(certificate: &Certificate, authority: &Authority, lines: &[&str], says: &str) {
    let port = free_port();
    let own = [
        format!("tls-port {port}"),
        format!("tls-cert-file {}", certificate.file),
        format!("tls-key-file {}", certificate.key_file),
        format!("tls-ca-cert-file {}", authority.file()),
    ];
    let own = own.iter().map(String::as_str);
    let redis = Redis::start(&own.chain(lines.iter().copied()).collect::<Vec<_>>());
    let database = Backend::Sqlite.empty();
    let url = format!("rediss://127.0.0.1:{port}/0");
    let with = |program: Program| {
        program
            .env("DATABASE_URL", &database.url())
            .env("REDIS_URL", &url)
            .env("SSL_CERT_FILE", &authority.file())
    };
    let output = with(Program::new(&["check", "--json"])).output();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["redis"]["state"], "away", "{report:#}");
    let reason = report["redis"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("TLS failed: ") && reason.contains(says),
        "{reason}"
    );
    let server = with(Program::new(&["serve", "--listen", "127.0.0.1:0"])).start();
    let log = server.log();
    let away = log
        .lines()
        .find(|line| line.contains("Redis cannot be reached"));
    assert!(away.is_some_and(|line| line.contains(says)), "{away:?}");
    drop(redis);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsupported_certificates_of_redis_are_named() {
    const NO_CLIENTS: &str = "tls-auth-clients no";
    let authority = Authority::new();
    let on_cn = "basicConstraints = CA:FALSE";
    for (certificate, says) in [
        (authority.certificate_with("localhost", ""), VERSION_1),
        (authority.own_certificate(), OF_AUTHORITY),
        (authority.certificate_with("127.0.0.1", on_cn), WITHOUT_NAME),
        (
            authority.certificate("server", "DNS:elsewhere.example"),
            "that of another host",
        ),
        (
            Authority::new().certificate("server", "IP:127.0.0.1"),
            "an authority that is not trusted",
        ),
    ] {
        away(&certificate, &authority, &[NO_CLIENTS], says);
    }

    let certificate = authority.rsa_certificate("rsa", "IP:127.0.0.1");
    let ciphers = [
        "tls-protocols TLSv1.2",
        "tls-ciphers AES256-SHA256",
        NO_CLIENTS,
    ];
    away(&certificate, &authority, &ciphers, NOTHING_IN_COMMON);
    for protocol in ["tls-protocols TLSv1.3", "tls-protocols TLSv1.2"] {
        let lines = ["tls-auth-clients yes", protocol];
        away(
            &certificate,
            &authority,
            &lines,
            "a client certificate (tls-auth-clients",
        );
    }
}
