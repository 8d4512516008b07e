//! The role of `grants`.

use super::*;

const DATABASE: [&str; 2] = ["--database-url", "postgres://owner@db/chatwoot"];

fn read_grants(arguments: &[&str]) -> Result<Task, String> {
    match read_settings(&[&["grants"], arguments].concat(), &[]) {
        Ok(settings) => Ok(settings.task),
        Err(ConfigError::Usage(error)) => Err(arguments::describe_error(&error)),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_role_has_a_default_name() {
    for (arguments, expected) in [
        (vec![], "leadchat_inbox"),
        (vec!["--role", "Leser Nr. 1"], "Leser Nr. 1"),
    ] {
        match read_grants(&[&DATABASE[..], &arguments].concat()) {
            Ok(Task::Grants { role, database }) => {
                assert_eq!(role, expected);
                assert_eq!(database.to_string(), "db:5432/chatwoot");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_invalid_role_name_is_rejected() {
    let long = "ä".repeat(32);
    for name in [&long, "pg_reader", "public", "none", "a\0b", "a\nb"] {
        let error = read_grants(&[&DATABASE[..], &["--role", name]].concat()).unwrap_err();
        assert!(error.starts_with("--role: "), "{error}");
    }
    let error = read_grants(&[&DATABASE[..], &["--role", ""]].concat()).unwrap_err();
    assert!(error.contains("--role"), "{error}");
}

#[test]
fn only_postgresql_has_users() {
    for arguments in [&["--database-url", "sqlite://file"][..], &[]] {
        let error = read_grants(arguments).unwrap_err();
        assert!(error.starts_with("DATABASE_URL"), "{error}");
    }
}
