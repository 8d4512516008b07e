//! Where logs go: standard error, one line an event, for people or as JSON. And where traces
//! go.
//!
//! No value of a request or of a row is logged. Targets of libraries that would log one
//! are off, regardless of RUST_LOG.

mod traces;

use std::{
    fmt,
    io::{IsTerminal, stderr},
    panic,
};

use tracing::{Subscriber, error, subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{Directive, FilterExt, LevelFilter, filter_fn},
    fmt::layer,
    prelude::*,
    registry::{LookupSpan, Registry},
};

use crate::config::{LogFormat, Traces};
use traces::Sending;

/// Ends with the program.
#[must_use]
pub struct Telemetry(Option<Sending>);

impl Telemetry {
    /// Sends the last traces.
    pub async fn end(self) {
        if let Some(traces) = self.0 {
            traces.end().await;
        }
    }
}

/// Starts logging and sending traces. `filter` is RUST_LOG, without the parts that cannot be parsed;
/// `default` counts if it is not set. Events of a target that begins with one of
/// `unlogged` are dropped. A panic is logged with its location alone, since its message
/// may quote a value.
pub fn start(
    format: LogFormat,
    filter: Option<&str>,
    default: &str,
    unlogged: Vec<&'static str>,
    traces: Option<&Traces>,
) -> Telemetry {
    let filter = filter.filter(|filter| !filter.is_empty());
    let (readable, unreadable): (Vec<_>, Vec<_>) = filter
        .unwrap_or(default)
        .split(',')
        .filter(|directive| !directive.is_empty())
        .partition(|directive| directive.parse::<Directive>().is_ok());
    let (traces, trace_error) = match traces.map(Sending::begin).transpose() {
        Ok(traces) => (traces, None),
        Err(error) => (None, Some(error)),
    };
    // Traces do not depend on RUST_LOG.
    let logged = EnvFilter::builder().parse_lossy(readable.join(","));
    let is_logged = filter_fn(move |about| {
        let target = about.target();
        !unlogged.iter().any(|unlogged| target.starts_with(unlogged))
    });
    // Without a hint, every event would be built to be filtered.
    let logged = logged.and(is_logged.with_max_level_hint(LevelFilter::TRACE));
    tracing_subscriber::registry()
        .with(format_layer(format).with_filter(logged))
        .with(traces.as_ref().map(Sending::layer))
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
    if let Some(error) = trace_error {
        error!(error, "OTEL_EXPORTER_OTLP_ENDPOINT: no traces are sent");
    }
    Telemetry(traces)
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
