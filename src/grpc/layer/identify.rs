//! The guard of the inbox service: it identifies the caller of each call. It refuses callers
//! that may not call, and counts the call against the limits of the caller.
//!
//! It hangs on the route of the service, so that no path leads around it. Health and
//! reflection have no guard.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::Extensions;

use super::access_log::{record_caller, record_refusal};
use crate::{
    grpc::{
        pb::inbox_service_server::SERVICE_NAME,
        status::{self, CallError},
    },
    identity::{CallPermit, Caller, Method, Peer, PolicySource},
};

/// Passes a call of a known caller on, with the caller among its extensions.
pub async fn identify(
    State(policy): State<PolicySource>,
    mut request: Request,
    next: Next,
) -> Response {
    match begin(&policy, &request) {
        // The permit is held until there is an answer.
        Ok((caller, _permit)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => {
            record_refusal(&error);
            status::response(error)
        }
    }
}

fn begin(policy: &PolicySource, request: &Request) -> Result<(Caller, CallPermit), CallError> {
    // Every connection has a peer.
    let peer = request.extensions().get::<Peer>();
    let peer = *peer.ok_or(CallError::CredentialsMissing)?;
    let caller = policy.current().identify(peer)?;
    record_caller(&caller);
    // An unknown method is answered behind the guard.
    if let Some(method) = method(request.uri().path()) {
        let may = caller.may_call(method);
        may.map_err(|needs| CallError::not_permitted(&caller, needs))?;
    }
    let permit = caller.begin_call();
    let permit = permit.map_err(|limit| CallError::limit_exceeded(&caller, limit))?;
    Ok((caller, permit))
}

/// The method of a path, by its exact text.
fn method(path: &str) -> Option<Method> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    Method::from_name(method).filter(|_| service == SERVICE_NAME)
}

/// The caller of a call that has passed the guard.
pub fn caller_of(extensions: &Extensions) -> Result<Caller, CallError> {
    let caller = extensions.get::<Caller>();
    caller.cloned().ok_or(CallError::CredentialsMissing)
}
