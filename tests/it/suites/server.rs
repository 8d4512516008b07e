//! The server around the answers: requests that are no requests, deadlines,
//! request ids, reflection, health. No byte of it depends on the database.

mod violations;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use prost::Message;
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::support::{
    Backend, Client, Program,
    client::any_inbox as request,
    pb,
    plain::{self, framed},
    reason,
};

const METHOD: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

fn violations(status: &Status) -> BTreeSet<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(reason(status), "INVALID_REQUEST");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_tonic_have_error_details() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let send = async |path: &str, bytes: Vec<u8>| {
        client
            .raw::<pb::GetInboxResponse>(path, Request::new(bytes))
            .await
            .err()
            .unwrap()
    };
    let undecodable = send(METHOD, vec![0xff; 20]).await;
    assert_eq!(
        (undecodable.code(), reason(&undecodable)),
        (Code::InvalidArgument, "UNDECODABLE_REQUEST".to_owned())
    );
    let too_large = send(METHOD, vec![0; 5 << 20]).await;
    assert_eq!(
        (too_large.code(), reason(&too_large)),
        (Code::ResourceExhausted, "REQUEST_TOO_LARGE".to_owned())
    );
    assert!(too_large.get_details_retry_info().is_some());
    // Standard services have no words of their own for these.
    let check = "/grpc.health.v1.Health/Check";
    let undecodable = send(check, vec![0xff; 20]).await;
    assert_eq!(
        (undecodable.code(), reason(&undecodable)),
        (Code::InvalidArgument, "UNDECODABLE_REQUEST".to_owned())
    );
    let too_large = send(check, vec![0; 300 << 10]).await;
    assert_eq!(
        (too_large.code(), reason(&too_large)),
        (Code::ResourceExhausted, "REQUEST_TOO_LARGE".to_owned())
    );
    for reflection in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{reflection}.ServerReflection/ServerReflectionInfo");
        // A request for nothing is refused at the end of a stream.
        let undecodable = send(&path, Vec::new()).await;
        assert_eq!(
            (undecodable.code(), reason(&undecodable)),
            (Code::InvalidArgument, "UNDECODABLE_REQUEST".to_owned())
        );
    }
    for path in [
        "/grpc.nope.X/Y",
        "/grpc.health.v1.Health/Nope",
        "/leadchat.inbox.v1.InboxService/Nope",
        "/nope.Nope/Nope",
        "/",
    ] {
        let unknown = send(path, request().encode_to_vec()).await;
        assert_eq!(
            (unknown.code(), reason(&unknown)),
            (Code::Unimplemented, "UNKNOWN_METHOD".to_owned()),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_ids_are_echoed_or_made() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let send = async |ids: &[&str], body: pb::GetInboxRequest| {
        let mut request = Request::new(body.encode_to_vec());
        for id in ids {
            request
                .metadata_mut()
                .append("x-request-id", id.parse().unwrap());
        }
        let metadata = match client.raw::<pb::GetInboxResponse>(METHOD, request).await {
            Ok(answer) => answer.metadata,
            Err(status) => status.metadata().clone(),
        };
        let ids: Vec<_> = metadata.get_all("x-request-id").iter().collect();
        assert_eq!(ids.len(), 1);
        ids[0].to_str().unwrap().to_owned()
    };
    let missing = pb::GetInboxRequest {
        inbox_id: 999_999,
        ..request()
    };
    for body in [request(), missing, pb::GetInboxRequest::default()] {
        assert_eq!(send(&["caller-7"], body).await, "caller-7");
        let made = send(&[], body).await;
        assert_eq!(made.len(), 32);
        assert_ne!(made, send(&[], body).await);
        assert!(server.log().contains(&made));
    }
    for unfit in ["", "with space", &"x".repeat(129)] {
        assert_eq!(send(&[unfit], request()).await.len(), 32, "{unfit}");
    }
    assert_eq!(send(&["two", "ids"], request()).await.len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_are_answered_as_such() {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database).with_admin().start();
    let client = server.client().await;
    // Past tonic's client, which would answer by itself.
    let within = async |timeout: &str| {
        let body = framed(&request().encode_to_vec());
        let began = Instant::now();
        let reply = plain::call(&server.address, METHOD, &[("grpc-timeout", timeout)], body).await;
        (reply.status(), began.elapsed())
    };
    assert_eq!(within("20S").await.0.code(), Code::Ok);
    for short in ["1n", "0S", "1u", "+0S"] {
        let (status, _) = within(short).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{short}");
        assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    }

    // Without a deadline, it ends with the lock's own time-out; with one, before.
    let lock = database.lock_table("inboxes").await;
    let (status, took) = within("300m").await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    assert!(took >= Duration::from_millis(298), "{took:?}");
    let status = client.get(request()).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::Unavailable, "STORE_UNAVAILABLE".to_owned())
    );
    lock.release().await;
    assert_eq!(within("20S").await.0.code(), Code::Ok);
    let late = [
        ("grpc_method", "GetInbox"),
        ("grpc_code", "DEADLINE_EXCEEDED"),
    ];
    let all = |it| it >= 5.0;
    server
        .eventually_scraped("grpc_server_handled_total", &late, all)
        .await;
}

