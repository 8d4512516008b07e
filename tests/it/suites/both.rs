//! Whatever is promised holds on PostgreSQL and on SQLite alike.

use std::{collections::BTreeSet, env, process::Command};

/// Every test of one database has its twin on the other. A promise is then not
/// kept on one of them alone, or tested there alone, without anyone noticing.
#[test]
fn databases_have_the_same_tests() {
    let listed = Command::new(env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests_on = |database: &str| -> BTreeSet<String> {
        listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .filter(|test| test.contains(database))
            .map(|test| test.replace(database, "::*::"))
            .collect()
    };

    let (postgres, sqlite) = (tests_on("::postgres::"), tests_on("::sqlite::"));
    assert!(!postgres.is_empty());
    assert_eq!(postgres, sqlite);
}
