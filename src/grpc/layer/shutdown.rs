//! Answers calls that a shutdown interrupts with SHUTTING_DOWN, so that clients retry
//! elsewhere at once.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tokio_util::sync::CancellationToken;

use crate::grpc::status::{CallError, response};

/// Runs a call until it is answered or `cancelled` fires.
pub async fn cancel(
    State(cancelled): State<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    tokio::select! {
        biased;
        answered = next.run(request) => answered,
        () = cancelled.cancelled() => response(CallError::ShuttingDown),
    }
}
