//! Demonstration data: three accounts, every kind of channel, and users of every role.

use std::{fmt::Write, io, path::PathBuf};

use tempfile::TempDir;

use crate::{
    config::ListenAddress,
    leadchat::{Installation, links::Links},
    store::{DatabaseSettings, OpenError, Store},
};

const DEMO_SQL: &str = include_str!("demo/rows.sql");

/// A store of demonstration data, deleted on drop.
pub struct Demo {
    folder: TempDir,
}

/// The reasons why demonstration data cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("cannot create a temporary folder: {0}")]
    Folder(io::ErrorKind),
    #[error(transparent)]
    Store(#[from] OpenError),
}

impl Demo {
    pub async fn create() -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new()
            .prefix("leadchat-inbox-demo-")
            .tempdir()
            .map_err(|error| DemoError::Folder(error.kind()))?;
        let demo = Self { folder };
        Store::fill_sqlite(&demo.file(), DEMO_SQL).await?;
        Ok(demo)
    }

    pub fn database(&self) -> DatabaseSettings {
        DatabaseSettings::Sqlite(self.file())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("demo.db")
    }

    /// An installation that the addresses in the answers belong to.
    pub fn installation() -> Installation {
        Installation {
            links: Links::new(Some("https://leadchat.example".to_owned()), false),
            forwarding_enabled: true,
        }
    }

    /// The users in the data, and commands to try.
    pub fn introduction(&self, address: &ListenAddress) -> String {
        let mut text = String::from(
            "
Demonstration data, gone when this stops:

  account 1, Paper Lantern Books: an inbox of every kind, ids 1 to 13
    user 1       Ada, administrator
    user 2       Ben, agent, member of inboxes 1 (web widget), 3 (email) and 7 (Twilio)
    user 4       Dora, agent, member of every inbox
    agent bot 1  Lantern, active in inbox 1
    agent bot 2  Compass, active in every inbox
  account 2, Harbour Bikes: inboxes 21 (web widget), 22 (WhatsApp), 23 (Facebook) and 24 (email)
    user 3       Cleo, administrator; in account 1 an agent, member of no inbox
  account 3, Tide Tours, suspended: inbox 31 (Facebook)
    user 3       Cleo, administrator

One Facebook page is inbox 4, 23 and 31. The SMTP password of inbox 24 is encrypted.

To try in another shell, with grpcurl (brew install grpcurl, or
go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest):
",
        );
        for (comment, method, request) in [
            (
                "an email inbox, as its administrator sees it: passwords and all",
                "GetInbox",
                r#"{"account_id":1,"inbox_id":3,"viewer":{"user_id":1}}"#,
            ),
            (
                "the same, as an agent sees it",
                "GetInbox",
                r#"{"account_id":1,"inbox_id":3,"viewer":{"user_id":2}}"#,
            ),
            (
                "what a picker shows to an agent",
                "ListInboxes",
                r#"{"account_id":1,"viewer":{"user_id":2},"detail":"INBOX_DETAIL_BASIC"}"#,
            ),
            (
                "several at once, one of them not visible to the bot",
                "BatchGetInboxes",
                r#"{"account_id":1,"inbox_ids":[1,3],"viewer":{"agent_bot_id":1}}"#,
            ),
            (
                "the inboxes of a Facebook page, in any account, as a service sees them",
                "FindInboxes",
                r#"{"viewer":{"service":{}},"detail":"INBOX_DETAIL_BASIC","facebook_page_id":"555000000000104"}"#,
            ),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "
  # {comment}
  grpcurl {} -d '{request}' {} leadchat.inbox.v1.InboxService/{method}",
                grpcurl_credentials(address),
                grpcurl_target(address)
            );
        }
        text
    }
}

/// Whom the client trusts, and who it is.
const fn grpcurl_credentials(address: &ListenAddress) -> &'static str {
    match address {
        ListenAddress::Tcp(_) | ListenAddress::Unix(_) => "-plaintext",
        ListenAddress::Tls(_) => "-cacert authority.pem -cert me.pem -key me.key",
    }
}

/// The address as grpcurl takes it from a shell.
fn grpcurl_target(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) | ListenAddress::Tls(address) => quoted(&address.to_string()),
        ListenAddress::Unix(path) => format!("-unix {}", quoted(&path.display().to_string())),
    }
}

/// A word in quotes, unless a shell takes it as it is. Brackets and spaces need them.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "/.:_-".contains(character);
    if word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
