//! Known callers: each is identified, and may ask what its rules permit. All else is denied
//! before anything is read.
//!
//! Callers of these tests connect over a Unix socket, with the user id of this process, over
//! a loopback address, or with a certificate over TLS.

mod audit;
mod authentication;
mod certificates;
mod clients;
mod command;
mod delegation;
mod disclosure;
mod explain;
pub mod issuers;
mod limits;
pub mod network;
mod quota;
mod refusals;
mod reload;
mod renewal;
mod rules;
mod tokens;
mod watches;

use std::collections::HashMap;

use tonic::Status;
use tonic_types::StatusExt;

use crate::support::{Client, Database, Program, pb, program::Server, reason};

/// The user id of this process.
fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A callers file with one caller of this process, and these rules.
fn file(rules: &str) -> String {
    format!(
        "version = 1\n[[caller]]\nname = \"me\"\nuids = [{}]\n{rules}",
        uid()
    )
}

/// A rule for all methods, and more keys.
fn rule(more: &str) -> String {
    format!(
        "[[caller.may]]\nmethods = [\"GetInbox\", \"ListInboxes\", \"BatchGetInboxes\", \"FindInboxes\"]\n{more}\n"
    )
}

/// A server on a Unix socket in its folder.
fn on_socket(database: &Database, callers: &str) -> Server {
    on_socket_with(Program::caching(database), callers)
}

fn on_socket_with(program: Program, callers: &str) -> Server {
    let program = program.without_listen().with_callers(callers);
    let socket = format!("unix:{}", program.folder().join("socket").display());
    program.args(["--listen", &socket]).start()
}

/// The demonstration data.
fn demo() -> Program {
    Program::new(&["serve", "--demo", "--listen", "127.0.0.1:0"])
}

/// The metadata of an error.
fn metadata(status: &Status) -> HashMap<String, String> {
    status.get_details_error_info().unwrap().metadata
}

/// The missing part of a request that was not permitted.
fn needs(status: &Status) -> String {
    assert_eq!(reason(status), "CALLER_NOT_PERMITTED", "{status:?}");
    assert_eq!(metadata(status)["caller"], "me");
    metadata(status)["needs"].clone()
}

async fn get(client: &Client, account: i64, viewer: pb::Viewer) -> Result<(), Status> {
    let request = pb::GetInboxRequest {
        account_id: account,
        inbox_id: 1,
        viewer: Some(viewer),
        ..Default::default()
    };
    client.get(request).await.map(|_| ())
}
