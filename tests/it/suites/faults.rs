//! Faults of all that the service depends on, each provoked on real servers: the error of a
//! caller, the time until it, and the recovery. `docs/operations.md` has a table of them.
//!
//! A fault that cannot be provoked on a machine fails its test, with what to install.

mod caller;
mod certificates;
mod clock;
mod connections;
mod failover;
mod files;
mod load;
mod memory;
mod postgresql;
mod redis;
mod sqlite;
mod table;

use crate::support::{answers, cluster::Cluster};

/// The database of leadchat on a cluster of a test's own.
const NAME: &str = "leadchat";

fn filled() -> Cluster {
    let cluster = Cluster::start();
    answers::fill(&cluster, NAME);
    cluster
}
