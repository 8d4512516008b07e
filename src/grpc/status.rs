//! Errors become a `Status` here and nowhere else.
//!
//! Texts are fixed per reason: no SQL, no stored value and no library's words
//! reach a caller.

use std::{any::Any, collections::HashMap, time::Duration};

use http::{HeaderMap, Response, header::CONTENT_TYPE};
use strum::IntoEnumIterator;
use tonic::{Code, Status, metadata::MetadataValue};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::pb::ErrorReason;
use crate::{
    domain::{directory::DirectoryError, members::AccessDenied},
    identity::{Caller, Credential, CredentialError, IdentifyError, Limit, Needs},
    metrics::calls::Refused,
};

const DOMAIN: &str = "inbox.leadchat";

/// How long a caller should wait before it tries again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The same for the retries that gRPC's libraries make by themselves.
const RETRY_PUSHBACK_MS: &str = "1000";

/// The encodings that a client may use.
pub const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// The maximum of violations in the details of an error, which bounds their size.
pub const MAX_VIOLATIONS: usize = 16;

/// The reasons why a call fails.
#[derive(Debug)]
pub enum CallError {
    InvalidRequest(Vec<Violation>),
    InvalidPageToken,
    UndecodableRequest,
    RequestTooLarge,
    AccessDenied,
    AccountSuspended,
    InboxNotFound,
    DeadlineExceeded,
    StoreUnavailable,
    Overloaded,
    ShuttingDown,
    UnknownMethod,
    Internal,
    CompressionNotSupported,
    LatestOnStandby,
    CredentialsMissing { lacks: Option<Credential> },
    CredentialsRefused(CredentialError),
    CallerUnknown { identity: String },
    CallerNotPermitted { caller: String, needs: Needs },
    CallerLimitExceeded { caller: String, limit: Limit },
    TooManyWatches,
    Reconnect,
}

/// An invalid field of a request.
#[derive(Debug)]
pub struct Violation {
    /// The field's path in the request.
    pub field: String,
    pub description: &'static str,
}

impl CallError {
    const fn kind(&self) -> (Code, ErrorReason) {
        match self {
            Self::InvalidRequest(_) => (Code::InvalidArgument, ErrorReason::InvalidRequest),
            Self::InvalidPageToken => (Code::InvalidArgument, ErrorReason::InvalidPageToken),
            Self::UndecodableRequest => (Code::InvalidArgument, ErrorReason::UndecodableRequest),
            Self::RequestTooLarge => (Code::ResourceExhausted, ErrorReason::RequestTooLarge),
            Self::AccessDenied => (Code::PermissionDenied, ErrorReason::AccessDenied),
            Self::AccountSuspended => (Code::PermissionDenied, ErrorReason::AccountSuspended),
            Self::InboxNotFound => (Code::NotFound, ErrorReason::InboxNotFound),
            Self::DeadlineExceeded => (Code::DeadlineExceeded, ErrorReason::DeadlineExceeded),
            Self::StoreUnavailable => (Code::Unavailable, ErrorReason::StoreUnavailable),
            Self::Overloaded => (Code::ResourceExhausted, ErrorReason::Overloaded),
            Self::ShuttingDown => (Code::Unavailable, ErrorReason::ShuttingDown),
            Self::UnknownMethod => (Code::Unimplemented, ErrorReason::UnknownMethod),
            Self::Internal => (Code::Internal, ErrorReason::Internal),
            Self::CompressionNotSupported => {
                (Code::Unimplemented, ErrorReason::CompressionNotSupported)
            }
            Self::LatestOnStandby => (Code::FailedPrecondition, ErrorReason::LatestOnStandby),
            Self::CredentialsMissing { .. } => {
                (Code::Unauthenticated, ErrorReason::CredentialsMissing)
            }
            Self::CredentialsRefused(error) if error.problem.is_about_time() => {
                (Code::Unauthenticated, ErrorReason::CredentialsExpired)
            }
            Self::CredentialsRefused(_) => (Code::Unauthenticated, ErrorReason::CredentialsInvalid),
            Self::CallerUnknown { .. } => (Code::Unauthenticated, ErrorReason::CallerUnknown),
            Self::CallerNotPermitted { .. } => {
                (Code::PermissionDenied, ErrorReason::CallerNotPermitted)
            }
            Self::CallerLimitExceeded { .. } => {
                (Code::ResourceExhausted, ErrorReason::CallerLimitExceeded)
            }
            Self::TooManyWatches => (Code::ResourceExhausted, ErrorReason::TooManyWatches),
            Self::Reconnect => (Code::Unavailable, ErrorReason::Reconnect),
        }
    }

