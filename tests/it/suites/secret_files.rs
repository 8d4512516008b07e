//! Secrets in files: each of them, and rotation without a restart.

mod rotation;

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;

use super::{
    check::{checking, problems, report},
    field::parts::{NAME, with_passwords},
};
use crate::support::{
    Backend, Program,
    canary::{PASSWORD, REDIS_PASSWORD},
    cluster::Cluster,
    golden,
    program::KEY_PART,
    redis::Redis,
    viewer,
};

/// A URL without a password.
fn url(cluster: &Cluster) -> String {
    format!("postgres://rails@127.0.0.1:{}/{NAME}", cluster.port)
}

/// The variables of the table in docs/settings.md, which has a row for each secret.
fn secrets() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let document = fs::read_to_string(path).unwrap();
    let row = Regex::new(r"(?m)^\| `([A-Z_]+)_FILE` \|").unwrap();
    let rows = row.captures_iter(&document);
    let secrets: BTreeSet<_> = rows.map(|row| row[1].to_owned()).collect();
    assert_eq!(secrets.len(), 10, "{secrets:?}");
    secrets
}

/// The one line of a start that is refused for its settings.
fn refusal(program: Program) -> String {
    let output = program.output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(output.stdout.is_empty());
    said
}

/// A canary in a file or a variable would be found in the output.
#[test]
fn refused_files_are_named_and_not_quoted() {
    for name in secrets() {
        let file = format!("{name}_FILE");
        for command in ["serve", "check"] {
            let program = || Program::new(&[command]).with_file("secret", PASSWORD);
            let both = program().env(&name, PASSWORD).env(&file, "secret");
            let expected = format!("leadchat-inbox: {name} and {file} are both set");
            let said = refusal(both);
            assert!(said.starts_with(&expected), "{said}");

            let missing = refusal(program().env(&file, "missing"));
            let expected = format!("leadchat-inbox: {file}: missing cannot be read");
            assert!(missing.starts_with(&expected), "{missing}");

            for (content, reason) in [
                (Vec::new(), "is empty"),
                ([PASSWORD.as_bytes(), b"\xff"].concat(), "is not UTF-8"),
                (PASSWORD.repeat(40_000).into(), "is larger than 256 KiB"),
            ] {
                let program = program().env(&file, "secret");
                fs::write(program.folder().join("secret"), content).unwrap();
                let expected = format!("leadchat-inbox: {file}: secret {reason}\n");
                assert_eq!(refusal(program), expected);
            }
        }
    }
}

/// The files hold what a server and its commands need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_read_passwords_in_files() {
    let cluster = with_passwords();
    let with_password = url(&cluster).replace('@', &format!(":{PASSWORD}@"));
    let port = cluster.port.to_string();
    let in_file = |program: Program, variable: &str, content: &str| {
        program
            .with_file("secret", &format!("{content}\n"))
            .env(&format!("{variable}_FILE"), "secret")
    };
    let all = |command: &str| {
        let program = || Program::new(&[command]);
        let of_url = || program().env("DATABASE_URL", &url(&cluster));
        let in_parts = program()
            .env("POSTGRES_HOST", "127.0.0.1")
            .env("POSTGRES_PORT", &port)
            .env("POSTGRES_DATABASE", NAME)
            .env("POSTGRES_USERNAME", "rails");
        [
            in_file(program(), "DATABASE_URL", &with_password),
            in_file(of_url(), "POSTGRES_PASSWORD", PASSWORD),
            in_file(of_url(), "PGPASSWORD", PASSWORD),
            in_file(in_parts, "POSTGRES_PASSWORD", PASSWORD),
        ]
    };
    for program in all("grants") {
        let output = program.output();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    for program in all("migrate") {
        let said = program.refusal();
        assert!(said.contains("Rails"), "{said}");
    }
    for program in all("serve") {
        let server = program.args(["--listen", "127.0.0.1:0"]).start();
        let client = server.client().await;
        assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
    }
}

#[test]
fn a_check_lists_the_secrets_in_files() {
    let cluster = with_passwords();
    let redis = Redis::start(&[&format!("requirepass {REDIS_PASSWORD}")]);
    let check = || {
        Program::new(&["check"])
            .env("DATABASE_URL", &url(&cluster))
            .env("FRONTEND_URL", "https://chat.example.test")
            .env("REDIS_URL", &redis.url())
            .with_file("postgres", PASSWORD)
            .env("POSTGRES_PASSWORD_FILE", "postgres")
            .with_file("redis", REDIS_PASSWORD)
            .env("REDIS_PASSWORD_FILE", "redis")
            .with_file("rails", &KEY_PART.repeat(8))
            .env("SECRET_KEY_BASE_FILE", "rails")
    };
    let of_files = report(check());
    assert_eq!(problems(&of_files), [""; 0]);
    assert_eq!(of_files["redis"]["state"], "answers");
    assert_eq!(of_files["settings"]["secret_key_base_set"], true);
    let listed = &of_files["settings"]["secret_files"];
    let expected = [
        (
            "POSTGRES_PASSWORD",
            "each_connection",
            "read for each connection",
        ),
        (
            "REDIS_PASSWORD",
            "each_connection",
            "read for each connection",
        ),
        ("SECRET_KEY_BASE", "start", "read at the start"),
    ];
    let objects =
        expected.map(|(variable, read, _)| serde_json::json!({"variable": variable, "read": read}));
    assert_eq!(*listed, serde_json::json!(objects));

    let text = String::from_utf8(check().output().stdout).unwrap();
    for (variable, _, read) in expected {
        let line = format!("  secret in a file      {variable}, {read}\n");
        assert!(text.contains(&line), "{text}");
    }
    let database = Backend::Sqlite.golden();
    let without = String::from_utf8(checking(&database).output().stdout).unwrap();
    assert!(!without.contains("secret in a file"), "{without}");
}

/// Values of encrypted columns are decrypted with keys in files.
#[test]
fn keys_may_stand_in_files() {
    let database = Backend::Sqlite.golden_encrypted();
    let mut program = checking(&database);
    for (name, key) in golden::encryption().keys {
        let variable = format!("ACTIVE_RECORD_ENCRYPTION_{}_FILE", name.to_uppercase());
        program = program.with_file(&name, &format!("{key}\n"));
        program = program.env(&variable, &name);
    }
    let report = report(program);
    assert_eq!(report["encryption"]["state"], "usable", "{report:#}");
    assert_eq!(problems(&report), [""; 0]);
}
