//! Where logs go: standard error, one line an event.

use std::{
    io::{IsTerminal, stderr},
    panic,
};

use tracing::error;
use tracing_subscriber::EnvFilter;

/// Starts logging. What a panic says may quote a value, so only its place is
/// told. `filter` is RUST_LOG; what cannot be read of it is left out.
pub fn start(filter: Option<&str>) {
    let filter = EnvFilter::builder().parse_lossy(filter.unwrap_or("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        error!(
            place = place.as_deref().unwrap_or("unknown"),
            "a task panicked"
        );
    }));
}
