//! Clients in other languages: the conformance file, and each client against it.
//!
//! `clients/conformance.json` has calls and their expected answers. The service itself is asked
//! each of them here, so that the file is true. `make clients` then builds each client, and lets it
//! ask the same of real servers.

mod cases;
mod contracts;
mod fixed;
mod languages;
mod questions;
mod servers;

use std::{env, fs, path::PathBuf};

use serde_json::json;

use servers::Servers;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The file of cases is what the service answers. With ACCEPT=1 it is written anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_conformance_file_is_true() {
    let servers = Servers::start();
    let mut cases = Vec::new();
    for question in questions::all() {
        let case = cases::answered(&servers, question).await;
        cases::assert_kind(&case);
        cases.push(case);
    }
    let path = root().join("clients/conformance.json");
    let text = serde_json::to_string_pretty(&json!({ "cases": cases })).unwrap() + "\n";
    if env::var_os("ACCEPT").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(
        text == expected,
        "clients/conformance.json says otherwise; if this is meant, run again with ACCEPT=1\n{}",
        first_difference(&expected, &text)
    );
}

fn first_difference(expected: &str, found: &str) -> String {
    let lines = expected.lines().zip(found.lines()).enumerate();
    let first = lines.skip_while(|(_, (expected, found))| expected == found);
    first
        .take(5)
        .fold(String::new(), |text, (line, (expected, found))| {
            format!("{text}{}: {expected}\n   not {found}\n", line + 1)
        })
}
