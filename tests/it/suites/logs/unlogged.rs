//! Values that libraries would log are not logged. The search for them, which every test
//! makes in all output of the program, finds them where they are.

use std::{fs, io::Write, net::TcpListener, os::unix::fs::OpenOptionsExt};

use crate::support::{Backend, Program, cluster::Cluster, program::Server, viewer};

/// A database may say anything by itself, to whoever reads its rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_database_are_not_logged() {
    let database = Backend::Postgres.golden();
    let name = database.name();
    Cluster::shared().psql(
        name,
        "CREATE FUNCTION told(text) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN RAISE WARNING 'told %', $1; RETURN true; END $$;
        ALTER TABLE channel_email RENAME TO told_email;
        CREATE VIEW channel_email AS SELECT * FROM told_email WHERE told(imap_password)",
    );
    for filter in [
        "trace",
        "info,sqlx::postgres::notice=trace",
        "sqlx::postgres::notice[{message}]=trace",
    ] {
        let server = Program::serving(&database).env("RUST_LOG", filter).start();
        let inboxes = server.client().await.all(1, viewer::user(1)).await;
        assert_eq!(inboxes.len(), 88);
        assert!(!server.log().contains("told CANARY"), "{filter}");
    }
}

/// A line that sqlx cannot read would be told with the password in it.
#[test]
fn a_password_file_is_not_logged() {
    let program = Program::new(&["serve", "--listen", "127.0.0.1:0"]);
    let home = program.folder().to_owned();
    let mut file = fs::OpenOptions::new();
    let file = file.create(true).write(true).mode(0o600);
    let mut file = file.open(home.join(".pgpass")).unwrap();
    file.write_all(b"no colon but hunter2\n*:*:*:*:hunter2\n")
        .unwrap();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = program
        .env("HOME", home.to_str().unwrap())
        .env("DATABASE_URL", &format!("postgres://u@{closed}/d"))
        .output();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
#[should_panic(expected = "hunter2")]
fn a_secret_in_an_output_fails_its_test() {
    Program::new(&["serve"])
        .env("LISTEN_ADDR", "hunter2")
        .output();
}

#[test]
#[should_panic(expected = "hunter2")]
fn a_secret_in_a_servers_log_fails_its_test() {
    drop(logging_a_secret());
}

#[test]
#[should_panic(expected = "the first failure")]
fn a_secret_in_a_servers_log_hides_no_other_failure() {
    let _server = logging_a_secret();
    panic!("the first failure");
}

fn logging_a_secret() -> Server {
    Program::new(&["serve", "--listen", "127.0.0.1:0"])
        .env("DATABASE_URL", "sqlite://hunter2.db")
        .start()
}