    /// For people. It says nothing that is not in code, reason and details.
    const fn text(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "the request is invalid; the details name the fields",
            Self::InvalidPageToken => "the page token was not made for this request",
            Self::UndecodableRequest => "the request is not a message of its type",
            Self::RequestTooLarge => "the request is too large",
            Self::AccessDenied => "there is no such account, or the viewer does not belong to it",
            Self::AccountSuspended => "the account is suspended",
            Self::InboxNotFound => "there is no such inbox, or it is not visible to the viewer",
            Self::DeadlineExceeded => "the deadline passed before there was an answer",
            Self::StoreUnavailable => "the database does not answer; try again",
            Self::Overloaded => "too many reads are waiting; try again",
            Self::ShuttingDown => "this process is stopping; try again",
            Self::UnknownMethod => "there is no such method, or it does not take this form of call",
            Self::Internal => "the service failed; its log has more under the request id",
            Self::CompressionNotSupported => {
                "requests may not be compressed; send this one without compression"
            }
            Self::LatestOnStandby => {
                "the database is a hot standby, which may lag behind; call a replica on the primary, or \
                 request FRESHNESS_BOUNDED"
            }
            Self::CredentialsMissing { lacks: None } => "nothing says who is calling",
            Self::CredentialsMissing { lacks: Some(_) } => {
                "the caller needs two credentials; the one in the details is missing"
            }
            Self::CredentialsRefused(error) if error.problem.is_about_time() => {
                "the credential in the details does not hold now; call again with a new one, over \
                 a new connection if it is a certificate"
            }
            Self::CredentialsRefused(_) => {
                "the credential in the details proves nothing, or is that of another caller"
            }
            Self::CallerUnknown { .. } => {
                "the identity in the details belongs to no caller of this service"
            }
            Self::CallerNotPermitted { .. } => {
                "no rule of the caller permits this request; the details name the missing part"
            }
            Self::CallerLimitExceeded { .. } => "the caller exceeds a limit of its own; try again",
            Self::TooManyWatches => "no further watch is taken; try again, with another replica",
            Self::Reconnect => {
                "the watch has reached its age; watch again at once, with what is held"
            }
        }
    }

    pub fn not_permitted(caller: &Caller, needs: Needs) -> Self {
        Self::CallerNotPermitted {
            caller: caller.name().to_owned(),
            needs,
        }
    }

    pub fn limit_exceeded(caller: &Caller, limit: Limit) -> Self {
        Self::CallerLimitExceeded {
            caller: caller.name().to_owned(),
            limit,
        }
    }

    /// The reason, as in `ErrorInfo`.
    pub fn reason(&self) -> &'static str {
        let (_, reason) = self.kind();
        reason.as_str_name().trim_start_matches("ERROR_REASON_")
    }

    /// The details beside the reason: the identity that was proved, and names of the
    /// callers file.
    fn metadata(&self) -> HashMap<String, String> {
        let pairs = match self {
            Self::CallerUnknown { identity } => vec![("identity", identity.clone())],
            Self::CredentialsMissing {
                lacks: Some(credential),
            }
            | Self::CredentialsRefused(CredentialError { credential, .. }) => {
                vec![("credential", credential.name().to_owned())]
            }
            Self::CallerNotPermitted { caller, needs } => {
                vec![
                    ("caller", caller.clone()),
                    ("needs", needs.name().to_owned()),
                ]
            }
            Self::CallerLimitExceeded { caller, limit } => {
                vec![
                    ("caller", caller.clone()),
                    ("limit", limit.name().to_owned()),
                ]
            }
            _ => Vec::new(),
        };
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        pairs.collect()
    }

    pub const fn code(&self) -> Code {
        self.kind().0
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let (code, text) = (error.code(), error.text());
        let mut details = ErrorDetails::with_error_info(error.reason(), DOMAIN, error.metadata());
        if matches!(code, Code::Unavailable | Code::ResourceExhausted) {
            let delay = match error {
                CallError::Reconnect => Duration::ZERO,
                _ => RETRY_DELAY,
            };
            details.set_retry_info(Some(delay));
        }
        let metadata = match &error {
            // Clients that retry by themselves wait for so long, with their own jitter.
            CallError::Overloaded
            | CallError::CallerLimitExceeded { .. }
            | CallError::TooManyWatches => Some(("grpc-retry-pushback-ms", RETRY_PUSHBACK_MS)),
            // As gRPC asks.
            CallError::CompressionNotSupported => Some((ACCEPT_ENCODING, "identity")),
            _ => None,
        };
        let violations = match error {
            CallError::InvalidRequest(violations) => violations,
            CallError::InvalidPageToken => vec![Violation {
                field: "page_token".to_owned(),
                description: "was not made for this request",
            }],
            _ => Vec::new(),
        };
        if !violations.is_empty() {
            let violations = violations.into_iter().take(MAX_VIOLATIONS);
            details.set_bad_request(
                violations
                    .map(|violation| FieldViolation::new(violation.field, violation.description))
                    .collect::<Vec<_>>(),
            );
        }
        let mut status = Self::with_error_details(code, text, details);
        if let Some((key, value)) = metadata {
            status
                .metadata_mut()
                .insert(key, MetadataValue::from_static(value));
        }
        status
    }
}

