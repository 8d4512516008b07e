//! The program as an operator meets it: what it prints, refuses and leaves.

mod databases;

use std::{fs, io::Read, net::TcpListener};

use crate::support::{
    Backend, Client, Program, get_as_user, pb, program::eventually, reviewed, viewer,
};

on_both_databases!(stops_on_a_signal, refuses_a_port_in_use,);

async fn stops_on_a_signal(backend: Backend) {
    let database = backend.golden();
    for signal in ["TERM", "INT"] {
        let server = Program::serving(&database).start();
        let client = server.client().await;
        client.all(1, viewer::user(1)).await;
        drop(client);
        assert_eq!(server.stop(signal).0, Some(0), "{signal}");
    }
}

async fn refuses_a_port_in_use(backend: Backend) {
    let database = backend.empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let program = Program::serving(&database)
        .without_listen()
        .env("LISTEN_ADDR", &address);
    let (code, error) = failure(program);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("LISTEN_ADDR") && error.contains(&address) && error.contains("in use"),
        "{error}"
    );
}

/// Exit code and what was said, which must be one line.
fn failure(program: Program) -> (Option<i32>, String) {
    let output = program.output();
    let error = String::from_utf8(output.stderr).unwrap();
    // Beside the log, whose lines begin with a date.
    let said: Vec<_> = error
        .lines()
        .filter(|line| !line.starts_with("20"))
        .collect();
    assert_eq!(said.len(), 1, "{error}");
    (output.status.code(), said[0].to_owned())
}

#[test]
fn wrong_settings_are_named_in_one_line() {
    let serve = |arguments: &[&str]| Program::new(&[&["serve"], arguments].concat());
    for (program, setting) in [
        (serve(&["--listen", "0.0.0.0:1"]), "--listen"),
        (serve(&[]).env("LISTEN_ADDR", "nonsense"), "LISTEN_ADDR"),
        (serve(&["--local-role", "owner"]), "--local-role"),
        (
            serve(&["--database-url", "postgres://u:hunter2@h/d"]),
            "--database-url",
        ),
        (
            serve(&[]).env("DATABASE_URL", "mysql://u:hunter2@h/d"),
            "DATABASE_URL",
        ),
        (serve(&[]).env("POSTGRES_PORT", "x"), "POSTGRES_PORT"),
        (serve(&["--nope"]), "--nope"),
        (serve(&["--listen"]), "--listen"),
        (
            serve(&[]).env("DATABASE_URL", "postgres://h/d?sslmode=hunter2"),
            "DATABASE_URL",
        ),
        (
            serve(&[]).env("DATABASE_URL", "postgres:/u:hunter2@h/d"),
            "DATABASE_URL",
        ),
        (
            serve(&[]).env("DATABASE_URL", "postgres:u:hunter2@h/d"),
            "DATABASE_URL",
        ),
        (
            serve(&[]).env("DATABASE_URL", "postgres://u:12/hunter2@h/d"),
            "DATABASE_URL",
        ),
        (
            serve(&[]).env("DATABASE_URL", "postgres://u:12#hunter2@h/d"),
            "DATABASE_URL",
        ),
        (
            serve(&[]).env("DATABASE_URL", "postgres://u:12?hunter2@h/d"),
            "DATABASE_URL",
        ),
        (
            serve(&["--database-url", "postgres:/u:hunter2@h/d"]),
            "--database-url",
        ),
        (
            serve(&["--database-url", "postgres://u:12/hunter2@h/d"]),
            "--database-url",
        ),
        (
            serve(&["--database-url", "postgres://h/d?sslpassword=hunter2"]),
            "--database-url",
        ),
        (
            serve(&[]).env("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", "hunter2"),
            "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
        ),
        (
            serve(&[]).env("ACTIVE_RECORD_ENCRYPTION_HASH_DIGEST_CLASS", "x"),
            "ACTIVE_RECORD_ENCRYPTION_HASH_DIGEST_CLASS",
        ),
        (serve(&["--encryption-digest", "x"]), "--encryption-digest"),
        (Program::new(&["nope"]), "nope"),
        (Program::new(&["migrate"]), "DATABASE_URL"),
        (
            Program::new(&["migrate", "--database-url", "postgres://u:hunter2@h/d"]),
            "--database-url",
        ),
    ] {
        let (code, error) = failure(program);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(setting), "{setting}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// Parameters that are meant for Rails are passed over, and never logged.
#[test]
fn parameters_of_others_are_not_logged() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("postgres://u@{closed}/d?pool=5&sslpassword=hunter2");
    let output = Program::new(&["serve"])
        .env("DATABASE_URL", &url)
        .env("RUST_LOG", "trace")
        .output();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!error.contains("hunter2"), "{error}");
}

