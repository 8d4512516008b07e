//! Certificates: the one that proves a caller, and all that do not.

use std::time::{Duration, Instant, SystemTime};

use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Request};

use super::{
    get, metadata,
    network::{DASHBOARD, Network, ON_CALL, dns, entry, uri},
};
use crate::support::{
    Backend, Client,
    authority::{Authority, Certificate},
    program::{WAIT_TIMEOUT, eventually},
    reason,
    tls::Tls,
    viewer,
};

/// Times beside now, in tests of validity.
pub fn hours(count: u64) -> Duration {
    Duration::from_hours(count)
}

pub fn callers() -> String {
    let dashboard = entry("dashboard", &format!("spiffe = [\"{DASHBOARD}\"]"));
    let on_call = entry("on-call", &format!("dns = [\"{ON_CALL}\", \"b.example\"]"));
    let third = entry("third", "dns = [\"c.example\"]");
    format!("{}{dashboard}{on_call}{third}", Network::HEAD)
}

/// The name of the caller, or the reason and its metadata, or the alert of a refused
/// handshake.
pub async fn outcome(client: &Client) -> String {
    let end = Instant::now() + WAIT_TIMEOUT;
    loop {
        // Of an account that no rule names: the answer has the name of the caller.
        let status = get(client, 99, viewer::service()).await.unwrap_err();
        match status.code() {
            Code::PermissionDenied => return format!("is {}", metadata(&status)["caller"]),
            Code::Unauthenticated => {
                let metadata = metadata(&status);
                let known = ["identity", "credential"].map(|key| metadata.get(key));
                let details = known.into_iter().flatten().cloned();
                return [vec![reason(&status)], details.collect()]
                    .concat()
                    .join(" ");
            }
            _ => {
                let said = format!("{status:?}");
                if let Some((_, alert)) = said.split_once("received fatal alert: ") {
                    return alert.split('"').next().unwrap().to_owned();
                }
                // A client that writes to a closed connection may miss the alert.
                assert!(Instant::now() < end, "{said}");
            }
        }
    }
}

/// A chain of a leaf and what comes with it.
fn chained(leaf: &Certificate, above: &Authority) -> Certificate {
    Certificate {
        text: format!("{}{}", leaf.text, above.text()),
        key: leaf.key.clone(),
        file: leaf.file.clone(),
        key_file: leaf.key_file.clone(),
    }
}

