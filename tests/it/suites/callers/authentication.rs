//! Callers that are not known get no answer, whatever they call.

use tonic::{Code, Request};

use super::{file, get, metadata, on_socket, rule, uid};
use crate::support::{
    Backend, Program, pb,
    plain::{self, framed},
    reason, viewer, wire,
};

/// A file that names another user id than that of this process.
fn file_of_others() -> String {
    file(&rule("accounts = [\"*\"]\nas = { itself = true }"))
        .replace(&format!("[{}]", uid()), &format!("[{}]", uid() + 1))
}

/// Each method of each service of the descriptors, but health and reflection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_method_answers_an_unknown_caller() {
    let database = Backend::Sqlite.golden();
    let socket = on_socket(&database, &file_of_others());
    let loopback = Program::caching(&database).with_callers(&file_of_others());
    let loopback = loopback.start();
    let before = (socket.statements().await, loopback.statements().await);
    let mut methods = 0;
    for (server, expected) in [
        (&socket, "CALLER_UNKNOWN"),
        (&loopback, "CREDENTIALS_MISSING"),
    ] {
        let client = server.client().await;
        for service in wire::POOL.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let answer = client.raw::<pb::GetInboxResponse>(&path, Request::new(Vec::new()));
                let status = answer.await.unwrap_err();
                assert_eq!(status.code(), Code::Unauthenticated, "{path}: {status:?}");
                assert_eq!(reason(&status), expected, "{path}");
                methods += 1;
            }
        }
        // A method that the service does not have.
        let path = "/leadchat.inbox.v1.InboxService/Nope";
        let answer = client.raw::<pb::GetInboxResponse>(path, Request::new(Vec::new()));
        assert_eq!(answer.await.unwrap_err().code(), Code::Unauthenticated);
    }
    assert!(methods >= 8, "{methods}");
    let status = get(&socket.client().await, 1, viewer::user(1))
        .await
        .unwrap_err();
    assert_eq!(metadata(&status)["identity"], format!("uid:{}", uid()));
    // Nothing was read for any of them.
    assert_eq!(
        (socket.statements().await, loopback.statements().await),
        before
    );
}

/// A path that is not exactly that of a method leads to no method.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_paths_lead_around_no_guard() {
    let database = Backend::Sqlite.golden();
    let server = Program::caching(&database).with_callers(&file_of_others());
    let server = server.start();
    let before = server.statements().await;
    for path in [
        "//leadchat.inbox.v1.InboxService/GetInbox",
        "/leadchat.inbox.v1.InboxService//GetInbox",
        "/leadchat.inbox.v1.InboxService/GetInbox/",
        "/leadchat.inbox.v1.InboxService/getinbox",
        "/Leadchat.inbox.v1.InboxService/GetInbox",
        "/leadchat.inbox.v1.InboxService/GetInbox?a=b",
        "/leadchat.inbox.v1.InboxService%2FGetInbox",
        "/leadchat.inbox.v1.InboxService/%47etInbox",
        "/./leadchat.inbox.v1.InboxService/GetInbox",
        "/grpc.health.v1.Health/../leadchat.inbox.v1.InboxService/GetInbox",
        "/leadchat.inbox.v1.InboxService",
    ] {
        let body = framed(&[]);
        let status = plain::call(&server.address, path, &[], body).await.status();
        let is_refused = matches!(status.code(), Code::Unauthenticated | Code::Unimplemented);
        assert!(is_refused, "{path}: {status:?}");
    }
    assert_eq!(server.statements().await, before);
}

/// Probes need no credential to ask whether it serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_for_everybody() {
    let database = Backend::Sqlite.golden();
    let server = on_socket(&database, &file_of_others());
    let client = server.client().await;
    let check = "/grpc.health.v1.Health/Check";
    let answer =
        client.raw::<tonic_health::pb::HealthCheckResponse>(check, Request::new(Vec::new()));
    assert_eq!(answer.await.unwrap().message.status, 1);
}

/// The local entry stands for processes that no other entry names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_is_for_those_that_no_entry_names() {
    let database = Backend::Sqlite.golden();
    let local = "[[caller]]\nname = \"anybody\"\nlocal = true\n[[caller.may]]\n\
                 methods = [\"GetInbox\"]\naccounts = [\"2\"]\nas = { itself = true }\n";
    let mine = rule("accounts = [\"1\"]\nas = { itself = true }");
    for (callers, caller) in [
        (format!("{}{local}", file(&mine)), "me"),
        (format!("{}{local}", file_of_others()), "anybody"),
    ] {
        let server = on_socket(&database, &callers);
        let client = server.client().await;
        let status = get(&client, 99, viewer::service()).await.unwrap_err();
        assert_eq!(metadata(&status)["caller"], caller);
        assert!(
            server
                .log()
                .contains("every process of this machine may call")
        );
    }
    let server = Program::caching(&database).with_callers(&format!("{}{local}", file(&mine)));
    let server = server.start();
    let status = get(&server.client().await, 99, viewer::service()).await;
    assert_eq!(metadata(&status.unwrap_err())["caller"], "anybody");
}
