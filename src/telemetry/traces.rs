//! Sends the spans of calls to a collector, by OTLP over gRPC.
//!
//! A span has the fields of the call's span in the log, and its code. It is sent if the trace
//! of the caller is sampled, or by the share of the settings. Calls never wait for it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::{Key, KeyValue, trace::SpanKind, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter},
};
use tracing::{Metadata, Subscriber, info, warn};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    registry::LookupSpan,
};

use crate::config::Traces;

/// The name of this program among others of a trace, unless OTEL_SERVICE_NAME has one.
const SERVICE_NAME: &str = "leadchat-inbox";

/// The name of the span of a call.
const CALL: &str = "call";

/// The time for the last spans to leave.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Traces that are sent.
pub struct Sending(SdkTracerProvider);

impl Sending {
    /// Sends to a collector. An error says what is wrong with its address.
    pub fn begin(traces: &Traces) -> Result<Self, String> {
        let exporter = OtlpExporter::builder()
            .with_tonic()
            .with_endpoint(&traces.endpoint)
            .build();
        let exporter = exporter.map_err(|error| error.to_string())?;
        let ratio = Sampler::TraceIdRatioBased(traces.ratio);
        let name = match Resource::builder().build().get(&Key::new("service.name")) {
            Some(name) if name.as_str() != "unknown_service" => name.to_string(),
            _ => SERVICE_NAME.to_owned(),
        };
        let resource = Resource::builder().with_service_name(name);
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_resource(resource.with_attribute(version).build())
            .with_batch_exporter(CallExporter {
                exporter,
                is_failing: AtomicBool::new(false),
            })
            .build();
        Ok(Self(provider))
    }

    /// Takes the spans of calls, and nothing else.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SERVICE_NAME))
            // A span begins when it has ended: only then is it known whether it is sampled.
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_call).with_max_level_hint(LevelFilter::ERROR))
    }

    /// Sends what is left.
    pub async fn end(self) {
        let end = move || self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
        // The spans that do not leave in time are lost.
        let _ = tokio::task::spawn_blocking(end).await;
    }
}

fn is_call(about: &Metadata<'_>) -> bool {
    about.is_span() && about.name() == CALL && about.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// Names spans as the conventions of OpenTelemetry ask, and says once that sending fails.
#[derive(Debug)]
struct CallExporter {
    exporter: OtlpExporter,
    is_failing: AtomicBool,
}

impl SpanExporter for CallExporter {
    async fn export(&self, mut spans: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut spans {
            let method = span
                .attributes
                .iter()
                .find(|it| it.key.as_str() == "method");
            let method = method.map(|it| it.value.to_string());
            if let Some(method) = method {
                let name = method.trim_start_matches('/').to_owned();
                if let Some((service, method)) = name.split_once('/') {
                    let service = KeyValue::new("rpc.service", service.to_owned());
                    let method = KeyValue::new("rpc.method", method.to_owned());
                    span.attributes.extend([service, method]);
                }
                span.name = name.into();
            }
            span.span_kind = SpanKind::Server;
            span.attributes.push(KeyValue::new("rpc.system", "grpc"));
        }
        let exported = self.exporter.export(spans).await;
        let is_failing = exported.is_err();
        let was_failing = self.is_failing.swap(is_failing, Ordering::Relaxed);
        match (was_failing, is_failing) {
            (false, true) => warn!("traces cannot be sent to OTEL_EXPORTER_OTLP_ENDPOINT"),
            (true, false) => info!("traces are sent again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
