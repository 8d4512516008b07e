//! The server: its services, the layers around them, and how it stops.

use std::{convert::Infallible, num::NonZeroUsize, sync::Arc, time::Duration};

use axum::{
    body::Body,
    middleware::{from_fn, from_fn_with_state},
    response::Response,
};
use http::Request;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tonic::{
    server::NamedService,
    service::{LayerExt, Routes},
    transport::Server,
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::{Service, ServiceBuilder, util::MapRequestLayer};
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::info;

use super::{
    descriptors,
    disclosure::{Audit, AuditSink},
    etag::EtagKey,
    inbox_service::InboxService,
    layer::{
        access_log::{self, AccessLog},
        admission::{Admission, OpenCalls, admit},
        count::{CallCounter, count},
        deadline, error_details,
        identify::Guard,
        request_id, shutdown,
    },
    listener::{ConnectionContext, ConnectionLimits, Listener, incoming},
    pb::{self, inbox_service_server::InboxServiceServer},
    refusal_log::RefusalLog,
    response_limit::ResponseLimit,
    status,
    watch::{WatchService, WatchSettings},
};
use crate::{
    domain::{
        directory::{AccountWatches, Directories, InboxDirectory},
        freshness::Clock,
    },
    identity::PolicySource,
    metrics::Metrics,
};

/// The largest request, in bytes: a hundred ids are a thousandth of it.
const MAX_REQUEST_BYTES: usize = 256 << 10;

/// The largest metadata of a call, as HTTP/2 counts it. More is refused by HTTP/2 itself,
/// below all layers.
const MAX_METADATA_BYTES: u32 = 64 << 10;

/// Calls under way on one connection; more wait at the client's.
const MAX_CONCURRENT_STREAMS: u32 = 100;

/// Streams of one connection that the server may reset for errors of its peer. At one
/// more, h2 closes the connection. (tonic's default is no limit.)
const MAX_LOCAL_RESETS: usize = 1024;

/// The interval at which counted denials, refused calls and failed handshakes are written.
const COUNTED_LINES_INTERVAL: Duration = Duration::from_secs(1);

/// Connections at a time, in the whole process.
pub const MAX_CONNECTIONS: usize = 4096;

/// The settings of an operator or a test, and what belongs to the process. All other limits are
/// constant.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The age at which a connection gets GOAWAY. Its calls end by themselves, and the
    /// client connects again, so that clients spread over new replicas. At twice this age
    /// the connection is closed.
    pub max_connection_age: Duration,
    /// The time from the signal until the listener closes. Health says NOT_SERVING
    /// meanwhile, so that load balancers choose other replicas.
    pub drain_wait: Duration,
    /// The time for calls in flight after that.
    pub drain_timeout: Duration,
    pub response_limit: ResponseLimit,
    /// Watches at a time.
    pub max_watches: NonZeroUsize,
    /// Whether clients may ask for the contract.
    pub has_reflection: bool,
    pub clock: Clock,
    /// Receives the lines of the audit. `None` writes none.
    pub audit: Option<AuditSink>,
    pub timeouts: ServerTimeouts,
    pub access_log: AccessLog,
    /// Whether traces are sent.
    pub has_traces: bool,
    pub metrics: Metrics,
    /// Cancelled when a shutdown begins.
    pub stopping: CancellationToken,
}

/// The time-outs of connections.
#[derive(Clone, Copy, Debug)]
pub struct ServerTimeouts {
    /// The time until the preface of HTTP/2 has been received.
    pub preface_timeout: Duration,
    /// The time without a byte received. Keepalive gets an answer within it.
    pub idle_timeout: Duration,
    /// The time without a byte accepted by the peer, while bytes are pending.
    pub write_timeout: Duration,
    /// The interval of keepalive pings, and the time for their answer.
    pub keepalive_interval: Duration,
    pub keepalive_timeout: Duration,
    /// How long the last answers have to leave, after calls were cut off.
    pub flush_timeout: Duration,
}

impl ServerSettings {
    const fn connections(&self) -> ConnectionLimits {
        ConnectionLimits {
            max_connections: MAX_CONNECTIONS,
            preface_timeout: self.timeouts.preface_timeout,
            idle_timeout: self.timeouts.idle_timeout,
            write_timeout: self.timeouts.write_timeout,
            max_age: self.max_connection_age.saturating_mul(2),
        }
    }
}

