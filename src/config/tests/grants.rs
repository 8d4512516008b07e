//! Who the reader of a database is to be.

use super::*;

const DATABASE: [&str; 2] = ["--database-url", "postgres://owner@db/chatwoot"];

fn granting(arguments: &[&str]) -> Result<Task, String> {
    match reading(&[&["grants"], arguments].concat(), &[]) {
        Ok(settings) => Ok(settings.task),
        Err(ConfigError::Usage(error)) => Err(arguments::in_one_line(&error)),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_reader_has_a_name_unless_given_one() {
    for (arguments, expected) in [
        (vec![], "leadchat_inbox"),
        (vec!["--role", "Leser Nr. 1"], "Leser Nr. 1"),
    ] {
        match granting(&[&DATABASE[..], &arguments].concat()) {
            Ok(Task::Grants { role, database }) => {
                assert_eq!(role, expected);
                assert_eq!(database.to_string(), "db:5432/chatwoot");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_name_that_no_role_can_have_is_refused() {
    let long = "ä".repeat(32);
    for name in [&long, "pg_reader", "public", "none", "a\0b", "a\nb"] {
        let error = granting(&[&DATABASE[..], &["--role", name]].concat()).unwrap_err();
        assert!(error.starts_with("--role: "), "{error}");
    }
    let error = granting(&[&DATABASE[..], &["--role", ""]].concat()).unwrap_err();
    assert!(error.contains("--role"), "{error}");
}

#[test]
fn only_postgresql_has_users() {
    for arguments in [&["--database-url", "sqlite://file"][..], &[]] {
        let error = granting(arguments).unwrap_err();
        assert!(error.starts_with("DATABASE_URL"), "{error}");
    }
}
