//! SQLite: opening a file.

use std::{
    fs::OpenOptions, num::NonZeroUsize, os::unix::fs::OpenOptionsExt, path::Path, time::Duration,
};

use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use super::error::{describe, open::OpenError};

/// How long a read waits for a writer of the same file, and a caller for a
/// connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// A read of a large account would otherwise sort in a temporary file, and so fail while that
/// disk is full or read-only.
const SORT_IN_MEMORY: (&str, &str) = ("temp_store", "MEMORY");

const SETTING: &str = "DATABASE_URL (--database-url)";

/// Opens a file, creating it when missing: for its owner alone, because it holds
/// passwords in clear. (SQLite gives its helper files the mode of the file.) Readers do
/// not block each other; each connection is a thread, made when it is first needed.
pub(super) async fn connect(
    path: &Path,
    connections: NonZeroUsize,
) -> Result<SqlitePool, OpenError> {
    open(path, options(path), connections).await
}

/// Opens a file that is there, for statements that change nothing.
pub(super) async fn connect_to_existing(
    path: &Path,
    connections: NonZeroUsize,
) -> Result<SqlitePool, OpenError> {
    if !path.exists() {
        return Err(OpenError::Unreachable {
            setting: SETTING,
            reason: format!(
                "there is no such file; `serve` creates it ({})",
                path.display()
            ),
        });
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma(SORT_IN_MEMORY.0, SORT_IN_MEMORY.1)
        .pragma("query_only", "ON");
    pool(path, options, connections).await
}

/// For statements that hold values themselves: none is logged.
pub(super) async fn connect_without_statement_logging(
    path: &Path,
    connections: NonZeroUsize,
) -> Result<SqlitePool, OpenError> {
    open(path, options(path).disable_statement_logging(), connections).await
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // Readers see one state and are not held up by a writer.
        .journal_mode(SqliteJournalMode::Wal)
        .pragma(SORT_IN_MEMORY.0, SORT_IN_MEMORY.1)
        .busy_timeout(BUSY_TIMEOUT)
}

async fn open(
    path: &Path,
    options: SqliteConnectOptions,
    connections: NonZeroUsize,
) -> Result<SqlitePool, OpenError> {
    // If it cannot be created, opening it says why; if it is there, it is kept.
    let mut for_its_owner = OpenOptions::new();
    for_its_owner.write(true).create_new(true).mode(0o600);
    let _ = OpenOptions::open(&for_its_owner, path);
    pool(path, options, connections).await
}

async fn pool(
    path: &Path,
    options: SqliteConnectOptions,
    connections: NonZeroUsize,
) -> Result<SqlitePool, OpenError> {
    SqlitePoolOptions::new()
        .max_connections(u32::try_from(connections.get()).unwrap_or(u32::MAX))
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|error| OpenError::Unreachable {
            setting: SETTING,
            reason: format!("{} ({})", describe(&error), path.display()),
        })
}