/// The reasons why the server cannot start, or ends early. A shutdown is no error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the reflection service cannot be built")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the descriptors of the services cannot be read")]
    Descriptors(#[from] prost::DecodeError),
    #[error("the connections cannot be served")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves inboxes until `shutdown_signals` receives and the calls in flight are answered. A
/// second shutdown signal cancels the remaining calls.
pub async fn serve<D: InboxDirectory, W: AccountWatches>(
    listeners: Vec<Listener>,
    directories: Directories<D, W>,
    policy: PolicySource,
    etags: EtagKey,
    random: fn() -> Option<u128>,
    settings: ServerSettings,
    shutdown_signals: mpsc::Receiver<()>,
) -> Result<(), ServeError> {
    let metrics = &settings.metrics;
    let audit = Audit::new(settings.audit, settings.clock, metrics.callers.clone());
    let refusals = RefusalLog::default();
    let draining = CancellationToken::new();
    let inboxes = inbox_service(directories, etags, &audit, &settings, &draining);
    let inboxes = InboxServiceServer::new(inboxes).max_decoding_message_size(MAX_REQUEST_BYTES);
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_serving::<InboxServiceServer<InboxService<D, W>>>()
        .await;
    // Cancelled when the remaining calls are interrupted.
    let cancelled = CancellationToken::new();
    let methods = Arc::new(descriptors::methods()?);
    // From the outside to the inside.
    let layers = ServiceBuilder::new()
        // An id that is not fit for the log counts as none.
        .map_request(request_id::remove_invalid)
        // Every call has an id; the caller's own, or one made here.
        .layer(SetRequestIdLayer::new(
            request_id::header(),
            request_id::RandomIds(random),
        ))
        // The response has the id, whatever the result.
        .layer(PropagateRequestIdLayer::new(request_id::header()))
        // Every call is counted, whatever becomes of it.
        .layer(from_fn_with_state(
            CallCounter::new(Arc::clone(&methods), metrics.calls.clone()),
            count,
        ))
        // One span and one line a call. Below the id, which it logs.
        .layer(
            TraceLayer::new_for_grpc()
                .make_span_with(access_log::CallSpan::new(methods))
                .on_request(())
                .on_response(access_log::log_answered(settings.access_log, refusals.clone()))
                .on_body_chunk(())
                .on_eos(())
                .on_failure(()),
        )
        // A call that its client cancels has a log line, too. Below the span.
        .layer(access_log::log_cancelled(settings.access_log))
        // Errors that tonic makes by itself get error details.
        .layer(from_fn(error_details::complete))
        // A call that a shutdown interrupts is answered SHUTTING_DOWN.
        .layer(from_fn_with_state(cancelled.clone(), shutdown::cancel))
        // A call is answered by its deadline, a moment before tonic would.
        .layer(from_fn(deadline::enforce))
        // A panic costs its call and nothing else. Innermost, so that the layers above see
        // an answer.
        .layer(CatchPanicLayer::custom(status::panic_response::<Body>));
    let guard = Guard {
        policy,
        clock: settings.clock,
        audit: audit.clone(),
        metrics: metrics.callers.clone(),
        has_traces: settings.has_traces,
    };
    let everybody = Admission::Everybody(OpenCalls::default());
    let health_service = health_service.max_decoding_message_size(MAX_REQUEST_BYTES);
    let mut routes = Routes::new(admitting(inboxes, Admission::Callers(Arc::new(guard))))
        .add_service(admitting(health_service, everybody.clone()));
    if settings.has_reflection {
        routes = add_reflection(routes, &everybody)?;
    }
    let routes = routes.into_axum_router().layer(layers);

    let connections = ConnectionContext {
        limits: settings.connections(),
        draining: draining.clone(),
        refusals: refusals.clone(),
        metrics: metrics.connections.clone(),
    };
    let server = Server::builder()
        // Called when a call arrives, as tonic's own timer is; the layers are polled later.
        .layer(MapRequestLayer::new(deadline::set))
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .http2_max_header_list_size(MAX_METADATA_BYTES)
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .http2_keepalive_interval(Some(settings.timeouts.keepalive_interval))
        .http2_keepalive_timeout(Some(settings.timeouts.keepalive_timeout))
        // Without grace: with it, tonic would send no GOAWAY.
        .max_connection_age(settings.max_connection_age)
        .serve_with_incoming_shutdown(
            Routes::from(routes).prepare(),
            incoming(listeners, &connections),
            draining.cancelled(),
        );
    let drained = drain(
        health,
        InboxServiceServer::<InboxService<D, W>>::NAME,
        &settings,
        shutdown_signals,
        &draining,
        &cancelled,
    );
    let served = tokio::select! {
        served = server => served,
        () = drained => {
            info!("calls in flight were interrupted");
            Ok(())
        }
        () = write_counted(&audit, &refusals) => Ok(()),
    };
    audit.flush();
    refusals.flush();
    Ok(served?)
}

fn inbox_service<D, W: AccountWatches>(
    directories: Directories<D, W>,
    etags: EtagKey,
    audit: &Audit,
    settings: &ServerSettings,
    draining: &CancellationToken,
) -> InboxService<D, W> {
    let metrics = &settings.metrics;
    let watch_settings = WatchSettings {
        max_watches: settings.max_watches.get(),
        max_connection_age: settings.max_connection_age,
        access_log: settings.access_log,
        draining: draining.clone(),
    };
    let watches = WatchService::new(directories.watches, watch_settings, metrics.watches.clone());
    InboxService {
        directory: directories.inboxes,
        watches,
        etags: Arc::new(etags),
        limit: settings.response_limit,
        clock: settings.clock,
        audit: audit.clone(),
        metrics: metrics.reads.clone(),
    }
}

/// Writes counted denials, refused calls and failed handshakes, for ever.
async fn write_counted(audit: &Audit, refusals: &RefusalLog) {
    loop {
        sleep(COUNTED_LINES_INTERVAL).await;
        audit.write_counted();
        refusals.write_counted();
    }
}

/// Tells clients the contract, in both versions that there are.
fn add_reflection(routes: Routes, everybody: &Admission) -> Result<Routes, ServeError> {
    let reflection = || -> Result<_, ServeError> {
        Ok(tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_file_descriptor_set(descriptors::error_details()?)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET))
    };
    let v1 = reflection()?.build_v1()?;
    let v1alpha = reflection()?.build_v1alpha()?;
    let v1 = v1.max_decoding_message_size(MAX_REQUEST_BYTES);
    let v1alpha = v1alpha.max_decoding_message_size(MAX_REQUEST_BYTES);
    Ok(routes
        .add_service(admitting(v1, everybody.clone()))
        .add_service(admitting(v1alpha, everybody.clone())))
}

