//! `check` says whether the service would serve well, and is right.

mod many;
mod shown;
mod stores;
mod terminal;

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    Backend, Database, Program, canary::MARK, cluster::Cluster, golden, leadchat_versions,
    leadchat_versions::VERSIONS, pb, program::KEY_PART, redis::Redis, reviewed::reviewed, schema,
};

on_both_databases!(
    golden_rows_are_reported_as_reviewed,
    keys_are_tried_on_encrypted_values,
    each_version_of_the_tables_is_reported,
    missing_requirements_are_named_together,
    no_stored_text_is_reported,
    an_account_that_fails_costs_no_other,
    ten_thousand_inboxes_are_counted_in_little_memory,
    an_account_costs_as_many_statements_as_any_other,
    a_check_changes_nothing,
);

use many::{
    an_account_costs_as_many_statements_as_any_other, an_account_that_fails_costs_no_other,
    ten_thousand_inboxes_are_counted_in_little_memory,
};
use shown::{golden_rows_are_reported_as_reviewed, no_stored_text_is_reported};
use stores::{
    a_check_changes_nothing, each_version_of_the_tables_is_reported,
    keys_are_tried_on_encrypted_values, missing_requirements_are_named_together,
};

/// A check of a database, with the settings that the oracle ran with.
pub(super) fn checking(database: &Database) -> Program {
    Program::new(&["check"])
        .env("DATABASE_URL", &database.url())
        .env("FRONTEND_URL", "https://chat.example.test")
        .env("MAILER_INBOUND_EMAIL_DOMAIN", "inbound.example.test")
        .env("SECRET_KEY_BASE", &KEY_PART.repeat(8))
}

/// leadchat's own tables on PostgreSQL, and an own store on SQLite, with rows.
fn with_rows(backend: Backend, rows: &str) -> Database {
    match backend {
        Backend::Sqlite if rows == golden::ROWS => backend.golden(),
        Backend::Sqlite => backend.golden_encrypted(),
        Backend::Postgres => {
            let database = Database::unique();
            let name = database.name();
            Cluster::shared().create_database(name, None);
            for script in [include_str!("../../golden/leadchat_tables.sql"), rows] {
                Cluster::shared().psql(name, script);
            }
            database
        }
    }
}

/// The exit code, and what was printed.
fn printed(program: Program) -> (Option<i32>, String) {
    let output = program.output();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

/// The report, which the exit code agrees with.
pub(super) fn report(program: Program) -> Value {
    let (code, text) = printed(program.arg("--json"));
    let report: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} {text}"));
    let is_well = report["problems"].as_array().unwrap().is_empty();
    assert_eq!(report["serves_well"], is_well, "{report:#}");
    assert_eq!(code, Some(i32::from(!is_well)), "{report:#}");
    report
}

fn codes(report: &Value, of: &str) -> Vec<String> {
    let findings = report[of].as_array().unwrap().iter();
    findings
        .map(|finding| finding["code"].as_str().unwrap().to_owned())
        .collect()
}

pub(super) fn problems(report: &Value) -> Vec<String> {
    codes(report, "problems")
}

fn notes(report: &Value) -> Vec<String> {
    codes(report, "notes")
}
