//! Secrets that come from files.

use std::{collections::BTreeSet, fs};

use regex::Regex;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::{super::secret_files::SECRETS, *};
use crate::store::{RedisAddress, SecretReading};

/// A folder of files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The path of a file with this content.
    fn with(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

/// A value of each variable, and the other variables that it needs.
fn value_of(variable: &str) -> (&'static str, &'static [(&'static str, &'static str)]) {
    const KEYS: [(&str, &str); 3] = [
        ("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", "hunter2"),
        ("ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY", "hunter2"),
        ("ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT", "hunter2"),
    ];
    match variable {
        "DATABASE_URL" => ("postgres://me:hunter2@db/x", &[]),
        "PGPASSWORD" => ("hunter2", &[("DATABASE_URL", "postgres://me@db/x")]),
        "REDIS_URL" => ("redis://me:hunter2@redis/1", &[]),
        "REDIS_PASSWORD" => ("hunter2", &[("REDIS_URL", "redis://redis")]),
        "REDIS_SENTINEL_PASSWORD" => ("hunter2", &[("REDIS_SENTINELS", "a:1")]),
        name if name.starts_with("ACTIVE_RECORD") => ("hunter2", &KEYS),
        _ => ("hunter2", &[]),
    }
}

/// The secrets of settings, which `Debug` does not print.
fn secrets(serve: &Serve) -> Vec<Option<String>> {
    let secret = |it: Option<&SecretString>| it.map(|it| it.expose_secret().to_owned());
    let redis = serve.redis.as_ref();
    let sentinels = redis.and_then(|redis| match &redis.address {
        RedisAddress::Sentinels(sentinels) => sentinels.password.as_ref(),
        _ => None,
    });
    let keys = serve.secrets.encryption.as_ref();
    vec![
        secret(serve.secrets.secret_key_base.as_ref()),
        redis.and_then(|redis| redis.username.clone()),
        secret(redis.and_then(|redis| redis.password.as_ref())),
        secret(sentinels),
        secret(keys.map(|keys| &keys.primary_key)),
        secret(keys.map(|keys| &keys.deterministic_key)),
        secret(keys.map(|keys| &keys.key_derivation_salt)),
    ]
}

#[test]
fn each_secret_may_come_from_a_file() {
    let files = Files::new();
    for (variable, _) in SECRETS {
        let (value, others) = value_of(variable);
        let others = others.iter().copied().filter(|(name, _)| *name != variable);
        let others: Vec<_> = others.collect();
        let file = format!("{variable}_FILE");
        let path = files.with(variable, format!("{value}\n"));
        let from_file = [&others[..], &[(file.as_str(), path.as_str())]].concat();
        let from_variable = [&others[..], &[(variable, value)]].concat();
        let with_file = serve_settings(&[], &from_file);
        let with_variable = serve_settings(&[], &from_variable);
        assert_eq!(secrets(&with_file), secrets(&with_variable), "{variable}");
        let shown = format!("{with_file:?}");
        assert_eq!(shown, format!("{with_variable:?}"), "{variable}");
        assert!(!shown.contains("hunter2"), "{shown}");
        // An empty variable counts as not set, except one.
        let with_empty = [&from_file[..], &[(variable, "")]].concat();
        if variable == "REDIS_SENTINEL_PASSWORD" {
            rejection(&[], &with_empty);
        } else {
            serve_settings(&[], &with_empty);
        }
        serve_settings(&[], &[&from_variable[..], &[(&file, "")]].concat());

        let both = [&from_variable[..], &[(&file, &path)]].concat();
        let error = rejection(&[], &both);
        let expected = format!("{variable} and {file} are both set; leave one of them out");
        assert_eq!(error, expected);
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_not_quoted() {
    let files = Files::new();
    let path = files.with("secret", "");
    let folder = files.0.path().display().to_string();
    let missing = format!("{folder}/missing");
    for (variable, _) in SECRETS {
        let file = format!("{variable}_FILE");
        for (content, reason) in [
            (Vec::new(), "is empty"),
            (b"\n".to_vec(), "is empty"),
            (b"hunter2\xff".to_vec(), "is not UTF-8"),
            (b"hunter2".repeat(40_000), "is larger than 256 KiB"),
        ] {
            files.with("secret", content);
            let error = rejection(&[], &[(&file, &path)]);
            assert_eq!(error, format!("{file}: {path} {reason}"));
        }
        let error = rejection(&[], &[(&file, &missing)]);
        let reason = "cannot be read: entity not found";
        assert_eq!(error, format!("{file}: {missing} {reason}"));
        let error = rejection(&[], &[(&file, &folder)]);
        assert_eq!(error, format!("{file}: {folder} is not a regular file"));
    }
    // An invalid value is not quoted, either.
    for name in ["DATABASE_URL", "REDIS_URL"] {
        files.with("secret", "nonsense://me:hunter2@db/x");
        let error = rejection(&[], &[(&format!("{name}_FILE"), &path)]);
        assert!(error.starts_with(name), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// Each command reads the files of its own settings.
#[test]
fn other_commands_ignore_the_files() {
    let missing = "/nowhere/at/all";
    for (variable, _) in SECRETS {
        let file = format!("{variable}_FILE");
        let variables = [(file.as_str(), missing)];
        let is_read = |command: &[&str]| {
            let settings = read_settings(command, &variables);
            matches!(settings, Err(ConfigError::SecretFile { .. }))
        };
        let is_of_database = ["DATABASE_URL", "POSTGRES_PASSWORD", "PGPASSWORD"];
        let is_of_database = is_of_database.contains(&variable);
        let is_of_redis = variable.starts_with("REDIS_");
        assert!(is_read(&["serve"]), "{variable}");
        assert!(is_read(&["check"]), "{variable}");
        let is_of_demo = !is_of_database && !is_of_redis;
        assert_eq!(is_read(&["serve", "--demo"]), is_of_demo, "{variable}");
        assert_eq!(is_read(&["migrate"]), is_of_database, "{variable}");
        assert_eq!(is_read(&["grants"]), is_of_database, "{variable}");
        assert!(!is_read(&["callers", "--callers", "x"]), "{variable}");
    }
}

#[test]
fn a_check_lists_the_secrets_in_files() {
    let files = Files::new();
    let path = files.with("secret", "hunter2");
    let variables = [
        ("POSTGRES_PASSWORD_FILE", path.as_str()),
        ("SECRET_KEY_BASE_FILE", path.as_str()),
        ("REDIS_PASSWORD", "hunter2"),
    ];
    match read_settings(&["check"], &variables).unwrap().task {
        Task::Check(check) => {
            let expected = [
                ("POSTGRES_PASSWORD", SecretReading::EachConnection),
                ("SECRET_KEY_BASE", SecretReading::Start),
            ];
            assert_eq!(check.secret_files, expected);
        }
        other => panic!("{other:?}"),
    }
}

/// A file that nothing needs is listed, too.
#[test]
fn a_check_lists_when_a_secret_is_read() {
    let files = Files::new();
    let password = files.with("password", "hunter2");
    let with_password = files.with("url", "postgres://me:hunter2@db/x");
    let sqlite = files.with("sqlite", "sqlite:///tmp/x");
    let redis = files.with("redis", "redis://redis");
    let of = |arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["check"], arguments].concat();
        match read_settings(&arguments, variables).unwrap().task {
            Task::Check(check) => check.secret_files,
            other => panic!("{other:?}"),
        }
    };
    let url_file = ("DATABASE_URL_FILE", with_password.as_str());
    let sqlite_file = ("DATABASE_URL_FILE", sqlite.as_str());
    let sentinels = ("REDIS_SENTINELS", "a:1");
    let (connection, start, never) = (
        SecretReading::EachConnection,
        SecretReading::Start,
        SecretReading::Never,
    );
    for (arguments, variables, variable, expected) in [
        (&[][..], vec![url_file], "DATABASE_URL", connection),
        (&[], vec![sqlite_file], "DATABASE_URL", start),
        (
            &["--database-url", "postgres://db/x"],
            vec![url_file],
            "DATABASE_URL",
            never,
        ),
        (
            &["--database-url", "sqlite:///tmp/y"],
            vec![sqlite_file],
            "DATABASE_URL",
            never,
        ),
        (
            &[],
            vec![url_file, ("POSTGRES_PASSWORD_FILE", &password)],
            "POSTGRES_PASSWORD",
            never,
        ),
        (
            &[],
            vec![("POSTGRES_HOST", "db"), ("PGPASSWORD_FILE", &password)],
            "PGPASSWORD",
            never,
        ),
        (
            &[],
            vec![("REDIS_PASSWORD_FILE", &password)],
            "REDIS_PASSWORD",
            never,
        ),
        (
            &[],
            vec![sentinels, ("REDIS_SENTINEL_PASSWORD_FILE", &password)],
            "REDIS_SENTINEL_PASSWORD",
            connection,
        ),
        (
            &[],
            vec![sentinels, ("REDIS_URL_FILE", &redis)],
            "REDIS_URL",
            never,
        ),
    ] {
        let listed = of(arguments, &variables);
        let found = listed.iter().find(|(name, _)| *name == variable);
        assert_eq!(found, Some(&(variable, expected)), "{variables:?}");
    }
}

fn url_file(path: &str) -> (&str, &str) {
    ("DATABASE_URL_FILE", path)
}

/// The file that is read anew is the one of the password that counts.
#[test]
fn the_password_that_counts_is_read_anew() {
    let files = Files::new();
    let password = files.with("password", "hunter2");
    let with_password = files.with("url", "postgres://me:hunter2@db/x");
    let without_password = files.with("bare", "postgres://me@db/x");
    let url = |url| ("DATABASE_URL", url);
    let password_file = ("POSTGRES_PASSWORD_FILE", password.as_str());
    let (of_url, of_password) = ("DATABASE_URL", "POSTGRES_PASSWORD");
    for (variables, read_anew) in [
        (vec![password_file], &[of_password][..]),
        (
            vec![url("postgres://me@db/x"), password_file],
            &[of_password],
        ),
        (vec![url("postgres://me:pw@db/x"), password_file], &[]),
        (vec![url_file(&with_password)], &[of_url]),
        (vec![url_file(&without_password)], &[of_url]),
        (vec![url_file(&with_password), password_file], &[of_url]),
        (
            vec![url_file(&without_password), password_file],
            &[of_url, of_password],
        ),
        (vec![url("postgres://me:pw@db/x")], &[]),
    ] {
        let serve = serve_settings(&[], &variables);
        let files = &postgres(&serve).credentials_files;
        assert_eq!(files.variables(), read_anew, "{variables:?}");
    }
    // The flag takes precedence, and has no password.
    let arguments = ["--database-url", "postgres://me@db/x"];
    let serve = serve_settings(&arguments, &[url_file(&with_password)]);
    assert_eq!(postgres(&serve).credentials_files.variables(), [""; 0]);

    let redis_url = files.with("redis", "redis://:hunter2@redis");
    let redis_password = ("REDIS_PASSWORD_FILE", password.as_str());
    let url_file = ("REDIS_URL_FILE", redis_url.as_str());
    let sentinels = ("REDIS_SENTINELS", "a:1");
    let (of_url, of_password) = ("REDIS_URL", "REDIS_PASSWORD");
    let of_sentinel = "REDIS_SENTINEL_PASSWORD";
    for (variables, of_redis, of_sentinels) in [
        (vec![url_file], &[of_url][..], &[][..]),
        (
            vec![("REDIS_URL", "redis://redis"), redis_password],
            &[of_password],
            &[],
        ),
        (vec![url_file, ("REDIS_PASSWORD", "pw")], &[of_url], &[]),
        (vec![url_file, redis_password], &[of_password, of_url], &[]),
        (
            vec![sentinels, redis_password],
            &[of_password],
            &[of_password],
        ),
        (
            vec![sentinels, redis_password, (of_sentinel, "")],
            &[of_password],
            &[],
        ),
        (
            vec![sentinels, ("REDIS_SENTINEL_PASSWORD_FILE", &password)],
            &[],
            &[of_sentinel],
        ),
    ] {
        let redis = serve_settings(&[], &variables).redis.unwrap();
        let read_anew = redis.credentials_files.variables();
        assert_eq!(read_anew, of_redis, "{variables:?}");
        let read_anew = match &redis.address {
            RedisAddress::Sentinels(sentinels) => sentinels.credentials_files.variables(),
            _ => Vec::new(),
        };
        assert_eq!(read_anew, of_sentinels, "{variables:?}");
    }
}

/// The document has a row for each secret.
#[test]
fn the_secrets_are_those_of_the_document() {
    let document = include_str!("../../../docs/settings.md");
    let (_, section) = document.split_once("\n### Secrets in files\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let row = Regex::new(r"(?m)^\| `([A-Z_]+)_FILE` \|").unwrap();
    let rows = row.captures_iter(section).map(|row| row[1].to_owned());
    let rows: BTreeSet<_> = rows.collect();
    let secrets = SECRETS.iter().map(|(variable, _)| (*variable).to_owned());
    assert_eq!(rows, secrets.collect());
}
