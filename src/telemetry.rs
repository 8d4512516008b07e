//! Where logs go: standard error, one line an event, for people or as JSON.
//!
//! No value of a request or of a row is logged. Targets of libraries that would log one
//! are off, regardless of RUST_LOG.

use std::{
    fmt,
    io::{IsTerminal, stderr},
    panic,
};

use tracing::{Subscriber, error, subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{Directive, filter_fn},
    fmt::layer,
    prelude::*,
    registry::{LookupSpan, Registry},
};

use crate::config::LogFormat;

/// Starts logging. `filter` is RUST_LOG, without the parts that cannot be parsed;
/// `default` counts if it is not set. Events of a target that begins with one of
/// `unlogged` are dropped. A panic is logged with its location alone, since its message
/// may quote a value.
pub fn start(format: LogFormat, filter: Option<&str>, default: &str, unlogged: Vec<&'static str>) {
    let filter = filter.filter(|filter| !filter.is_empty());
    let (readable, unreadable): (Vec<_>, Vec<_>) = filter
        .unwrap_or(default)
        .split(',')
        .filter(|directive| !directive.is_empty())
        .partition(|directive| directive.parse::<Directive>().is_ok());
    tracing_subscriber::registry()
        .with(EnvFilter::builder().parse_lossy(readable.join(",")))
        .with(filter_fn(move |about| {
            let target = about.target();
            !unlogged.iter().any(|unlogged| target.starts_with(unlogged))
        }))
        .with(format_layer(format))
        .init();
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        error!(
            place = location.as_deref().unwrap_or("unknown"),
            "a task panicked"
        );
    }));
    for directive in unreadable {
        error!(
            directive,
            "RUST_LOG: ignored a directive that cannot be parsed"
        );
    }
}

/// Prints the error that ends the program, regardless of RUST_LOG.
pub fn report(format: LogFormat, error: &impl fmt::Display) {
    match format {
        LogFormat::Pretty => eprintln!("leadchat-inbox: {error}"),
        LogFormat::Json => {
            let all = Registry::default().with(format_layer(format));
            subscriber::with_default(all, || error!("{error}"));
        }
    }
}

fn format_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let layer = layer().with_writer(stderr);
    match format {
        LogFormat::Pretty => layer.with_ansi(stderr().is_terminal()).boxed(),
        // The call is one object, `span`, however deep an event lies in it.
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    }
}
