//! Certificates and keys as files: what a start needs, and how they are renewed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{
    certificates::{callers, hours},
    get,
    network::{DASHBOARD, Network, dns, uri},
};
use crate::support::{
    Backend, Program,
    program::{WAIT_TIMEOUT, eventually},
    tls::certificates,
    viewer,
};

/// A certificate and its key are taken as a pair, without a restart and without a failed
/// call. One bad file holds up no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_renewed_under_load() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = network.server(&database, &callers());
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let client = network.client(&server, Some(&certificate));
    let calls = Arc::new(AtomicUsize::new(0));
    let calling = tokio::spawn({
        let (client, calls) = (client.clone(), Arc::clone(&calls));
        async move {
            loop {
                // Of an account that no rule names. Any other error is a failed call.
                let status = get(&client, 99, viewer::service()).await.unwrap_err();
                assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status:?}");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let serial = async || {
        let tls = network.tls(None);
        let stream = tls.handshake(&server.address).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let logged = async |before, text: &str| {
        eventually(text, || server.log_after(before).contains(text)).await;
    };
    let old = serial().await;
    let next = network.certificate("next");

    // Half of the pair: the old one is served, and three readings later the log says so.
    let before = server.log_bytes();
    server.replace("server.pem", &next.text);
    server.signal("HUP");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(serial().await, old);
    assert!(!server.log_after(before).contains("cannot be used"));
    // Bad files beside it.
    server.replace("mesh.pem", "nothing");
    server.replace_callers("version = 2");
    for _ in 0..3 {
        server.signal("HUP");
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    logged(before, "is not the key of the certificate").await;
    logged(before, "has no certificate in PEM").await;
    logged(before, "reads version 1").await;
    assert_eq!(serial().await, old);

    let before = server.log_bytes();
    server.replace("server.key", &next.key);
    server.signal("HUP");
    logged(before, "the server's certificate has changed").await;
    assert_eq!(serial().await[..], certificates(&next.text)[0][..]);
    // A key that is none is refused, and not quoted.
    let before = server.log_bytes();
    server.replace(
        "server.key",
        "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n",
    );
    server.signal("HUP");
    logged(before, "the server's certificate cannot be used").await;
    assert!(!server.log().contains("QUJD"));
    // Nor is any other key in the log, nor that of the client.
    for key in [&next.key, &certificate.key] {
        let lines = key.lines().filter(|line| !line.starts_with("-----"));
        for line in lines {
            assert!(!server.log().contains(line));
        }
    }
    assert_eq!(serial().await[..], certificates(&next.text)[0][..]);
    assert!(!calling.is_finished(), "{:?}", calling.await);
    calling.abort();
    let calls = calls.load(Ordering::Relaxed);
    println!("renewal: {calls} calls, none of which failed");
    assert!(calls > 100, "{calls}");
    // Each was logged once.
    for text in [
        "has no certificate in PEM",
        "reads version 1",
        "is not the key of the",
    ] {
        assert_eq!(server.log().matches(text).count(), 1, "{text}");
    }
}

/// A server for other machines starts with all that it needs, or says what lacks.
#[test]
fn a_start_needs_certificate_key_and_callers() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let other = network.certificate("other");
    let program = || network.program(&database, &callers());
    for (program, code, expected) in [
        (
            program().without_env("CALLERS_FILE"),
            2,
            "LISTEN_ADDR (--listen): tls: needs a callers file: --callers",
        ),
        (
            program()
                .args(["--listen", "127.0.0.1:0"])
                .with_file("server.key", &other.key),
            2,
            "server.key:1:1: is not the key of the certificate",
        ),
        (
            program().with_file("server.key", "QUJD"),
            2,
            "server.key:1:1: is not a private key in PEM",
        ),
        (
            program().with_file("server.pem", ""),
            2,
            "server.pem:1:1: has no certificate in PEM",
        ),
        (
            program().with_file("mesh.pem", &other.text),
            2,
            "callers.toml:4:8: file: \"mesh.pem\" is no certificate of an authority: it may not sign others",
        ),
    ] {
        let output = program.output();
        assert_eq!(output.status.code(), Some(code));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
    for (arguments, expected) in [
        (
            vec!["--listen", "tls:127.0.0.1:0"],
            "tls: needs --tls-certificate and --tls-key",
        ),
        (
            vec!["--listen", "tls:0.0.0.0:0", "--tls-key", "a"],
            "TLS_CERTIFICATE_FILE (--tls-certificate): is not set",
        ),
        (
            vec!["--tls-certificate", "a", "--tls-key", "b"],
            "has no tls:ADDRESS:PORT",
        ),
        (
            vec!["--listen", "0.0.0.0:0"],
            "use a loopback address, unix:PATH or tls:0.0.0.0:0",
        ),
    ] {
        let output = Program::serving(&database)
            .without_listen()
            .args(arguments)
            .output();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}

/// The command says whose a certificate is, as the server would; `check` says what is wrong
/// with that of the server.
#[test]
fn commands_read_certificates() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let now = SystemTime::now();
    let soon = now + hours(24);
    let good = network.mesh.certificate_with("good", &uri(DASHBOARD));
    let unknown = network
        .mesh
        .certificate_with("unknown", &uri("spiffe://leadchat.internal/x"));
    let foreign = network.office.certificate_with("foreign", &uri(DASHBOARD));
    for (certificate, code, caller, text) in [
        (
            &good,
            0,
            Value::from("dashboard"),
            "this is \"dashboard\" (spiffe://",
        ),
        (
            &unknown,
            1,
            Value::Null,
            "no caller is spiffe://leadchat.internal/x",
        ),
        (
            &foreign,
            1,
            Value::Null,
            "no authority of the file has signed it",
        ),
    ] {
        let ask = |more: &[&'static str]| {
            let program = Program::new(&["callers", "--certificate", "me.pem"])
                .with_callers(&callers())
                .with_file("mesh.pem", &network.mesh.text())
                .with_file("office.pem", &network.office.text())
                .with_file("me.pem", &certificate.text);
            let output = program.args(more.iter().copied()).output();
            assert_eq!(output.status.code(), Some(code));
            String::from_utf8(output.stdout).unwrap()
        };
        assert!(ask(&[]).contains(text), "{}", ask(&[]));
        let document: Value = serde_json::from_str(&ask(&["--json"])).unwrap();
        assert_eq!(document["caller"], caller);
    }
    let expiring =
        network
            .servers
            .certificate_between("soon", &dns("localhost"), (now - hours(1), soon));
    let expired = network.servers.certificate_between(
        "late",
        &dns("localhost"),
        (now - hours(2), now - hours(1)),
    );
    for (certificate, code, key, text) in [
        (&expiring, 0, "TLS_NOTED", "expires within a week"),
        (&expired, 1, "TLS_INVALID", "has expired"),
    ] {
        let output = Program::new(&["check", "--json"])
            .env("DATABASE_URL", &database.url())
            .env("FRONTEND_URL", "https://a.example")
            .with_file("server.pem", &certificate.text)
            .with_file("server.key", &certificate.key)
            .args(["--tls-certificate", "server.pem", "--tls-key", "server.key"])
            .output();
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains(key) && report.contains(text), "{report}");
        // The database of the test has notes, and no other problem.
        assert_eq!(output.status.code(), Some(code), "{report}");
    }
}

/// A bad file of keys or of an authority holds up no change of the callers file: a caller that
/// is removed is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_holds_up_no_removal() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = network.server(&database, &callers());
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let client = network.client(&server, Some(&certificate));
    let code = async || {
        get(&client, 99, viewer::service())
            .await
            .unwrap_err()
            .code()
    };
    assert_eq!(code().await, tonic::Code::PermissionDenied);
    let before = server.log_bytes();
    server.replace("office.pem", "nothing");
    server.signal("HUP");
    eventually("it is refused", || {
        server
            .log_after(before)
            .contains("its last good version stays")
    })
    .await;
    server.replace_callers(&callers().replace(DASHBOARD, "spiffe://leadchat.internal/other"));
    server.signal("HUP");
    eventually("the callers file counts", || {
        server
            .log_after(before)
            .contains("the callers file has changed")
    })
    .await;
    assert_eq!(code().await, tonic::Code::Unauthenticated);
    // The office is still trusted by its last good version.
    let on_call = network
        .office
        .certificate_with("them", &dns(super::network::ON_CALL));
    let on_call = network.client(&server, Some(&on_call));
    let status = get(&on_call, 99, viewer::service()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status:?}");
}

/// An expired certificate of an authority is trusted no more, beside one that is good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_authority_is_not_trusted() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let now = SystemTime::now();
    let old = crate::support::authority::Authority::until(now + Duration::from_secs(8));
    let bundle = format!("{}{}", old.text(), network.mesh.text());
    let server = network
        .program(&database, &callers())
        .with_file("mesh.pem", &bundle)
        .start();
    let certificate = old.certificate_with("me", &uri(DASHBOARD));
    let client = network.client(&server, Some(&certificate));
    let first = get(&client, 99, viewer::service()).await.unwrap_err();
    if SystemTime::now() < now + Duration::from_secs(8) {
        assert_eq!(first.code(), tonic::Code::PermissionDenied, "{first:?}");
    }
    let ended = "a certificate of an authority has expired";
    eventually(ended, || server.log().contains(ended)).await;
    // Its leaf holds for a day, and does not count any more.
    let give_up = std::time::Instant::now() + WAIT_TIMEOUT;
    let code = async || {
        get(&client, 99, viewer::service())
            .await
            .unwrap_err()
            .code()
    };
    while code().await == tonic::Code::PermissionDenied {
        assert!(std::time::Instant::now() < give_up);
    }
    let good = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let good = network.client(&server, Some(&good));
    let status = get(&good, 99, viewer::service()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status:?}");
}