impl From<DirectoryError> for CallError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Unavailable => Self::StoreUnavailable,
            DirectoryError::Overloaded => Self::Overloaded,
            DirectoryError::Unexpected => Self::Internal,
            DirectoryError::Standby => Self::LatestOnStandby,
            DirectoryError::TooManyWatches => Self::TooManyWatches,
        }
    }
}

impl From<AccessDenied> for CallError {
    fn from(refusal: AccessDenied) -> Self {
        match refusal {
            AccessDenied::NotAMember => Self::AccessDenied,
            AccessDenied::Suspended => Self::AccountSuspended,
        }
    }
}

impl From<IdentifyError> for CallError {
    fn from(error: IdentifyError) -> Self {
        match error {
            IdentifyError::Missing => Self::CredentialsMissing { lacks: None },
            IdentifyError::Incomplete { lacks, .. } => {
                Self::CredentialsMissing { lacks: Some(lacks) }
            }
            IdentifyError::Unknown { identity } => Self::CallerUnknown { identity },
            IdentifyError::Refused(error) => Self::CredentialsRefused(error),
        }
    }
}

/// The response of a call that panicked. The message of the panic may quote a value, and
/// is dropped.
pub fn panic_response<B: Default>(_: Box<dyn Any + Send>) -> Response<B> {
    response(CallError::Internal)
}

/// A response of trailers alone, for a call that fails before it has a message.
pub fn response<B: Default>(error: CallError) -> Response<B> {
    Status::from(error).into_http()
}

/// The end of an answer that has begun.
pub fn trailers(error: CallError) -> HeaderMap {
    let mut trailers = response::<()>(error).into_parts().0.headers;
    trailers.remove(CONTENT_TYPE);
    trailers
}

/// The refusal that these headers have, by their error details: those of statuses that tonic sends
/// are nowhere else.
pub fn refusal(headers: &HeaderMap) -> Option<Refused> {
    let details = Status::from_header_map(headers)?.get_details_error_info()?;
    let name = format!("ERROR_REASON_{}", details.reason);
    Some(match ErrorReason::from_str_name(&name)? {
        ErrorReason::Overloaded => Refused::Overloaded,
        ErrorReason::TooManyWatches => Refused::TooManyWatches,
        ErrorReason::RequestTooLarge => Refused::TooLarge,
        ErrorReason::ShuttingDown => Refused::ShuttingDown,
        ErrorReason::CallerLimitExceeded => {
            let limit = details.metadata.get("limit")?;
            match Limit::iter().find(|it| it.name() == limit)? {
                Limit::ConcurrentCalls => Refused::CallerConcurrency,
                Limit::Watches => Refused::CallerWatches,
                Limit::CallsPerSecond => Refused::CallerRate,
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
