//! Every reason of the contract's closed list is provoked, over the wire, and
//! answered in the form that the contract promises.

use std::{collections::BTreeMap, fmt::Write};

use futures_util::future::join_all;
use prost::Message;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::{
    callers::network::{Network, entry},
    freshness::served_standby,
};
use crate::support::{
    Backend, Database, Program, get_as_user, get_inbox, pb,
    plain::{self, framed},
    program::{Server, eventually},
    reason,
    reviewed::reviewed,
    viewer,
    watch::watch,
    wire,
};

const GET: &str = "/leadchat.inbox.v1.InboxService/GetInbox";

/// The reasons with metadata, which are of callers.
const OF_CALLERS: [&str; 5] = [
    "CALLER_LIMIT_EXCEEDED",
    "CALLER_NOT_PERMITTED",
    "CALLER_UNKNOWN",
    "CREDENTIALS_EXPIRED",
    "CREDENTIALS_INVALID",
];

/// The parts of an error that clients decide by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Error {
    code: Code,
    message: String,
    details: Vec<u8>,
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            details: status.details().to_vec(),
        }
    }
}

/// The errors of one reason, provoked in several ways.
#[derive(Default)]
struct Provoked(BTreeMap<String, Vec<Error>>);

impl Provoked {
    fn add(&mut self, status: Status) {
        let info = status.get_details_error_info();
        let info = info.unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
        assert_eq!(info.domain, "inbox.leadchat");
        assert_eq!(
            info.metadata.is_empty(),
            !OF_CALLERS.contains(&info.reason.as_str())
        );
        assert!(status.details().len() < 4096, "{}", info.reason);
        let again = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
        let delay = status.get_details_retry_info();
        assert_eq!(
            delay.is_some_and(|retry| retry.retry_delay.is_some()),
            again,
            "{}",
            info.reason
        );
        self.0.entry(info.reason).or_default().push(status.into());
    }

    /// A line a reason. Equal situations were answered with equal bytes.
    fn table(&self) -> String {
        let mut table = String::new();
        for (reason, errors) in &self.0 {
            let first = &errors[0];
            for error in errors {
                if reason == "INVALID_REQUEST" || OF_CALLERS.contains(&reason.as_str()) {
                    // The fields, or the metadata, are what differs.
                    assert_eq!((error.code, &error.message), (first.code, &first.message));
                } else {
                    assert_eq!(error, first, "{reason}");
                }
            }
            writeln!(table, "{reason:20} {:?}: {}", first.code, first.message).unwrap();
        }
        table
    }
}

/// Each is provoked at least twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_provoked_on_postgres() {
    let mut provoked = by_requests(Backend::Postgres).await;
    for _ in 0..2 {
        by_a_held_lock(&mut provoked).await;
    }
    by_a_standby(&mut provoked).await;
    reviewed("errors.txt", &provoked.table());
    let reasons = wire::POOL
        .get_enum_by_name("leadchat.inbox.v1.ErrorReason")
        .unwrap();
    // All but the one that stands for none.
    let listed: Vec<_> = reasons
        .values()
        .filter(|reason| reason.number() != 0)
        .map(|reason| reason.name().replace("ERROR_REASON_", ""))
        .collect();
    assert!(!listed.is_empty());
    for reason in &listed {
        let times = provoked.0.get(reason).map_or(0, Vec::len);
        assert!(times >= 2, "{reason} was provoked {times} times");
        println!("reason {reason}: {times} times");
    }
    assert_eq!(provoked.0.len(), listed.len(), "no other");
}

/// A held lock makes a database slow, and SQLite has none that a reader feels;
/// all else is answered alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasons_are_answered_on_sqlite_as_on_postgres() {
    let (sqlite, postgres) =
        tokio::join!(by_requests(Backend::Sqlite), by_requests(Backend::Postgres));
    assert_eq!(sqlite.table(), postgres.table());
    assert_eq!(sqlite.0.len(), 20);
}

