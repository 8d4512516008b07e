//! Settings that do not work, and stores that cannot be served.

use std::net::TcpListener;

use super::super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_do_not_work_are_reported() {
    let own = Backend::Sqlite.golden();
    let rails = with_rows(Backend::Postgres, golden::ROWS);
    let url = "FRONTEND_URL";
    for (program, problem, note) in [
        (
            checking(&rails).without_env(url),
            Some("FRONTEND_URL_NOT_SET"),
            None,
        ),
        (
            checking(&own).without_env(url),
            None,
            Some("FRONTEND_URL_NOT_SET"),
        ),
        (
            checking(&own).env(url, ""),
            Some("FRONTEND_URL_NOT_USABLE"),
            None,
        ),
        (
            checking(&own).env(url, "chat.example.test"),
            Some("FRONTEND_URL_NOT_USABLE"),
            None,
        ),
        (
            checking(&own).env(url, "localhost:3000"),
            Some("FRONTEND_URL_NOT_USABLE"),
            None,
        ),
        (
            checking(&own).env(url, "https://u:hunter2@h.test/"),
            None,
            Some("FRONTEND_URL_ENDS_WITH_SLASH"),
        ),
        (
            checking(&own).without_env("SECRET_KEY_BASE"),
            None,
            Some("SECRET_KEY_BASE_NOT_SET"),
        ),
        (checking(&rails), None, Some("REDIS_NOT_SET")),
    ] {
        let report = report(program);
        let expected: Vec<_> = problem.into_iter().collect();
        assert_eq!(problems(&report), expected, "{report:#}");
        if let Some(note) = note {
            assert!(
                notes(&report).contains(&note.to_owned()),
                "{note}: {report:#}"
            );
        }
    }
    assert!(!notes(&report(checking(&own))).contains(&"REDIS_NOT_SET".to_owned()));
    let empty = Backend::Sqlite.empty();
    assert_eq!(notes(&report(checking(&empty))), ["NO_ACCOUNTS"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_served_is_explained() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let cluster = Cluster::shared();
    cluster.create_database("bare_to_check", None);
    let of_rails = Backend::Sqlite.empty();
    of_rails
        .execute("CREATE TABLE ar_internal_metadata (key TEXT)")
        .await;
    let no_database = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        &no_database,
        "no database, but long enough to be looked at".repeat(40),
    )
    .unwrap();
    let no_database = format!("sqlite://{}", no_database.path().display());
    for (url, code, says) in [
        (
            format!("postgres://u:hunter2@{closed}/d"),
            "STORE_UNUSABLE",
            "refused",
        ),
        (
            cluster.url("nowhere"),
            "STORE_UNUSABLE",
            "it has no such database",
        ),
        (
            cluster.url("bare_to_check"),
            "TABLES_OLD",
            "leadchat-inbox migrate",
        ),
        (
            "sqlite://nowhere.db".to_owned(),
            "STORE_UNUSABLE",
            "there is no such file",
        ),
        (of_rails.url(), "STORE_UNUSABLE", "Rails"),
        (no_database, "STORE_UNUSABLE", "no SQLite database"),
    ] {
        let program = || {
            Program::new(&["check"])
                .env("DATABASE_URL", &url)
                .env("FRONTEND_URL", "https://h")
        };
        let (code_of_exit, text) = printed(program());
        assert_eq!(code_of_exit, Some(1), "{text}");
        let report = report(program());
        assert_eq!(problems(&report), [code], "{report:#}");
        let said = report["problems"][0]["text"].as_str().unwrap();
        assert!(said.contains(says), "{said}");
        assert!(text.contains("would not serve well"));
        assert_eq!(report["accounts"], json!(null));
    }

    // The default store is not created either.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leadchat-inbox.db");
    let url = format!("sqlite://{}", file.display());
    assert_eq!(
        problems(&report(Program::new(&["check", "--database-url", &url])))[0],
        "STORE_UNUSABLE"
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_wrong_setting_ends_a_check_before_it_reads() {
    for program in [
        Program::new(&["check", "--database-url", "postgres://u:hunter2@h/d"]),
        Program::new(&["check", "--json"]).env("DATABASE_URL", "mysql://h"),
        Program::new(&["check", "--listen", "127.0.0.1:0"]),
        Program::new(&["check"]).env("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", "alone"),
    ] {
        let output = program.output();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
    }
}
