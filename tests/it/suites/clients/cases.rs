//! A case with the answer of the service, as `clients/conformance.json` has it.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Value, json};
use tonic::{Code, Request, Status, metadata::MetadataKey};
use tonic_types::StatusExt;

use super::{
    questions::{Kind, Question},
    servers::Servers,
};
use crate::support::{
    Client,
    pb::{self, watch_inboxes_response::Event},
    wire,
};

/// Fields that differ between servers and times.
const VOLATILE: [&str; 3] = ["etag", "readTime", "nextPageToken"];

/// The text that stands for any text but an empty one.
const ANY: &str = "…";

/// A case, with what the service answers.
pub async fn answered(servers: &Servers, question: Question) -> Value {
    let Question {
        name,
        mut case,
        kind,
    } = question;
    let answer = match &kind {
        Kind::Call(method) => call(servers, method, &case).await,
        Kind::Watch => watch(servers, &mut case).await,
        Kind::Pages => pages(servers, &case).await,
        Kind::Fixed => json!({}),
    };
    let mut whole = json!({ "name": name });
    match kind {
        Kind::Call(method) => whole["method"] = method.into(),
        Kind::Watch => whole["method"] = "WatchInboxes".into(),
        Kind::Pages | Kind::Fixed => {}
    }
    for part in [case.take(), answer] {
        for (key, value) in part.as_object().unwrap() {
            whole[key] = value.clone();
        }
    }
    whole
}

async fn call(servers: &Servers, method: &str, case: &Value) -> Value {
    let caller = case["caller"].as_str();
    if case.get("timeout_ms").is_some() {
        // Some libraries do not send a call whose deadline has passed.
        return json!({ "error": { "code": "DEADLINE_EXCEEDED" } });
    }
    let client = servers.client(caller).await;
    let bytes = encoded(&format!("{method}Request"), &case["request"]);
    let mut request = presented(servers, case, bytes);
    for (name, value) in case["request_metadata"].as_object().into_iter().flatten() {
        let name: MetadataKey<_> = name.parse().unwrap();
        let value = value.as_str().unwrap().parse().unwrap();
        request.metadata_mut().insert(name, value);
    }
    let path = format!("/leadchat.inbox.v1.InboxService/{method}");
    match client.raw::<()>(&path, request).await {
        Ok(answer) if case.get("response_metadata").is_some() => {
            for (name, value) in case["response_metadata"].as_object().unwrap() {
                let received = answer.metadata.get(name).unwrap();
                assert_eq!(received, value.as_str().unwrap());
            }
            json!({})
        }
        Ok(answer) => {
            let response = decoded(&format!("{method}Response"), &answer.bytes);
            json!({ "response": response })
        }
        Err(status) => json!({ "error": error(&status) }),
    }
}

/// A request with the headers of the caller of a case.
fn presented<M>(servers: &Servers, case: &Value, message: M) -> Request<M> {
    let mut request = Request::new(message);
    if let Some(caller) = case["caller"].as_str() {
        let headers = servers.headers(caller, case["viewer_token"].as_str());
        for (name, value) in headers {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
    }
    request
}

/// The events of a watch, up to the first `synced`.
async fn watch(servers: &Servers, case: &mut Value) -> Value {
    let client = servers.client(case["caller"].as_str()).await;
    name_etags(&client, &mut case["request"]).await;
    let bytes = encoded("WatchInboxesRequest", &case["request"]);
    let request: pb::WatchInboxesRequest = prost::Message::decode(bytes.as_slice()).unwrap();
    let held = request.known.iter().map(|known| {
        let inbox = pb::Inbox {
            id: known.inbox_id,
            etag: known.etag.clone(),
            ..Default::default()
        };
        (known.inbox_id, inbox)
    });
    let held: BTreeMap<_, _> = held.collect();
    let opened = client
        .watch_with(presented(servers, case, request), held)
        .await;
    let mut watch = match opened {
        Ok(watch) => watch,
        Err(status) => return json!({ "error": error(&status) }),
    };
    let mut events = Vec::new();
    loop {
        match watch.next().await {
            Ok(received) => {
                events.push(decoded("WatchInboxesResponse", &received.bytes));
                if let Event::Synced(_) = received.event {
                    return json!({ "events": events });
                }
            }
            Err(status) => {
                assert!(events.is_empty(), "{status:?}");
                return json!({ "error": error(&status) });
            }
        }
    }
}

/// Puts the etag that an inbox has, where a request says `current`.
async fn name_etags(client: &Client, request: &mut Value) {
    let mut get = request.clone();
    let known = request.get_mut("known").and_then(Value::as_array_mut);
    for known in known.into_iter().flatten() {
        if known["etag"] == "current" {
            get.as_object_mut().unwrap().remove("known");
            get["inboxId"] = known["inboxId"].clone();
            let get = encoded("GetInboxRequest", &get);
            let get: pb::GetInboxRequest = prost::Message::decode(get.as_slice()).unwrap();
            let inbox = client.get(get).await.unwrap().message.inbox.unwrap();
            known["etag"] = inbox.etag.into();
        }
    }
}

/// The kind in the name of a case is that of its inbox.
pub fn assert_kind(case: &Value) {
    let name = case["name"].as_str().unwrap();
    let kind = name
        .strip_prefix("kind/")
        .and_then(|it| it.split('/').next());
    if let Some(kind) = kind {
        let expected = format!("CHANNEL_KIND_{}", kind.to_uppercase().replace('-', "_"));
        assert_eq!(case["response"]["inbox"]["channelKind"], expected, "{name}");
    }
}

/// The ids of the inboxes on all pages.
async fn pages(servers: &Servers, case: &Value) -> Value {
    let client: Client = servers.client(None).await;
    let request = encoded("ListInboxesRequest", &case["request"]);
    let mut request: pb::ListInboxesRequest = prost::Message::decode(request.as_slice()).unwrap();
    let mut ids = Vec::new();
    loop {
        let page = client.list(request.clone()).await.unwrap().message;
        ids.extend(page.inboxes.iter().map(|inbox| inbox.id.to_string()));
        if page.next_page_token.is_empty() {
            return json!({ "ids": ids });
        }
        request.page_token = page.next_page_token;
    }
}

fn encoded(message: &str, json: &Value) -> Vec<u8> {
    let message = DynamicMessage::deserialize(wire::message(message), json).unwrap();
    prost::Message::encode_to_vec(&message)
}

/// A message as proto JSON, without what differs between two calls.
pub fn decoded(message: &str, bytes: &[u8]) -> Value {
    let message = DynamicMessage::decode(wire::message(message), bytes).unwrap();
    let options = SerializeOptions::new().skip_default_fields(true);
    let json = message.serialize_with_options(serde_json::value::Serializer, &options);
    let mut json = json.unwrap();
    hide_volatile(&mut json);
    json
}

fn hide_volatile(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                if VOLATILE.contains(&key.as_str()) {
                    *value = ANY.into();
                }
                hide_volatile(value);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(hide_volatile),
        _ => {}
    }
}

/// An error as a client has to show it.
pub fn error(status: &Status) -> Value {
    let info = status.get_details_error_info().unwrap();
    let request = status.get_details_bad_request();
    let violations = request.into_iter().flat_map(|it| it.field_violations);
    let fields = violations.map(|it| it.field);
    json!({
        "code": code_name(status.code()),
        "reason": info.reason,
        "known": true,
        "metadata": info.metadata,
        "fields": fields.collect::<Vec<_>>(),
        "request_id": ANY,
    })
}

/// The name of a code, as gRPC has it.
pub fn code_name(code: Code) -> String {
    let name = format!("{code:?}");
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}
