//! The limits that the system gives this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::grpc::{MAX_CONNECTIONS, RESERVED_CONNECTIONS};

/// Open files beside the connections of callers and to the database.
const OTHER_OPEN_FILES: usize = 64;

/// Open files of a connection to the database: SQLite has three.
const FILES_PER_CONNECTION: usize = 3;

/// Prepares the process to serve, over so many connections to the database.
pub fn prepare_process(database_connections: usize) {
    let of_database = FILES_PER_CONNECTION * database_connections;
    let of_callers = MAX_CONNECTIONS + RESERVED_CONNECTIONS;
    raise_open_files_limit((of_callers + of_database + OTHER_OPEN_FILES) as u64);
    forbid_core_files();
}

/// Raises the soft limit of open files. Warns if the limit is too low for all connections
/// of clients and of the store.
fn raise_open_files_limit(wanted: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // The soft limit stays as it was where the system refuses.
    let _ = setrlimit(Resource::Nofile, limit);
    // `None` is no limit.
    if let Some(available) = getrlimit(Resource::Nofile).current
        && available < wanted
    {
        warn!(
            available,
            wanted, "too few open files for all connections; raise the hard limit (ulimit -n)"
        );
    }
}

/// A core file would hold the secrets of inboxes and keys.
fn forbid_core_files() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        warn!(%error, "core files cannot be forbidden; they would hold secrets");
    }
}