/// A service whose calls are all admitted: those of known callers, or of everybody.
fn admitting<S>(
    service: S,
    admission: Admission,
) -> impl Service<
    Request<tonic::body::Body>,
    Response = Response,
    Error = Infallible,
    Future = impl Send + 'static,
> + NamedService
+ Clone
+ Send
+ Sync
+ 'static
where
    S: Service<Request<Body>, Response = http::Response<tonic::body::Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    ServiceBuilder::new()
        // Middleware takes this kind of body only.
        .map_request(|request: Request<tonic::body::Body>| request.map(Body::new))
        .layer(from_fn_with_state(admission, admit))
        .named_layer(service)
}

/// Waits for a shutdown signal, then for the calls in flight, until the drain time-out or a
/// second shutdown signal. Returns when the remaining calls are interrupted.
async fn drain(
    mut health: HealthReporter,
    service: &str,
    settings: &ServerSettings,
    mut shutdown_signals: mpsc::Receiver<()>,
    draining: &CancellationToken,
    cancelled: &CancellationToken,
) {
    shutdown_signals.recv().await;
    info!("shutting down");
    settings.stopping.cancel();
    for service in ["", service] {
        health
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
    let drain = async {
        sleep(settings.drain_wait).await;
        // Ends the health watches; the drain would wait for them.
        for service in ["", service] {
            health.clear_service_status(service).await;
        }
        draining.cancel();
        sleep(settings.drain_timeout).await;
    };
    tokio::select! {
        () = drain => {}
        _ = shutdown_signals.recv() => draining.cancel(),
    }
    cancelled.cancel();
    sleep(settings.timeouts.flush_timeout).await;
}
