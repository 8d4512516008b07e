//! Databases that a start makes, refuses or only reads, and what follows when one goes away.

use std::{fs, net::TcpListener, os::unix::fs::MetadataExt};

use super::failure;
use crate::support::{Backend, Program, cluster::Cluster, get_as_user, get_inbox, pb, viewer};

on_both_databases!(serves_what_migrate_made);

async fn serves_what_migrate_made(backend: Backend) {
    // The template was made by `migrate`; once more does no harm.
    let database = backend.empty();
    let again = Program::new(&["migrate"])
        .env("DATABASE_URL", &database.url())
        .output();
    assert!(again.status.success());
    let server = Program::serving(&database).start();
    let request = get_inbox(1, 1, viewer::service());
    assert_eq!(
        server.client().await.get(request).await.unwrap_err().code(),
        tonic::Code::PermissionDenied
    );
}

#[test]
fn a_database_that_is_away_or_bare_is_named() {
    let away = || Program::new(&["serve", "--listen", "127.0.0.1:0"]);
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (code, error) =
        failure(away().env("DATABASE_URL", &format!("postgres://u:hunter2@{closed}/d")));
    assert_eq!(code, Some(1));
    assert!(
        error.contains("DATABASE_URL") && error.contains("refused"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");

    let (code, error) = failure(
        away()
            .env("POSTGRES_HOST", "127.0.0.1")
            .env("POSTGRES_PORT", &closed.port().to_string()),
    );
    assert_eq!(code, Some(1));
    assert!(
        error.contains("POSTGRES_HOST") && !error.contains("chatwoot_prod@"),
        "{error}"
    );

    Cluster::shared().create_database("bare", None);
    let (code, error) = failure(away().env("DATABASE_URL", &Cluster::shared().url("bare")));
    assert_eq!(code, Some(1));
    assert!(error.contains("leadchat-inbox migrate"), "{error}");

    let (code, error) = failure(away().env("DATABASE_URL", "sqlite:///nowhere/at/all.db"));
    assert_eq!(code, Some(1));
    assert!(error.contains("DATABASE_URL"), "{error}");
}

#[test]
fn an_sqlite_file_of_rails_is_not_changed() {
    let database = Backend::Sqlite.empty();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(database.execute("CREATE TABLE ar_internal_metadata (key TEXT)"));
    for command in ["migrate", "serve"] {
        let (code, error) = failure(Program::new(&[command]).env("DATABASE_URL", &database.url()));
        assert_eq!(code, Some(1));
        assert!(error.contains("Rails"), "{error}");
    }
}

#[tokio::test]
async fn an_sqlite_store_is_made_when_missing() {
    let program = Program::new(&["serve", "--listen", "127.0.0.1:0"]);
    let file = program.folder().join("leadchat-inbox.db");
    assert!(!file.exists());
    let server = program.start();
    // It holds passwords: nobody else may read it.
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(server.stop("TERM").0, Some(0));
}

/// Rails' own database: served as it is, and never changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rails_database_is_served_and_never_migrated() {
    let cluster = Cluster::shared();
    cluster.create_database("rails", None);
    cluster.psql("rails", include_str!("../../../golden/leadchat_tables.sql"));
    cluster.psql("rails", include_str!("../../../golden/rows.sql"));
    let tables = || {
        cluster.psql(
            "rails",
            "SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY table_name, column_name) \
             FROM information_schema.columns WHERE table_schema = 'public'",
        )
    };
    let before = tables();
    let url = cluster.url("rails");

    let (code, error) = failure(Program::new(&["migrate"]).env("DATABASE_URL", &url));
    assert_eq!(code, Some(1));
    assert!(error.contains("Rails"), "{error}");

    let server = Program::new(&["serve", "--listen", "127.0.0.1:0"])
        .env("DATABASE_URL", &url)
        .start();
    assert!(server.log().contains("Attached"), "{}", server.log());
    let client = server.client().await;
    let inboxes = client.all(1, viewer::user(1)).await;
    assert_eq!(inboxes.len(), 88);
    // Nothing says whether a channel must be connected again.
    let Some(pb::inbox::Channel::Tiktok(tiktok)) = &inboxes
        .iter()
        .find(|inbox| inbox.id == 122)
        .unwrap()
        .channel
    else {
        panic!()
    };
    assert_eq!(
        tiktok.reauthorization().as_str_name(),
        "REAUTHORIZATION_UNKNOWN"
    );
    // A column that Rails adds while this runs does no harm.
    cluster.psql(
        "rails",
        "ALTER TABLE inboxes ADD COLUMN novelty text DEFAULT 'new'",
    );
    assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
    cluster.psql("rails", "ALTER TABLE inboxes DROP COLUMN novelty");
    drop(server);
    assert_eq!(tables(), before);
}

/// When the database goes away under the server, callers are told so, and
/// served again when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_unavailable() {
    use tonic_types::StatusExt;

    let database = Backend::Postgres.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let request = || get_as_user(1, 1, 1);
    assert!(client.get(request()).await.is_ok());

    let crate::support::Database::Postgres { name } = &database else {
        panic!()
    };
    let admit = |connections: &str| {
        Cluster::shared().psql(
            "postgres",
            &format!(
                "ALTER DATABASE {name} ALLOW_CONNECTIONS {connections};
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ),
        )
    };
    admit("false");
    let status = client.get(request()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "STORE_UNAVAILABLE"
    );
    assert!(
        status
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .is_some()
    );
    admit("true");
    for attempt in 0.. {
        if client.get(request()).await.is_ok() {
            break;
        }
        assert!(attempt < 50, "not served again");
    }
}