/// Certificates: the authority, the alternative names ($ is the dashboard's SPIFFE ID), another
/// extension, and what becomes of it.
const CERTIFICATES: &str = "
mesh     | URI:$                                    |                                     | is dashboard
mesh     | URI:$                                    | extendedKeyUsage = clientAuth       | is dashboard
mesh     | URI:$                                    | extendedKeyUsage = serverAuth       | UnsupportedCertificate
mesh     | URI:$                                    | keyUsage = keyCertSign              | CertificateUnknown
mesh     | URI:$                                    | keyUsage = digitalSignature,cRLSign | CertificateUnknown
mesh     | URI:$                                    | basicConstraints = CA:TRUE          | CertificateUnknown
mesh     | URI:$,DNS:on-call.office.example         |                                     | is dashboard
mesh     | URI:$,URI:$2                             |                                     | CertificateUnknown
mesh     | URI:https://leadchat.internal/a          |                                     | CertificateUnknown
mesh     | URI:spiffe://leadchat.internal           |                                     | CertificateUnknown
mesh     | URI:spiffe://leadchat.internal/x         |                                     | CALLER_UNKNOWN spiffe://leadchat.internal/x
mesh     | URI:spiffe://other.internal/a            |                                     | UnknownCA
mesh     | DNS:on-call.office.example               |                                     | UnknownCA
office   | URI:$                                    |                                     | UnknownCA
stranger | URI:$                                    |                                     | UnknownCA
below    | URI:$                                    |                                     | UnknownCA
office   | DNS:on-call.office.example               |                                     | is on-call
office   | DNS:ON-CALL.Office.example               |                                     | is on-call
office   | DNS:on-call.office.example,DNS:b.example |                                     | is on-call
office   | DNS:on-call.office.example,DNS:x.example |                                     | is on-call
office   | DNS:on-call.office.example,DNS:c.example |                                     | CREDENTIALS_INVALID certificate
office   | DNS:x.example                            |                                     | CALLER_UNKNOWN dns:x.example
office   | DNS:*.office.example                     |                                     | CertificateUnknown
office   | IP:127.0.0.1                             |                                     | CertificateUnknown
office   |                                          | keyUsage = digitalSignature         | CertificateUnknown
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_good_certificate_proves_a_caller() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = network.server(&database, &callers());
    let mesh = &network.mesh;
    let (stranger, below) = (Authority::new(), Authority::below(mesh));
    let mut cases = Vec::new();
    for (number, line) in CERTIFICATES.trim().lines().enumerate() {
        let parts: Vec<_> = line.split('|').map(str::trim).collect();
        let authority = match parts[0] {
            "mesh" => mesh,
            "office" => &network.office,
            "stranger" => &stranger,
            "below" => &below,
            other => panic!("{other}"),
        };
        let names = match parts[1] {
            "" => String::new(),
            names => format!("subjectAltName = {}", names.replace('$', DASHBOARD)),
        };
        let extensions = format!("{names}\n{}", parts[2]);
        let certificate = authority.certificate_with(&format!("leaf-{number}"), &extensions);
        cases.push((line.to_owned(), certificate, parts[3]));
    }
    let (now, id) = (SystemTime::now(), uri(DASHBOARD));
    let mut add = |what: &str, certificate, outcome| {
        cases.push((what.to_owned(), certificate, outcome));
    };
    let leaf = below.certificate_with("leaf", &id);
    add("with the one above", chained(&leaf, &below), "is dashboard");
    let expired = mesh.certificate_between("late", &id, (now - hours(2), now - hours(1)));
    add("expired", expired, "CertificateExpired");
    let early = mesh.certificate_between("early", &id, (now + hours(1), now + hours(2)));
    add("not valid yet", early, "CertificateExpired");

    let before = server.statements().await;
    let mut wrong = Vec::new();
    for (what, certificate, expected) in &cases {
        for version in [&TLS13, &TLS12] {
            let presented = Some(certificate.presented());
            let tls = Tls::of_versions(&network.servers.text(), presented, &[version]);
            let outcome = outcome(&tls.client(&server.address)).await;
            if outcome != *expected {
                wrong.push(format!("{what} ({:?}): {outcome}", version.version));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Nothing was read for any of them, and the log says why a handshake failed.
    assert_eq!(server.statements().await, before);
    for part in [
        "a handshake failed",
        "several URIs",
        "wildcard",
        "certificate expired",
    ] {
        assert!(server.log().contains(part), "{part}");
    }
}

/// TLS demands no certificate, so that the reason is in words, and probes need none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_certificate_there_is_a_reason() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let program = network.program(&database, &callers()).with_admin();
    let server = program.start();
    let client = network.client(&server, None);
    assert_eq!(outcome(&client).await, "CREDENTIALS_MISSING");
    let check = "/grpc.health.v1.Health/Check";
    let answer =
        client.raw::<tonic_health::pb::HealthCheckResponse>(check, Request::new(Vec::new()));
    assert_eq!(answer.await.unwrap().message.status, 1);
    let (scrape, without) = (server.scrape().await, [("result", "no_certificate")]);
    assert_eq!(scrape.count("leadchat_inbox_handshakes_total", &without), 1);
    let missing = [("credential", "none"), ("problem", "missing")];
    let refused = scrape.count("leadchat_inbox_unauthenticated_total", &missing);
    assert_eq!(refused, 1, "{scrape:?}");
}

/// A resumed session would skip the verification of its certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_resumed() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = network.server(&database, &callers());
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    for version in [&TLS13, &TLS12] {
        // The client keeps sessions, and would resume them.
        let presented = Some(certificate.presented());
        let tls = Tls::of_versions(&network.servers.text(), presented, &[version]);
        for _ in 0..3 {
            let mut stream = tls.handshake(&server.address).await.unwrap();
            stream
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
                .await
                .unwrap();
            stream.read_u8().await.unwrap();
            let session = stream.get_ref().1;
            assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(session.tls13_tickets_received(), 0);
        }
    }
}

/// Calls on an open connection end with its certificate, and so does the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_its_certificate() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = network.server(&database, &callers());
    let (now, id) = (SystemTime::now(), uri(DASHBOARD));
    let end = now + Duration::from_secs(8);
    let certificate = network
        .mesh
        .certificate_between("short", &id, (now - hours(1), end));
    let tls = network.tls(Some(&certificate));
    let client = tls.client(&server.address);
    if outcome(&client).await != "is dashboard" {
        assert!(SystemTime::now() > end, "before the end of the certificate");
        panic!("the machine is too busy");
    }
    while SystemTime::now() < end + Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(outcome(&client).await, "CREDENTIALS_EXPIRED certificate");
    assert_eq!(tls.connections(), 1);
    // The client connects again, which it does for an ended connection only.
    let give_up = Instant::now() + WAIT_TIMEOUT;
    let mut last = String::new();
    while last != "CertificateExpired" {
        assert!(Instant::now() < give_up, "{last}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = outcome(&client).await;
    }
    assert!(tls.connections() > 1);
}

/// An authority that is removed takes its callers with it, on open connections, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_the_trust_in_it() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = network.server(&database, &callers());
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let of_office = network.office.certificate_with("them", &dns(ON_CALL));
    let client = network.client(&server, Some(&certificate));
    let other = network.client(&server, Some(&of_office));
    assert_eq!(outcome(&client).await, "is dashboard");
    assert_eq!(outcome(&other).await, "is on-call");
    // Both the old and the new authority, as while one takes over.
    let next = Authority::new();
    let bundles = [
        (
            format!("{}{}", network.mesh.text(), next.text()),
            "is dashboard",
        ),
        (next.text(), "CREDENTIALS_EXPIRED certificate"),
    ];
    for (bundle, expected) in bundles {
        let before = server.log_bytes();
        server.replace("mesh.pem", &bundle);
        server.signal("HUP");
        eventually("the authority counts", || {
            server
                .log_after(before)
                .contains("an authority or issuer counts from now on")
        })
        .await;
        assert_eq!(outcome(&client).await, expected);
        assert_eq!(outcome(&other).await, "is on-call");
    }
    let renewed = next.certificate_with("me", &uri(DASHBOARD));
    let renewed = network.client(&server, Some(&renewed));
    assert_eq!(outcome(&renewed).await, "is dashboard");
}
