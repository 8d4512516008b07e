//! Whom a service is for: known callers, or everybody, as health and reflection are. Streams
//! of the latter stay open for as long as a client likes, so there is a limit of them.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tokio::sync::Semaphore;

use super::{
    held_response::hold,
    identify::{Guard, identify},
};
use crate::grpc::status::{self, CallError};

/// The method of probes.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// Watches of health and calls of reflection under way, in the whole process.
const MAX_OPEN_CALLS: usize = 1000;

/// The calls of all services for everybody.
#[derive(Clone, Debug)]
pub struct OpenCalls(Arc<Semaphore>);

impl Default for OpenCalls {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_OPEN_CALLS)))
    }
}

/// Whom a service is for. Every service has one of the two.
#[derive(Clone, Debug)]
pub enum Admission {
    Callers(Arc<Guard>),
    Everybody(OpenCalls),
}

/// Passes the calls of a service on that it is for.
pub async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    match admission {
        Admission::Callers(guard) => identify(&guard, request, next).await,
        // A check is answered at once. Probes must not depend on what strangers hold.
        Admission::Everybody(_) if request.uri().path() == HEALTH_CHECK => next.run(request).await,
        Admission::Everybody(calls) => match calls.0.try_acquire_owned() {
            Ok(permit) => hold(next.run(request).await, permit),
            Err(_) => status::response(CallError::Overloaded),
        },
    }
}
