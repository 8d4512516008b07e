//! The admin server: whether the process lives and is ready, and its metrics.
//!
//! It has an address of its own, without TLS. It says nothing about data, callers' rights or
//! settings, and changes nothing.

mod listener;
mod readiness;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, Uri, header::CONTENT_TYPE};
use tokio::net::TcpListener;

use crate::metrics::{self, Metrics};
use listener::LimitedListener;
pub use readiness::{Readiness, watch_store};

/// The sources of the answers.
#[derive(Clone)]
struct AdminState {
    metrics: Metrics,
    readiness: Readiness,
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, metrics: Metrics, readiness: Readiness) {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(AdminState { metrics, readiness });
    // It retries what fails, and has no other error.
    let _ = axum::serve(LimitedListener::new(listener), router).await;
}

async fn readyz(State(state): State<AdminState>, uri: Uri) -> Response {
    let report = state.readiness.report();
    let status = if report.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut parameters = uri.query().unwrap_or_default().split('&');
    let is_verbose = parameters.any(|it| it == "verbose" || it.starts_with("verbose="));
    let text = if is_verbose {
        report.to_string()
    } else {
        report.summary()
    };
    (status, text).into_response()
}

async fn scrape(State(state): State<AdminState>) -> Response {
    let is_ready = state.readiness.report().is_ready();
    state.metrics.store.set_ready(is_ready);
    match state.metrics.scrape() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
