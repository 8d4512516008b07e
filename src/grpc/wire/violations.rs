//! The fields that requests share: each is read, or is a violation.

use crate::{
    domain::{
        address::{Address, AddressKind},
        freshness::Freshness,
        id::{AccountId, AgentBotId, UserId},
        viewer::{Detail, Viewer},
    },
    grpc::{
        pb,
        status::{CallError, MAX_VIOLATIONS, Violation},
    },
    identity::{Ask, Method},
};

/// The maximum size of a key, in bytes; leadchat stores no longer ones.
pub const MAX_KEY_BYTES: usize = 1024;

pub const REQUIRED: &str = "is required";
pub const NOT_POSITIVE: &str = "must be positive";
pub const UNKNOWN_VALUE: &str = "is not a known value";

/// The common part of all requests.
#[derive(Clone, Copy)]
pub struct RequestScope {
    pub account: AccountId,
    pub viewer: Viewer,
    pub detail: Detail,
    pub freshness: Freshness,
}

impl RequestScope {
    /// The question by a method.
    pub const fn ask(&self, method: Method) -> Ask {
        Ask {
            method,
            account: self.account,
            viewer: self.viewer,
            detail: self.detail,
        }
    }
}

/// The violations of a request.
#[derive(Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    pub fn add(&mut self, field: impl Into<String>, description: &'static str) {
        // Further violations are dropped: a request may have millions.
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation {
                field: field.into(),
                description,
            });
        }
    }

    pub fn scope(
        &mut self,
        account: i64,
        viewer: Option<pb::Viewer>,
        detail: i32,
        freshness: i32,
    ) -> Option<RequestScope> {
        let account = self.id("account_id", account);
        let viewer = self.viewer(viewer);
        let detail = self.detail(detail);
        let freshness = self.freshness(freshness);
        Some(RequestScope {
            account: AccountId(account?),
            viewer: viewer?,
            detail: detail?,
            freshness: freshness?,
        })
    }

    pub fn freshness(&mut self, freshness: i32) -> Option<Freshness> {
        match pb::Freshness::try_from(freshness) {
            Ok(pb::Freshness::Bounded | pb::Freshness::Unspecified) => Some(Freshness::Bounded),
            Ok(pb::Freshness::Latest) => Some(Freshness::Latest),
            Err(_) => {
                self.add("freshness", UNKNOWN_VALUE);
                None
            }
        }
    }

    pub fn detail(&mut self, detail: i32) -> Option<Detail> {
        match pb::InboxDetail::try_from(detail) {
            Ok(pb::InboxDetail::Basic) => Some(Detail::Basic),
            Ok(pb::InboxDetail::Full | pb::InboxDetail::Unspecified) => Some(Detail::Full),
            Err(_) => {
                self.add("detail", UNKNOWN_VALUE);
                None
            }
        }
    }

    pub fn address(&mut self, key: Option<pb::find_inboxes_request::Key>) -> Option<Address> {
        let Some((field, kind, text)) = key.map(to_address) else {
            self.add("key", REQUIRED);
            return None;
        };
        if text.trim().is_empty() {
            self.add(field, "must not be blank");
        } else if text.len() > MAX_KEY_BYTES {
            self.add(field, "must not be longer than 1024 bytes");
        } else if text.contains('\0') {
            self.add(field, "must not hold a NUL");
        } else {
            return Some(Address::new(kind, text));
        }
        None
    }

    pub fn viewer(&mut self, viewer: Option<pb::Viewer>) -> Option<Viewer> {
        use pb::viewer::Principal;

        match viewer.and_then(|viewer| viewer.principal) {
            Some(Principal::UserId(id)) => self
                .id("viewer.user_id", id)
                .map(|id| Viewer::User(UserId(id))),
            Some(Principal::AgentBotId(id)) => self
                .id("viewer.agent_bot_id", id)
                .map(|id| Viewer::AgentBot(AgentBotId(id))),
            Some(Principal::Service(pb::ServiceViewer {})) => Some(Viewer::Service),
            None => {
                self.add("viewer", REQUIRED);
                None
            }
        }
    }

    pub fn id(&mut self, field: &'static str, id: i64) -> Option<i64> {
        match id {
            1.. => return Some(id),
            0 => self.add(field, REQUIRED),
            _ => self.add(field, NOT_POSITIVE),
        }
        None
    }

    /// The request, if nothing was wrong with it.
    pub fn finish<T>(self, request: impl FnOnce() -> Option<T>) -> Result<T, CallError> {
        if !self.0.is_empty() {
            return Err(CallError::InvalidRequest(self.0));
        }
        // A part that cannot be read has added a violation.
        request().ok_or(CallError::Internal)
    }
}

/// The field, and what its text is.
fn to_address(key: pb::find_inboxes_request::Key) -> (&'static str, AddressKind, String) {
    use AddressKind as Kind;
    use pb::find_inboxes_request::Key;

    match key {
        Key::WebsiteToken(text) => ("website_token", Kind::WebsiteToken, text),
        Key::InboxIdentifier(text) => ("inbox_identifier", Kind::InboxIdentifier, text),
        Key::Email(text) => ("email", Kind::Email, text),
        Key::ForwardToEmail(text) => ("forward_to_email", Kind::ForwardToEmail, text),
        Key::PhoneNumber(text) => ("phone_number", Kind::PhoneNumber, text),
        Key::MessagingServiceSid(text) => {
            ("messaging_service_sid", Kind::MessagingServiceSid, text)
        }
        Key::FacebookPageId(text) => ("facebook_page_id", Kind::FacebookPageId, text),
        Key::InstagramId(text) => ("instagram_id", Kind::InstagramId, text),
        Key::TiktokBusinessId(text) => ("tiktok_business_id", Kind::TiktokBusinessId, text),
        Key::TwitterProfileId(text) => ("twitter_profile_id", Kind::TwitterProfileId, text),
        Key::LineChannelId(text) => ("line_channel_id", Kind::LineChannelId, text),
        Key::TelegramBotToken(text) => ("telegram_bot_token", Kind::TelegramBotToken, text),
    }
}
