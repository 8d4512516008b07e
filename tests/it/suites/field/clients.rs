//! Clients on gRPC's C core: what they send over a Unix socket, and compressed.

use crate::support::{
    Backend, Program,
    client::any_inbox,
    grpcio::{Failure, Grpcio},
    pb,
};

on_both_databases!(a_client_that_compresses_learns_that_it_must_not);

/// The settings that the documents name.
const AUTHORITY: (&str, &str) = ("grpc.default_authority", "localhost");

const HINT: &str = "`localhost` as their authority";

/// The id of an inbox that it asks for.
fn got(client: &Grpcio<'_>, address: &str) -> Result<i64, Failure> {
    let answer: pb::GetInboxResponse = client.call(address, "GetInbox", &any_inbox())?;
    Ok(answer.inbox.unwrap().id)
}

/// Their authority would be the path of the socket, which is none in HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_over_a_socket_has_to_name_an_authority() {
    let database = Backend::Sqlite.golden();
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let serving = |listen: &str| {
        Program::serving(&database)
            .env("LISTEN_ADDR", listen)
            .without_listen()
            .start()
    };
    let id = any_inbox().inbox_id;

    let server = serving(&listen);
    let as_it_comes = got(&Grpcio::default(), &server.address);
    let failure = as_it_comes.expect_err("h2 takes it: remove the hints, and this test");
    println!("a client over a socket, without the option: {failure:?}");
    let with_authority = Grpcio {
        options: &[AUTHORITY],
        ..Grpcio::default()
    };
    assert_eq!(got(&with_authority, &server.address).unwrap(), id);
    let (_, printed) = server.stop("TERM");
    assert_eq!(printed.matches(HINT).count(), 1, "{printed}");
    let documented = format!("({:?}, {:?})", AUTHORITY.0, AUTHORITY.1);
    assert!(include_str!("../../../../docs/cookbook.md").contains(&documented));

    let server = serving("127.0.0.1:0");
    assert_eq!(got(&Grpcio::default(), &server.address).unwrap(), id);
    assert_eq!(server.stop("TERM").1, "");
}

async fn a_client_that_compresses_learns_that_it_must_not(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    for compression in ["gzip", "deflate"] {
        let compressing = Grpcio {
            compression: Some(compression),
            ..Grpcio::default()
        };
        let failure = got(&compressing, &server.address).unwrap_err();
        assert_eq!(failure.code, "UNIMPLEMENTED", "{failure:?}");
        assert_eq!(
            failure.text,
            "requests may not be compressed; send this one without compression"
        );
        assert!(failure.details_say("COMPRESSION_NOT_SUPPORTED"));
    }
    let id = any_inbox().inbox_id;
    assert_eq!(got(&Grpcio::default(), &server.address).unwrap(), id);
}
