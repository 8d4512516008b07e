//! Settings as an operator gives them.

mod callers;
mod encryption;
mod fuzz;
mod grants;
mod listen;
mod numbers;
mod postgres;
mod redis;
mod secret_files;

use std::collections::HashMap;

use super::*;
use crate::{domain::viewer::Role, store::PostgresSettings};

fn read_settings(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let arguments = ["leadchat-inbox"]
        .iter()
        .chain(arguments)
        .map(OsString::from);
    read(arguments, &|name| {
        variables.get(name).map(|value| (*value).to_owned())
    })
}

fn serve_settings(arguments: &[&str], variables: &[(&str, &str)]) -> Serve {
    match read_settings(&[&["serve"], arguments].concat(), variables).map(|settings| settings.task)
    {
        Ok(Task::Serve(serve)) => *serve,
        other => panic!("{other:?}"),
    }
}

/// The addresses, as an operator would list them.
fn listened(serve: &Serve) -> String {
    let addresses: Vec<_> = serve.listen.iter().map(ToString::to_string).collect();
    addresses.join(",")
}

fn postgres(serve: &Serve) -> &PostgresSettings {
    match &serve.database {
        Some(DatabaseSettings::Postgres(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

fn rejection(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    match read_settings(&[&["serve"], arguments].concat(), variables) {
        Err(ConfigError::Usage(error)) => arguments::describe_error(&error),
        Err(error) => error.to_string(),
        Ok(settings) => panic!("{settings:?}"),
    }
}

#[test]
fn defaults_are_a_file_and_loopback() {
    let serve = serve_settings(&[], &[]);
    assert_eq!(listened(&serve), "127.0.0.1:50051");
    assert!(matches!(
        serve.callers,
        CallersSettings::BuiltIn(Role::Agent)
    ));
    assert!(
        matches!(serve.database, Some(DatabaseSettings::Sqlite(path)) if path.ends_with("leadchat-inbox.db"))
    );
}

#[test]
fn a_response_has_a_size_between_bounds() {
    const FLAG: &str = "--max-response-bytes";
    const VARIABLE: &str = "MAX_RESPONSE_BYTES";
    let set = |text| serve_settings(&[], &[(VARIABLE, text)]).max_response_bytes;
    assert_eq!(set(""), 3 << 20);
    for (text, bytes) in [
        ("3145728", 3 << 20),
        ("3MiB", 3 << 20),
        ("16 MiB", 16 << 20),
        ("256KiB", 256 << 10),
        ("64MiB", 64 << 20),
    ] {
        assert_eq!(set(text), bytes, "{text}");
    }
    let both = serve_settings(&[FLAG, "4MiB"], &[(VARIABLE, "5MiB")]);
    assert_eq!(both.max_response_bytes, 4 << 20);
    for wrong in [
        "0",
        "-1",
        "3",
        "262143",
        "255KiB",
        "65MiB",
        "67108865",
        "3 MB",
        "3mib",
        "MiB",
        "1.5MiB",
        "1GiB",
        "18446744073709551615MiB",
        "99999999999999999999",
    ] {
        let reason = "must be a size from 256KiB to 64MiB, such as 3MiB or 3145728";
        assert_eq!(
            rejection(&[], &[(VARIABLE, wrong)]),
            format!("{VARIABLE}: {reason}")
        );
        let flag = format!("{FLAG}={wrong}");
        assert_eq!(rejection(&[&flag], &[]), format!("{FLAG}: {reason}"));
    }
}

#[test]
fn a_check_has_the_settings_of_serve() {
    let variables = [
        ("FRONTEND_URL", "https://chat.example.test"),
        ("REDIS_URL", "redis://h/2"),
        ("SECRET_KEY_BASE", "s"),
        ("DATABASE_URL", "sqlite://from-variable"),
    ];
    let settings = read_settings(&["check", "--json"], &variables).unwrap();
    assert_eq!(settings.task.default_log_filter(), "error");
    let Task::Check(check) = settings.task else {
        panic!()
    };
    let serve = serve_settings(&[], &variables);
    let said = |it: &dyn std::fmt::Debug| format!("{it:?}");
    assert!(check.as_json);
    assert_eq!(said(&Some(&check.database)), said(&serve.database.as_ref()));
    assert_eq!(said(&check.redis), said(&serve.redis));
    assert_eq!(said(&check.installation), said(&serve.installation));
    assert_eq!(said(&check.secrets), said(&serve.secrets));
    assert!(check.secrets.secret_key_base.is_some());
}

#[test]
fn a_flag_counts_before_its_variable() {
    let variables = [
        ("LISTEN_ADDR", "[::1]:1"),
        ("DATABASE_URL", "sqlite://from-variable"),
    ];
    let serve = serve_settings(&[], &variables);
    assert_eq!(listened(&serve), "[::1]:1");
    let serve = serve_settings(
        &["--listen", "localhost:2", "--database-url", "sqlite:flag"],
        &variables,
    );
    assert_eq!(listened(&serve), "127.0.0.1:2");
    assert!(
        matches!(serve.database, Some(DatabaseSettings::Sqlite(path)) if path.ends_with("flag"))
    );
}

#[test]
fn demo_ignores_the_database() {
    assert!(
        serve_settings(&["--demo"], &[("DATABASE_URL", "nonsense")])
            .database
            .is_none()
    );
}

#[test]
fn only_loopback_addresses_are_accepted() {
    let socket = serve_settings(&["--listen", "unix:/run/x"], &[]);
    assert_eq!(listened(&socket), "unix:/run/x");
    for address in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[2001:db8::1]:80"] {
        let error = rejection(&["--listen", address], &[]);
        assert!(error.starts_with("--listen"), "{error}");
        assert!(
            error.contains("can be reached from other machines"),
            "{error}"
        );
    }
    for address in [
        "",
        "localhost",
        "127.0.0.1",
        "example.com:1",
        "unix:",
        "127.0.0.1:70000",
    ] {
        assert!(
            rejection(&["--listen", address], &[]).starts_with("--listen"),
            "{address}"
        );
    }
}

#[test]
fn a_password_is_taken_from_the_environment_alone() {
    for url in [
        "postgres://me:hunter2@db/x",
        "postgres://db/x?password=hunter2",
        "postgres://a:hunter2@[/",
    ] {
        let error = rejection(&["--database-url", url], &[]);
        assert!(error.starts_with("--database-url: a password"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        let error = rejection(&[url], &[]);
        assert!(!error.contains("hunter2"), "{error}");
    }
    let serve = serve_settings(&[], &[("DATABASE_URL", "postgres://me:hunter2@db/x")]);
    assert!(!format!("{serve:?}").contains("hunter2"), "{serve:?}");
    serve_settings(&["--database-url", "postgresql://me@db/x"], &[]);
}

#[test]
fn a_misplaced_url_is_not_quoted() {
    for url in ["postgres://me:hunter2@db/x", "postgres:/me:hunter2@db/x"] {
        for arguments in [&["--listen", url], &["--local-role", url], &["--demo", url]] {
            let error = rejection(arguments, &[]);
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = rejection(&[], &[("LISTEN_ADDR", url)]);
        assert!(error.starts_with("LISTEN_ADDR: this is neither"), "{error}");
    }
    // Anything else is.
    let error = rejection(&[], &[("LISTEN_ADDR", "example.com:1")]);
    assert!(
        error.starts_with("LISTEN_ADDR: \"example.com:1\" is"),
        "{error}"
    );
}

#[test]
fn pgbouncer_is_a_flag_or_a_variable() {
    let url = ("DATABASE_URL", "postgres://db/x");
    for (arguments, variable, through) in [
        (vec![], "", false),
        (vec![], "false", false),
        (vec![], "true", true),
        (vec!["--pgbouncer"], "", true),
        (vec!["--pgbouncer"], "false", true),
    ] {
        let serve = serve_settings(&arguments, &[url, ("PGBOUNCER", variable)]);
        assert_eq!(postgres(&serve).pgbouncer, through);
    }
    let parts = [("POSTGRES_HOST", "db"), ("PGBOUNCER", "true")];
    assert!(postgres(&serve_settings(&[], &parts)).pgbouncer);
    let error = rejection(&[], &[url, ("PGBOUNCER", "yes")]);
    assert_eq!(error, "PGBOUNCER: must be true or false");
}

/// A word that is none would be taken for the default, which verifies nothing.
#[test]
fn unknown_tls_modes_are_rejected() {
    let url = ("DATABASE_URL", "postgres://db/x");
    let error = rejection(&[], &[url, ("PGSSLMODE", "verify_full")]);
    assert!(
        error.starts_with("PGSSLMODE: must be one of disable, "),
        "{error}"
    );
    for mode in ["verify-full", "require", ""] {
        serve_settings(&[], &[url, ("PGSSLMODE", mode)]);
    }
    let files = |url: &str| {
        let variables = [
            ("DATABASE_URL", url),
            ("PGSSLROOTCERT", "/from/variable"),
            ("PGSSLKEY", "-----BEGIN PRIVATE KEY-----"),
        ];
        let settings = postgres(&serve_settings(&[], &variables)).clone();
        let files = settings.tls_files.into_iter();
        files
            .map(|file| (file.setting, file.path, file.is_authority))
            .collect::<Vec<_>>()
    };
    let key = ("PGSSLKEY", None, false);
    assert_eq!(
        files("postgres://db/x"),
        [
            ("PGSSLROOTCERT", Some("/from/variable".into()), true),
            key.clone()
        ]
    );
    assert_eq!(
        files("postgres://db/x?sslrootcert=/a&ssl-ca=/b&sslcert=/c"),
        [
            ("sslrootcert", Some("/b".into()), true),
            ("sslcert", Some("/c".into()), false),
            key
        ]
    );
}

#[test]
fn wrong_urls_and_flags_are_named() {
    for url in [
        "mysql://x",
        "sqlite::memory:",
        "sqlite://",
        "sqlite://x?mode=ro",
        "x",
        "postgres",
    ] {
        assert!(
            rejection(&[], &[("DATABASE_URL", url)]).starts_with("DATABASE_URL: "),
            "{url}"
        );
    }
    let error = rejection(&["--local-role", "owner"], &[]);
    assert!(error.contains("--local-role"), "{error}");
    assert!(error.contains("agent, administrator"), "{error}");
    assert!(rejection(&["--nope"], &[]).contains("--nope"));
}

#[test]
fn logs_are_for_people_unless_json_is_asked_for() {
    let format = |arguments: &[&str], variable: &str| {
        let variables = [("LOG_FORMAT", variable), ("DATABASE_URL", "sqlite:x")];
        ["serve", "migrate"].map(|command| {
            let settings = read_settings(&[&[command], arguments].concat(), &variables);
            settings.unwrap().log_format
        })
    };
    assert_eq!(format(&[], ""), [LogFormat::Pretty; 2]);
    assert_eq!(format(&[], "pretty"), [LogFormat::Pretty; 2]);
    assert_eq!(format(&[], "json"), [LogFormat::Json; 2]);
    assert_eq!(
        format(&["--log-format", "pretty"], "json"),
        [LogFormat::Pretty; 2]
    );
    assert_eq!(
        format(&["--log-format", "json"], "nonsense"),
        [LogFormat::Json; 2]
    );

    let error = rejection(&[], &[("LOG_FORMAT", "JSON")]);
    assert_eq!(error, "LOG_FORMAT: \"JSON\" is neither pretty nor json");
    let error = rejection(&["--log-format", "xml"], &[]);
    assert!(error.contains("--log-format"), "{error}");
    assert!(error.contains("pretty, json"), "{error}");
}

#[test]
fn force_ssl_and_the_mail_domain_are_read_as_rails_reads_them() {
    let voice = |variables: &[(&str, &str)]| {
        serve_settings(&[], variables)
            .installation
            .links
            .voice_call("+1")
            .unwrap_or_default()
    };
    assert_eq!(voice(&[]), "");
    assert!(voice(&[("FRONTEND_URL", "a.test"), ("FORCE_SSL", "true")]).starts_with("https://"));
    assert!(voice(&[("FRONTEND_URL", "a.test"), ("FORCE_SSL", "off")]).starts_with("http://"));
    assert!(voice(&[("FRONTEND_URL", "")]).starts_with("http:///"));

    let forwards = |domain| {
        let variables = [("MAILER_INBOUND_EMAIL_DOMAIN", domain)];
        serve_settings(&[], &variables)
            .installation
            .forwarding_enabled
    };
    assert!(forwards("mail.test"));
    assert!(!forwards(" \u{a0}\t"));
}
