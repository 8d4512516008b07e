//! The issuers of callers and of viewers, and what becomes of their tokens.

use std::{sync::LazyLock, time::SystemTime};

use prost::Message;
use serde_json::{Value, json};
use tonic::{Code, Request, Status, metadata::MetadataValue};

use super::metadata;
use crate::support::{
    Client, Program, get_inbox, pb, reason,
    tokens::{Key, jwks},
    viewer,
};

pub const ISS: &str = "https://tokens.example";

/// The issuers of callers and of viewers.
pub const ISSUERS: &str = r#"
[[issuer]]
name = "jobs"
names = "callers"
iss = "https://tokens.example"
audience = "leadchat-inbox"
keys = "jobs.jwks"
[[issuer]]
name = "login"
names = "viewers"
iss = "https://login.example"
audience = "leadchat-inbox"
keys = "login.jwks"
user = "leadchat_user_id"
longest = "15m"
"#;

/// The keys of all issuers. RSA takes a while to make.
pub struct Keys {
    pub es256: Key,
    pub eddsa: Key,
    pub rs256: Key,
    pub login: Key,
}

pub static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    es256: Key::es256("es"),
    eddsa: Key::eddsa("ed"),
    rs256: Key::rs256("rs"),
    login: Key::es256("login"),
});

impl Keys {
    pub fn of_jobs(&self) -> [&Key; 3] {
        [&self.es256, &self.eddsa, &self.rs256]
    }

    /// With the files of the issuers.
    pub fn program(&self, program: Program) -> Program {
        program
            .with_file("jobs.jwks", &jwks(&self.of_jobs()))
            .with_file("login.jwks", &jwks(&[&self.login]))
    }
}

pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// Good claims of a caller.
pub fn claims(subject: &str) -> Value {
    json!({
        "iss": ISS, "sub": subject, "aud": "leadchat-inbox",
        "iat": now(), "exp": now() + 600,
    })
}

/// Good claims of a user.
pub fn user_claims(user: impl Into<Value>) -> Value {
    json!({
        "iss": "https://login.example", "sub": "mail@example", "aud": "leadchat-inbox",
        "exp": now() + 600, "leadchat_user_id": user.into(),
    })
}

/// GetInbox with these values of headers.
pub async fn ask(
    client: &Client,
    headers: &[(&'static str, &str)],
    account: i64,
    viewer: pb::Viewer,
) -> Result<(), Status> {
    let message = get_inbox(account, 1, viewer);
    let mut request = Request::new(message.encode_to_vec());
    for (name, value) in headers {
        let value = MetadataValue::try_from(*value).unwrap();
        request.metadata_mut().append(*name, value);
    }
    let path = "/leadchat.inbox.v1.InboxService/GetInbox";
    let answer = client.raw::<pb::GetInboxResponse>(path, request).await;
    answer.map(|_| ())
}

/// The name of the caller, or the reason with its metadata.
pub async fn outcome(client: &Client, headers: &[(&'static str, &str)]) -> String {
    outcome_of(client, headers, viewer::service()).await
}

pub async fn outcome_of(
    client: &Client,
    headers: &[(&'static str, &str)],
    viewer: pb::Viewer,
) -> String {
    described(&ask(client, headers, 99, viewer).await.unwrap_err())
}

/// An error in short. Account 99 is in no rule, so a known caller is told its name.
pub fn described(status: &Status) -> String {
    let metadata = metadata(status);
    match (status.code(), metadata.get("needs")) {
        (Code::PermissionDenied, Some(needs)) if needs == "account" => {
            format!("is {}", metadata["caller"])
        }
        _ => {
            let keys = ["identity", "credential", "needs"];
            let details = keys.iter().filter_map(|key| metadata.get(*key)).cloned();
            [vec![reason(status)], details.collect()].concat().join(" ")
        }
    }
}