async fn channel(address: &str) -> Channel {
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

macro_rules! reflected {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let mut found = Vec::new();
        let ask = |message_request| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message_request),
        };
        let requests = [
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol(
                "leadchat.inbox.v1.InboxService".to_owned(),
            )),
            ask(MessageRequest::FileContainingSymbol(
                "google.rpc.ErrorInfo".to_owned(),
            )),
            ask(MessageRequest::FileByFilename(
                "leadchat/inbox/v1/inbox.proto".to_owned(),
            )),
            ask(MessageRequest::FileByFilename(
                "google/rpc/error_details.proto".to_owned(),
            )),
        ];
        let mut client = ServerReflectionClient::new($channel);
        let mut answers = client
            .server_reflection_info(tokio_stream::iter(requests))
            .await
            .unwrap()
            .into_inner();
        while let Some(answer) = answers.message().await.unwrap() {
            match answer.message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => {
                    found.extend(list.service.into_iter().map(|service| service.name));
                }
                MessageResponse::FileDescriptorResponse(files) => {
                    for bytes in files.file_descriptor_proto {
                        let file =
                            prost_types::FileDescriptorProto::decode(bytes.as_slice()).unwrap();
                        found.push(file.name().to_owned());
                        // The visibility options are there for clients to see.
                        if file.name() == "leadchat/inbox/v1/inbox.proto" {
                            let mut option = Vec::new();
                            prost::encoding::encode_key(
                                50621,
                                prost::encoding::WireType::Varint,
                                &mut option,
                            );
                            option.push(1);
                            assert!(bytes.windows(option.len()).any(|bytes| bytes == option));
                        }
                    }
                }
                _ => panic!("an error"),
            }
        }
        found
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_serves_the_contract_and_error_details() {
    let database = Backend::Sqlite.empty();
    let server = Program::serving(&database).start();
    let v1 = reflected!(v1, channel(&server.address).await);
    let v1alpha = reflected!(v1alpha, channel(&server.address).await);
    for expected in [
        "leadchat.inbox.v1.InboxService",
        "grpc.health.v1.Health",
        "leadchat/inbox/v1/inbox_service.proto",
        "leadchat/inbox/v1/inbox.proto",
    ] {
        assert!(
            v1.iter().any(|found| found == expected),
            "{expected}: {v1:?}"
        );
    }
    assert!(
        v1.iter()
            .any(|found| found == "google/rpc/error_details.proto"),
        "{v1:?}"
    );
    assert_eq!(v1.len(), v1alpha.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_serving() {
    let database = Backend::Sqlite.empty();
    let server = Program::serving(&database).start();
    let mut health = HealthClient::new(channel(&server.address).await);
    for service in ["", "leadchat.inbox.v1.InboxService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status().as_str_name(), "SERVING", "{service}");
    }
    let unknown = HealthCheckRequest {
        service: "nope".to_owned(),
    };
    assert_eq!(
        health.check(unknown).await.unwrap_err().code(),
        Code::NotFound
    );
}

/// Each address is served, with one limit of connections, and all end with the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_addresses_are_served() {
    let database = Backend::Sqlite.golden();
    let program = Program::serving(&database);
    let socket = program.folder().join("socket");
    let unix = format!("unix:{}", socket.display());
    let server = program
        .args(["--listen", &unix, "--listen", "127.0.0.1:0"])
        .start();
    for address in [server.address.clone(), unix] {
        let client = Client::connect(&address).await;
        assert!(client.get(request()).await.is_ok(), "{address}");
    }
    let (code, printed) = server.stop("TERM");
    assert_eq!(code, Some(0));
    assert_eq!(printed.matches(" is listening on ").count(), 2, "{printed}");
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_can_be_left_out() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database)
        .args(["--reflection", "off"])
        .start();
    let client = server.client().await;
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let answer = client.raw::<pb::GetInboxResponse>(&path, Request::new(Vec::new()));
        let status = answer.await.unwrap_err();
        assert_eq!(reason(&status), "UNKNOWN_METHOD");
    }
    assert!(client.get(request()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_is_served() {
    let database = Backend::Sqlite.golden();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listen = format!("unix:{}", path.display());
    let serving = || {
        Program::serving(&database)
            .env("LISTEN_ADDR", &listen)
            .without_listen()
    };
    let server = serving().start();
    assert_eq!(server.address, listen);
    let client = Client::connect(&server.address).await;
    assert!(client.get(request()).await.is_ok());
    // A second one does not take it away.
    let second = serving().output();
    assert_eq!(second.status.code(), Some(1));
    assert!(client.get(request()).await.is_ok());
    // Leftovers of a crash do not matter.
    drop(server);
    assert!(path.exists());
    let server = serving().start();
    assert!(
        Client::connect(&server.address)
            .await
            .get(request())
            .await
            .is_ok()
    );
    assert_eq!(server.stop("TERM").0, Some(0));
    assert!(!path.exists());
}
