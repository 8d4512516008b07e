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
mod watches;

use std::path::PathBuf;

use serde_json::json;

use crate::support::reviewed::reviewed_at;
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
    let text = serde_json::to_string_pretty(&json!({ "cases": cases })).unwrap();
    reviewed_at("clients/conformance.json", &text);
}
