//! Behaviour, over a real server and real databases.
//!
//! A file a behaviour. Tests for both databases are listed with `on_both_databases!`.
//! Each test starts the program itself, on a free port, over a database of its own.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may fail loudly, wait, look around and say what it counted"
)]

#[macro_use]
mod support;

mod suites;
