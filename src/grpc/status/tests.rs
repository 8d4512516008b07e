//! Every reason is answered as the contract says.

use std::collections::BTreeSet;

use axum::body::Body;
use tower::{Service, ServiceBuilder, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

use super::*;
use crate::identity::{Credential, CredentialProblem};

const SERVICE: &str = include_str!("../../../proto/leadchat/inbox/v1/inbox_service.proto");

fn violations(count: usize) -> Vec<Violation> {
    let violation = |_| Violation {
        field: "f".repeat(60),
        description: "is wrong",
    };
    (0..count).map(violation).collect()
}

fn every_error() -> Vec<CallError> {
    let caller = || "c".repeat(40);
    vec![
        CallError::InvalidRequest(violations(1000)),
        CallError::InvalidPageToken,
        CallError::UndecodableRequest,
        CallError::RequestTooLarge,
        CallError::AccessDenied,
        CallError::AccountSuspended,
        CallError::InboxNotFound,
        CallError::DeadlineExceeded,
        CallError::StoreUnavailable,
        CallError::Overloaded,
        CallError::ShuttingDown,
        CallError::UnknownMethod,
        CallError::Internal,
        CallError::CompressionNotSupported,
        CallError::LatestOnStandby,
        CallError::CredentialsMissing { lacks: None },
        CallError::CredentialsMissing {
            lacks: Some(Credential::Token),
        },
        CallError::CredentialsRefused(CredentialError::new(
            Credential::ViewerToken,
            CredentialProblem::Signature,
        )),
        CallError::CredentialsRefused(CredentialError::new(
            Credential::Certificate,
            CredentialProblem::Expired,
        )),
        CallError::CallerUnknown {
            identity: "uid:4294967295".to_owned(),
        },
        CallError::CallerNotPermitted {
            caller: caller(),
            needs: Needs::Method,
        },
        CallError::CallerLimitExceeded {
            caller: caller(),
            limit: Limit::ConcurrentCalls,
        },
        CallError::TooManyWatches,
        CallError::Reconnect,
    ]
}

#[test]
fn every_reason_is_answered_as_documented() {
    let mut answered = BTreeSet::new();
    for error in every_error() {
        let name = error.kind().1.as_str_name();
        let status = Status::from(error);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (
                info.domain.as_str(),
                format!("ERROR_REASON_{}", info.reason)
            ),
            (DOMAIN, name.to_owned())
        );
        assert!(status.details().len() < 4096, "{name}");

        // The comment opens with the code.
        let field = SERVICE.find(&format!("  {name} = ")).expect(name);
        let comment = SERVICE[..field]
            .rsplit("  // ")
            .take_while(|line| !line.contains(" = "));
        let text: Vec<_> = comment.collect();
        let code = format!("{:?}", status.code());
        let constant = code.chars().fold(String::new(), |mut constant, letter| {
            if letter.is_uppercase() && !constant.is_empty() {
                constant.push('_');
            }
            constant.push(letter.to_ascii_uppercase());
            constant
        });
        assert!(
            text.iter()
                .any(|line| line.starts_with(&format!("{constant}. "))),
            "{name}: {constant}"
        );

        let is_retryable = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
        assert_eq!(
            status.get_details_retry_info().is_some(),
            is_retryable,
            "{name}"
        );
        let names_fields = name.ends_with("INVALID_REQUEST") || name.ends_with("PAGE_TOKEN");
        assert_eq!(
            status.get_details_bad_request().is_some(),
            names_fields,
            "{name}"
        );
        answered.insert(name);
    }
    let listed: BTreeSet<_> = (1..100)
        .filter_map(|number| ErrorReason::try_from(number).ok())
        .map(|reason| reason.as_str_name())
        .collect();
    assert_eq!(answered, listed);
}

#[tokio::test]
async fn a_panic_is_answered_without_its_message() {
    let mut service = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(panic_response::<Body>))
        .service(service_fn(
            async |_: http::Request<Body>| -> Result<Response<Body>, Status> {
                panic!("a secret value")
            },
        ));
    let response = service
        .call(http::Request::new(Body::empty()))
        .await
        .unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(status.get_details_error_info().unwrap().reason, "INTERNAL");
    assert!(!format!("{status:?}").contains("secret"));
}
