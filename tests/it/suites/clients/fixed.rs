//! Cases that need no server: bytes of a later server, and errors of every reason.

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message;
use serde_json::json;
use tonic_types::{ErrorDetails, StatusExt};

use super::{
    cases::{code_name, decoded},
    questions::{Question, fixed},
};
use crate::support::{pb, wire};

/// Answers that a later server may give: an old client reads what it knows.
pub fn bytes_of_a_later_server() -> Vec<Question> {
    let later = |name: &str, inbox: &pb::Inbox, more: &[u8]| {
        let response = pb::GetInboxResponse {
            disclosed_as: 99,
            ..Default::default()
        };
        let inbox = [inbox.encode_to_vec().as_slice(), more].concat();
        let mut bytes = vec![0x0a];
        prost::encoding::encode_varint(inbox.len() as u64, &mut bytes);
        bytes.extend(inbox);
        bytes.extend(response.encode_to_vec());
        // A field of the response that no client knows: number 200, a text.
        bytes.extend(b"\xc2\x0c\x05later");
        let case = json!({
            "message": "GetInboxResponse",
            "bytes": STANDARD.encode(&bytes),
            "response": decoded("GetInboxResponse", &bytes),
        });
        fixed(format!("decode/{name}"), case)
    };
    let large = pb::Inbox {
        id: (1 << 53) + 1,
        account_id: i64::MAX,
        channel_id: i64::MIN,
        name: "beyond 2^53".to_owned(),
        ..Default::default()
    };
    let new_kind = pb::Inbox {
        id: 14,
        name: "Carrier pigeon".to_owned(),
        channel_kind: 77,
        channel_type: Some("Channel::Pigeon".to_owned()),
        ..Default::default()
    };
    // A member of the oneof that no client knows: number 300, a message.
    let channel = b"\xe2\x12\x02\x08\x01";
    let empty = pb::Inbox {
        avatar_url: Some(String::new()),
        ..Default::default()
    };
    vec![
        later("large-ids", &large, &[]),
        later("new-kind", &new_kind, channel),
        later("empty-text", &empty, &[]),
        later("absent-text", &pb::Inbox::default(), &[]),
    ]
}

/// Every reason, and some that no client knows.
pub fn reasons() -> Vec<Question> {
    let status = |name: String, code: tonic::Code, details: ErrorDetails, known: bool| {
        let status = tonic::Status::with_error_details(code, "a text", details.clone());
        let info = details.error_info();
        let of_service = info.filter(|info| info.domain == "inbox.leadchat");
        let mut error = json!({
            "code": code_name(code),
            "reason": of_service.map_or("", |info| info.reason.as_str()),
            "known": known,
            "metadata": of_service.map(|info| info.metadata.clone()).unwrap_or_default(),
            "fields": details.bad_request().map(|it| {
                it.field_violations.iter().map(|it| it.field.clone()).collect::<Vec<_>>()
            }).unwrap_or_default(),
        });
        let delay = details.retry_info().and_then(|it| it.retry_delay);
        if let Some(delay) = delay {
            error["retry_delay_seconds"] = delay.as_secs_f64().into();
        }
        let case = json!({
            "status": {
                "code": code as i32,
                "message": "a text",
                "details": STANDARD.encode(status.details()),
            },
            "error": error,
        });
        fixed(format!("status/{name}"), case)
    };
    let of = |reason: &str| {
        ErrorDetails::with_error_info(
            reason,
            "inbox.leadchat",
            [("caller".to_owned(), "me".to_owned())],
        )
    };
    let reasons = wire::POOL
        .get_enum_by_name("leadchat.inbox.v1.ErrorReason")
        .unwrap();
    let mut questions: Vec<_> = reasons
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| {
            let reason = value.name().strip_prefix("ERROR_REASON_").unwrap();
            let name = reason.to_lowercase().replace('_', "-");
            status(name, tonic::Code::Internal, of(reason), true)
        })
        .collect();
    let mut detailed = of("INVALID_REQUEST");
    detailed.add_bad_request_violation("viewer", "is required");
    detailed.set_retry_info(Some(std::time::Duration::from_millis(1500)));
    let foreign =
        ErrorDetails::with_error_info("QUOTA", "proxy.example", [] as [(String, String); 0]);
    questions.extend([
        status("with-all-details".to_owned(), tonic::Code::InvalidArgument, detailed, true),
        status("of-the-future".to_owned(), tonic::Code::FailedPrecondition, of("FROM_THE_FUTURE"), false),
        status("of-a-proxy".to_owned(), tonic::Code::Unavailable, foreign, false),
        status("without-details".to_owned(), tonic::Code::Unavailable, ErrorDetails::new(), false),
        two_error_infos(),
        fixed("status/odd-details", json!({
            "status": { "code": 13, "message": "a text", "details": STANDARD.encode(b"\xff\xff\xff") },
            "error": { "code": "INTERNAL", "reason": "", "known": false, "metadata": {}, "fields": [] },
        })),
    ]);
    questions
}

/// A proxy has put its own details before those of the service.
fn two_error_infos() -> Question {
    let info = |reason: &str, domain: &str| {
        let details = ErrorDetails::with_error_info(reason, domain, [] as [(String, String); 0]);
        let status = tonic::Status::with_error_details(tonic::Code::NotFound, "a text", details);
        status.details().to_vec()
    };
    // Messages that are joined are merged: the details are those of both.
    let proxy = info("QUOTA", "proxy.example");
    let details = [proxy, info("INBOX_NOT_FOUND", "inbox.leadchat")].concat();
    let case = json!({
        "status": { "code": 5, "message": "a text", "details": STANDARD.encode(details) },
        "error": {
            "code": "NOT_FOUND", "reason": "INBOX_NOT_FOUND", "known": true,
            "metadata": {}, "fields": [],
        },
    });
    fixed("status/two-error-infos", case)
}