/// Errors of requests, and of rows that do not exist.
async fn by_requests(backend: Backend) -> Provoked {
    let mut provoked = Provoked::default();
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;

    for request in [get_as_user(0, 0, 0), get_as_user(1, -1, 1)] {
        provoked.add(client.get(request).await.unwrap_err());
    }
    for page_token in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let list = pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(viewer::user(1)),
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        provoked.add(client.list(list).await.unwrap_err());
    }
    let raw = async |path: &str, bytes: Vec<u8>| {
        let answer = client.raw::<pb::GetInboxResponse>(path, Request::new(bytes));
        answer.await.unwrap_err()
    };
    for bytes in [vec![0xff; 9], vec![0x0a, 0x7f]] {
        provoked.add(raw(GET, bytes).await);
    }
    for length in [(256 << 10) + 1, 3 << 20] {
        provoked.add(raw(GET, vec![0; length]).await);
    }
    for path in ["/leadchat.inbox.v1.InboxService/Nope", "/a.B/C", "/"] {
        provoked.add(raw(path, Vec::new()).await);
    }
    // A stranger, and an account that is not there.
    for (account, user) in [(1, 999), (999, 1)] {
        provoked.add(client.get(get_as_user(account, 1, user)).await.unwrap_err());
    }
    // Two who belong to it.
    let suspend = "UPDATE accounts SET status = 1 WHERE id = 2";
    provoked.add(client.get(get_as_user(4, 1, 17)).await.unwrap_err());
    database.execute(suspend).await;
    let mut service = get_as_user(2, 1, 1);
    service.viewer = Some(viewer::service());
    provoked.add(client.get(service).await.unwrap_err());
    // Missing, and of another account.
    let foreign = "SELECT id FROM inboxes WHERE account_id = 2";
    let foreign = database.numbers(foreign).await[0];
    for inbox in [999_999, foreign] {
        provoked.add(client.get(get_as_user(1, inbox, 1)).await.unwrap_err());
    }
    for timeout in ["1n", "0S"] {
        let body = framed(&get_as_user(1, 1, 1).encode_to_vec());
        let reply = plain::call(&server.address, GET, &[("grpc-timeout", timeout)], body).await;
        provoked.add(reply.status());
    }
    // Compressed by an algorithm that is named, and by one that is not.
    let body = framed(&get_as_user(1, 1, 1).encode_to_vec());
    let flagged = [&[1], &body[1..]].concat();
    for (encoding, body) in [
        ("gzip", flagged.clone()),
        ("gzip", body),
        ("identity", flagged),
    ] {
        let reply = plain::call(&server.address, GET, &[("grpc-encoding", encoding)], body).await;
        provoked.add(reply.status());
    }
    by_overload(&database, &mut provoked).await;
    by_watches(&database, &mut provoked).await;
    by_callers(&database, &mut provoked).await;
    by_certificates(&database, &mut provoked).await;
    // A column that nobody can do without.
    let rename = "ALTER TABLE inboxes RENAME COLUMN greeting_message TO gone";
    database.execute(rename).await;
    for inbox in [1, 2] {
        provoked.add(client.get(get_as_user(1, inbox, 1)).await.unwrap_err());
    }
    provoked
}

/// Errors of callers, before anything is read.
async fn by_callers(database: &Database, provoked: &mut Provoked) {
    let uid = rustix::process::getuid().as_raw();
    let file = |uid: u32| {
        format!(
            "version = 1\n[[caller]]\nname = \"me\"\nuids = [{uid}]\n[[caller.may]]\n\
             methods = [\"ListInboxes\"]\naccounts = [\"1\"]\nas = {{ itself = true }}\n\
             [caller.limits]\ncalls_per_second = 1\nburst = 3\n"
        )
    };
    let loopback = Program::serving(database).with_callers(&file(uid)).start();
    for _ in 0..2 {
        let answer = loopback.client().await.get(get_as_user(1, 1, 1)).await;
        provoked.add(answer.unwrap_err());
    }
    for uid in [uid + 1, uid] {
        let program = Program::serving(database).without_listen();
        let socket = format!("unix:{}", program.folder().join("socket").display());
        let program = program.with_callers(&file(uid));
        let server = program.args(["--listen", &socket]).start();
        let client = server.client().await;
        for _ in 0..2 {
            let answer = client.get(get_as_user(1, 1, 1)).await;
            provoked.add(answer.unwrap_err());
        }
        // Only calls that the caller may make are counted.
        let list = || pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(viewer::service()),
            detail: pb::InboxDetail::Basic.into(),
            ..Default::default()
        };
        for status in join_all((0..8).map(|_| client.list(list()))).await {
            let status = status
                .err()
                .filter(|it| reason(it) == "CALLER_LIMIT_EXCEEDED");
            if let Some(status) = status {
                provoked.add(status);
            }
        }
    }
}