/// A caller that keeps its connection, as a load balancer does, is told by the
/// health of the service, and is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_connections_do_not_delay_a_shutdown() {
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };

    let database = Backend::Sqlite.empty();
    let server = Program::serving(&database)
        .args(["--drain-timeout", "1h", "--preface-timeout", "1h"])
        .start();
    let _idle = tokio::net::TcpStream::connect(&server.address)
        .await
        .unwrap();
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", server.address));
    let mut health = HealthClient::new(channel.unwrap().connect().await.unwrap());
    let mut watches = Vec::new();
    for service in ["", "leadchat.inbox.v1.InboxService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        watches.push(health.watch(request).await.unwrap().into_inner());
    }
    let mut all_say = async |status| {
        for watch in &mut watches {
            let said = watch.message().await.unwrap().unwrap();
            assert_eq!(said.status(), status);
        }
    };
    all_say(ServingStatus::Serving).await;
    server.signal("TERM");
    all_say(ServingStatus::NotServing).await;
    // Neither waits for the other to go, which would take an hour.
    assert_eq!(server.wait(), Some(0));
}

#[tokio::test]
async fn the_demo_introduces_itself_and_leaves_nothing() {
    let program = Program::new(&["serve", "--demo", "--listen", "127.0.0.1:0"])
        .env("DATABASE_URL", "not to be looked at");
    let mut server = program.start();
    let client = server.client().await;

    let account = client.all(1, viewer::user(1)).await;
    let kinds: std::collections::BTreeSet<_> =
        account.iter().map(|inbox| inbox.channel_kind).collect();
    assert_eq!(kinds, (1..=13).collect(), "an inbox of every kind");
    assert_eq!(ids(&client, 1, viewer::user(2)).await, [1, 3, 7]);
    assert_eq!(ids(&client, 1, viewer::bot(1)).await, [1]);
    assert_eq!(ids(&client, 2, viewer::user(3)).await, [21, 22, 23, 24]);
    assert_eq!(ids(&client, 1, viewer::user(3)).await, [0_i64; 0]);
    // Nothing in it is broken.
    for inbox in &account {
        assert!(inbox.degradations.is_empty(), "inbox {}", inbox.id);
    }

    let demo = |server: &crate::support::program::Server| {
        fs::read_dir(server.folder())
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .contains("demo")
            })
            .count()
    };
    assert_eq!(demo(&server), 1);
    drop(client);
    let mut introduction = vec![0; 2000];
    let read = server.stdout.read(&mut introduction).unwrap();
    let introduction = String::from_utf8_lossy(&introduction[..read]).into_owned();
    assert!(introduction.contains("administrator"), "{introduction}");
    assert!(introduction.contains(&format!("grpcurl -plaintext -d '{{\"account_id\":1,\"inbox_id\":3,\"viewer\":{{\"user_id\":1}}}}' {}", server.address)), "{introduction}");
    server.signal("TERM");
    eventually("the demo data is gone", || demo(&server) == 0).await;
}

#[test]
fn help_is_reviewed() {
    for (arguments, file) in [
        (vec!["--help"], "help.txt"),
        (vec!["serve", "--help"], "help_serve.txt"),
        (vec!["check", "--help"], "help_check.txt"),
        (vec!["migrate", "--help"], "help_migrate.txt"),
        (vec!["grants", "--help"], "help_grants.txt"),
        (vec!["health", "--help"], "help_health.txt"),
    ] {
        let output = Program::new(&arguments).output();
        assert_eq!(output.status.code(), Some(0));
        reviewed::reviewed(file, &String::from_utf8(output.stdout).unwrap());
    }
}

/// A stopping server leaves a socket that its successor has put in place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successors_socket_is_not_removed() {
    let database = Backend::Sqlite.golden();
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let serving = || {
        Program::serving(&database)
            .env("LISTEN_ADDR", &listen)
            .without_listen()
    };
    let first = serving().start();
    // Something that keeps the first one draining.
    let socket = listen.trim_start_matches("unix:").to_owned();
    let _idle = tokio::net::UnixStream::connect(&socket).await.unwrap();
    first.signal("TERM");
    eventually("the first one listens no more", || {
        std::os::unix::net::UnixStream::connect(&socket).is_err()
    })
    .await;
    let second = serving().start();
    assert_eq!(first.stop("TERM").0, Some(0));
    let request = get_as_user(1, 1, 1);
    assert!(second.client().await.get(request).await.is_ok());
}

async fn ids(client: &Client, account: i64, viewer: pb::Viewer) -> Vec<i64> {
    let mut ids: Vec<_> = client
        .all(account, viewer)
        .await
        .iter()
        .map(|inbox| inbox.id)
        .collect();
    ids.sort_unstable();
    ids
}
