//! The guard of the inbox service: it identifies the caller of each call. It refuses callers
//! that may not call, and counts the call against the limits of the caller.
//!
//! It is a layer of the route of the service, so that no path leads around it. Health and
//! reflection have no guard.

use axum::{extract::Request, middleware::Next, response::Response};
use http::{Extensions, HeaderValue};

use super::{
    access_log::{record_caller, record_peer, record_refusal},
    held_response::hold,
    method::method,
    trace_context::continue_trace,
};
use crate::{
    domain::freshness::Clock,
    grpc::{
        disclosure::{Audit, AuditedCall},
        refusal_log::UnidentifiedCall,
        status::{self, CallError},
        watch::Standing,
    },
    identity::{CallSlot, Caller, Method, Peer, PolicySource, Presented},
    metrics::{callers::CallerMetrics, calls::CallerSlot},
};

/// The means by which the guard identifies callers.
#[derive(Clone, Debug)]
pub struct Guard {
    pub policy: PolicySource,
    pub clock: Clock,
    pub audit: Audit,
    pub metrics: CallerMetrics,
    /// Whether traces are sent.
    pub has_traces: bool,
}

/// The headers of credentials. They go no further than this.
const AUTHORIZATION: &str = "authorization";
const VIEWER_AUTHORIZATION: &str = "viewer-authorization";

/// Passes a call of a known caller on, with the caller among its extensions.
pub async fn identify(guard: &Guard, mut request: Request, next: Next) -> Response {
    let begun = begin(guard, &request);
    if method(request.uri().path()) == Some(Method::WatchInboxes)
        && let Some(standing) = standing(guard, &request)
    {
        request.extensions_mut().insert(standing);
    }
    for name in [AUTHORIZATION, VIEWER_AUTHORIZATION] {
        request.headers_mut().remove(name);
    }
    match begun {
        Ok((caller, slot)) => {
            request.extensions_mut().insert(caller);
            // The call is under way until its answer was sent, or is given up.
            hold(next.run(request).await, slot)
        }
        Err(error) => {
            let peer = request.extensions().get::<Peer>();
            if let Some(peer) = peer {
                record_peer(peer);
            }
            record_refusal(&error);
            count_refusal(&guard.metrics, &error);
            let call = peer.zip(refusal_cause(&error));
            let call = call.map(|(peer, cause)| UnidentifiedCall {
                peer: peer.clone(),
                cause,
            });
            let mut response = status::response(error);
            if let Some(call) = call {
                response.extensions_mut().insert(call);
            }
            response
        }
    }
}

fn begin(guard: &Guard, request: &Request) -> Result<(Caller, CallSlot), CallError> {
    // Every connection has a peer.
    let peer = request.extensions().get::<Peer>();
    let peer = peer.ok_or(CallError::CredentialsMissing { lacks: None })?;
    let values = |name| -> Vec<_> {
        let values = request.headers().get_all(name).iter();
        values.map(HeaderValue::as_bytes).collect()
    };
    let presented = Presented {
        peer,
        authorization: &values(AUTHORIZATION),
        viewer_authorization: &values(VIEWER_AUTHORIZATION),
    };
    let now = (guard.clock.wall)();
    let caller = guard.policy.current().identify(&presented, now)?;
    record_caller(&caller);
    if guard.has_traces {
        continue_trace(request.headers());
    }
    if let Some(slot) = request.extensions().get::<CallerSlot>() {
        slot.set(caller.name());
    }
    // An unknown method is answered behind the guard.
    let method = method(request.uri().path());
    let slot = caller.begin_call(method);
    let slot = slot.map_err(|limit| CallError::limit_exceeded(&caller, limit))?;
    if let Some(method) = method {
        let may = caller.may_call(method);
        may.map_err(|needs| {
            let call = AuditedCall::of(&caller, request.extensions(), method);
            guard.audit.denied(&call, None, needs);
            CallError::not_permitted(&caller, needs)
        })?;
    }
    Ok((caller, slot))
}

/// The credentials of a call that outlives this check.
fn standing(guard: &Guard, request: &Request) -> Option<Standing> {
    let values = |name| -> Vec<_> {
        let values = request.headers().get_all(name).iter();
        values.cloned().collect()
    };
    Some(Standing::new(
        guard.policy.clone(),
        guard.clock,
        request.extensions().get::<Peer>()?.clone(),
        &values(AUTHORIZATION),
        &values(VIEWER_AUTHORIZATION),
    ))
}

/// The cause of a refusal for want of a known caller. `None` if the caller is known.
fn refusal_cause(error: &CallError) -> Option<&'static str> {
    match error {
        CallError::CredentialsRefused(error) => Some(error.problem.name()),
        CallError::CredentialsMissing { .. } | CallError::CallerUnknown { .. } => {
            Some(error.reason())
        }
        _ => None,
    }
}

/// Counts a refusal for want of a known caller.
fn count_refusal(metrics: &CallerMetrics, error: &CallError) {
    let (credential, problem) = match error {
        CallError::CredentialsMissing { lacks: None } => ("none", "missing"),
        CallError::CredentialsMissing { lacks: Some(lacks) } => (lacks.name(), "missing"),
        CallError::CallerUnknown { .. } => ("proved", "unknown"),
        CallError::CredentialsRefused(error) => (error.credential.name(), error.problem.name()),
        _ => return,
    };
    metrics.unauthenticated(credential, problem);
}

/// A call that has passed the guard, for the audit.
pub fn audited_call(extensions: &Extensions, method: Method) -> Result<AuditedCall, CallError> {
    let caller = extensions.get::<Caller>();
    let caller = caller.ok_or(CallError::CredentialsMissing { lacks: None })?;
    Ok(AuditedCall::of(caller, extensions, method))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strum::IntoEnumIterator;

    use super::*;
    use crate::grpc::{descriptors::methods, pb::inbox_service_server::SERVICE_NAME};

    /// A method that rules cannot name would be everybody's.
    #[test]
    fn every_method_of_the_service_can_be_named_in_a_rule() {
        let prefix = format!("/{SERVICE_NAME}/");
        let methods = methods().unwrap();
        let of_service: BTreeSet<_> = methods
            .keys()
            .filter(|it| it.starts_with(&prefix))
            .collect();
        for path in &of_service {
            assert!(method(path).is_some(), "{path}");
        }
        assert_eq!(of_service.len(), Method::iter().count());
    }
}