/// Errors of certificates: one of two callers, and one whose authority is trusted no more.
async fn by_certificates(database: &Database, provoked: &mut Provoked) {
    let network = Network::new();
    let callers = [
        entry("a", "dns = [\"a.example\"]"),
        entry("b", "dns = [\"b.example\"]"),
    ];
    let callers = format!("{}{}", Network::HEAD, callers.concat());
    let server = network.server(database, &callers);
    let certificate = |names: &str| {
        let extension = format!("subjectAltName = {names}");
        network.office.certificate_with("me", &extension)
    };
    let of_both = certificate("DNS:a.example, DNS:b.example");
    let of_both = network.client(&server, Some(&of_both));
    let of_one = network.client(&server, Some(&certificate("DNS:a.example")));
    of_one
        .get(get_inbox(1, 1, viewer::service()))
        .await
        .unwrap();
    for _ in 0..2 {
        let answer = of_both.get(get_inbox(1, 1, viewer::service())).await;
        provoked.add(answer.unwrap_err());
    }
    server.replace("office.pem", &network.mesh.text());
    server.signal("HUP");
    eventually("the authority counts", || {
        server
            .log()
            .contains("an authority or issuer counts from now on")
    })
    .await;
    for _ in 0..2 {
        let answer = of_one.get(get_inbox(1, 1, viewer::service())).await;
        provoked.add(answer.unwrap_err());
    }
}

/// Errors of watches: one too many, and one that has reached its age.
async fn by_watches(database: &Database, provoked: &mut Provoked) {
    let server = Program::serving(database)
        .args(["--max-watches", "2", "--max-connection-age", "3s"])
        .start();
    let client = server.client().await;
    let open = async || client.watch(watch(viewer::user(1))).await;
    let watches = [open().await.unwrap(), open().await.unwrap()];
    for _ in 0..2 {
        provoked.add(open().await.err().unwrap());
    }
    for watch in watches {
        provoked.add(watch.end().await);
    }
}

/// More calls than one permit can serve in their time.
async fn by_overload(database: &Database, provoked: &mut Provoked) {
    let server = Program::serving(database)
        .arg("--max-concurrent-reads")
        .arg("1")
        .start();
    let list = || pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        ..Default::default()
    };
    // More than the queue holds.
    let clients = join_all((0..14).map(|_| server.client())).await;
    let calls = clients.iter().flat_map(|client| vec![client; 100]);
    let answers = join_all(calls.map(|client| client.list(list()))).await;
    let (mut served, mut sent_away) = (0, 0);
    for answer in answers {
        match answer {
            Ok(_) => served += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                sent_away += 1;
                if sent_away <= 2 {
                    provoked.add(status);
                }
            }
        }
    }
    assert!(served > 0 && sent_away >= 2, "{served}, {sent_away}");
}

/// Errors of a slow database.
async fn by_a_held_lock(provoked: &mut Provoked) {
    let database = Backend::Postgres.golden();
    let server = Program::serving(&database)
        .args(["--flush-timeout", "1m"])
        .start();
    let client = server.client().await;
    let _lock = database.lock_table("inboxes").await;

    // It waits for the lock three times, half a second each, and gives up.
    provoked.add(client.get(get_as_user(1, 1, 1)).await.unwrap_err());

    // Told to stop a second time, the server waits for no call.
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.get(get_as_user(1, 1, 1)).await.unwrap_err() }
    });
    database.until_sessions_wait(1).await;
    server.signal("TERM");
    stops_listening(&server).await;
    assert_eq!(server.stop("TERM").0, Some(0));
    let status = call.await.unwrap();
    provoked.add(status);
}

/// Errors of a standby, which is asked for the latest.
async fn by_a_standby(provoked: &mut Provoked) {
    let (_primary, _standby, server) = served_standby();
    let client = server.client().await;
    for inbox in [1, 2] {
        let get = pb::GetInboxRequest {
            freshness: pb::Freshness::Latest.into(),
            ..get_as_user(1, inbox, 1)
        };
        provoked.add(client.get(get).await.unwrap_err());
    }
}

async fn stops_listening(server: &Server) {
    eventually("the server is stopping", || {
        server.log().contains("shutting down")
    })
    .await;
}
