//! `leadchat-inbox health`: whether a server takes calls, as a probe asks it.

use std::{net::TcpListener, process::Output, time::Instant};

use super::callers::network::Network;
use crate::support::{
    Backend, Program,
    program::{WAIT_TIMEOUT, eventually},
};

fn health(address: &str) -> Output {
    Program::new(&["health", address])
        .env("RUST_LOG", "off")
        .output()
}

/// The exit code, and the only line.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    (output.status.code(), text.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_serves_is_healthy_at_each_kind_of_address() {
    let database = Backend::Sqlite.golden();
    let plain = Program::serving(&database);
    let socket = format!("unix:{}", plain.folder().join("socket").display());
    let plain = plain.args(["--listen", &socket]).start();
    let network = Network::new();
    let callers = format!(
        "{}{}",
        Network::HEAD,
        super::callers::network::entry("me", "dns = [\"me.office.example\"]")
    );
    let tls = network
        .program_with(Program::serving(&database), &callers)
        .start();
    let address = &plain.address;
    let (_, port) = tls.address.rsplit_once(':').unwrap();
    for (asked, named) in [
        (address.clone(), address.clone()),
        (socket.clone(), socket),
        // Without a certificate, as a probe.
        (tls.address.clone(), tls.address.clone()),
        (
            format!("tls:0.0.0.0:{port}"),
            format!("tls:127.0.0.1:{port}"),
        ),
    ] {
        // On a busy machine a probe may take too long.
        let expected = (Some(0), format!("{named} takes calls"));
        eventually("it takes calls", || said(&health(&asked)) == expected).await;
    }
    // The addresses of `serve`, of which the first one is asked.
    let addresses = format!("{address},tls:127.0.0.1:1");
    let ask = || Program::new(&["health"]).env("LISTEN_ADDR", &addresses);
    eventually("it takes calls", || ask().output().status.success()).await;
    // A plain probe of an address with TLS.
    let (code, line) = said(&health(&format!("127.0.0.1:{port}")));
    assert_eq!(code, Some(1), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drains_is_not_healthy() {
    let database = Backend::Sqlite.golden();
    let program = Program::serving(&database).args(["--drain-wait", "60s"]);
    let server = program.start();
    server.signal("TERM");
    eventually("it drains", || {
        let (code, line) = said(&health(&server.address));
        code == Some(1) && line.ends_with("it says NOT_SERVING")
    })
    .await;
}

#[test]
fn a_server_that_is_away_or_silent_is_not_healthy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let began = Instant::now();
    let (code, line) = said(&health(&address));
    assert_eq!(code, Some(1));
    assert!(
        line.ends_with(&format!("{address}: no answer within 3 s")),
        "{line}"
    );
    assert!(began.elapsed() < WAIT_TIMEOUT);
    let (code, line) = said(&health("unix:/nowhere/socket"));
    assert_eq!(code, Some(1));
    assert!(line.contains("no connection: No such file"), "{line}");
    let (code, line) = said(&health("somewhere"));
    assert_eq!(code, Some(2));
    assert!(line.contains("ADDRESS: "), "{line}");
}
