//! Requests, read in one step; a failure names every field that is wrong.

use std::collections::BTreeSet;

use prost::Message;

use crate::{
    domain::{
        account::fold,
        address::{Address, AddressKind},
        channel::ChannelKind,
        id::{AccountId, AgentBotId, InboxId, UserId},
        viewer::{Detail, Viewer},
    },
    grpc::{
        page_token::Cursor,
        pb,
        status::{CallError, MAX_VIOLATIONS, Violation},
    },
};

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1000;
const MAX_BATCH_SIZE: usize = 100;

/// The maximum size of a key, in bytes; leadchat stores no longer ones.
const MAX_KEY_BYTES: usize = 1024;

const REQUIRED: &str = "is required";
const NOT_POSITIVE: &str = "must be positive";
const UNKNOWN_VALUE: &str = "is not a known value";

/// The common part of all requests.
#[derive(Clone, Copy)]
pub struct RequestScope {
    pub account: AccountId,
    pub viewer: Viewer,
    pub detail: Detail,
}

pub struct GetInbox {
    pub scope: RequestScope,
    pub inbox: InboxId,
}

pub struct ListInboxes {
    pub scope: RequestScope,
    pub page_size: usize,
    pub cursor: Option<Cursor>,
    /// Empty for all.
    pub kinds: BTreeSet<ChannelKind>,
    /// Folded.
    pub name_prefix: String,
    /// The digest that the page tokens of this request are bound to.
    pub binding: Vec<u8>,
}

pub struct BatchGetInboxes {
    pub scope: RequestScope,
    pub inboxes: Vec<InboxId>,
}

pub struct FindInboxes {
    /// `None` for all, for a service viewer.
    pub account: Option<AccountId>,
    pub viewer: Viewer,
    pub detail: Detail,
    pub address: Address,
}

impl TryFrom<pb::GetInboxRequest> for GetInbox {
    type Error = CallError;

    fn try_from(request: pb::GetInboxRequest) -> Result<Self, CallError> {
        let pb::GetInboxRequest {
            account_id,
            inbox_id,
            viewer,
            detail,
        } = request;
        let mut violations = Violations::default();
        let scope = violations.scope(account_id, viewer, detail);
        let inbox = violations.id("inbox_id", inbox_id);
        violations.finish(|| {
            Some(Self {
                scope: scope?,
                inbox: InboxId(inbox?),
            })
        })
    }
}

impl TryFrom<pb::ListInboxesRequest> for ListInboxes {
    type Error = CallError;

    fn try_from(request: pb::ListInboxesRequest) -> Result<Self, CallError> {
        let pb::ListInboxesRequest {
            account_id,
            viewer,
            detail,
            page_size,
            page_token,
            channel_kinds,
            name_prefix,
        } = request;
        let mut violations = Violations::default();
        let scope = violations.scope(account_id, viewer, detail);
        let page_size = match usize::try_from(page_size) {
            Ok(0) => DEFAULT_PAGE_SIZE,
            Ok(size) => size.min(MAX_PAGE_SIZE),
            Err(_) => {
                violations.add("page_size", "must not be negative");
                DEFAULT_PAGE_SIZE
            }
        };
        let mut kinds = BTreeSet::new();
        for (index, kind) in channel_kinds.into_iter().enumerate() {
            match pb::ChannelKind::try_from(kind)
                .ok()
                .and_then(to_channel_kind)
            {
                Some(kind) => _ = kinds.insert(kind),
                None => violations.add(format!("channel_kinds[{index}]"), UNKNOWN_VALUE),
            }
        }
        let name_prefix = fold(&name_prefix);
        let (scope, cursor, binding) = violations.finish(|| {
            let scope = scope?;
            let binding = binding(scope, &kinds, &name_prefix);
            let cursor = Some(page_token)
                .filter(|token| !token.is_empty())
                .map(|token| Cursor::parse(&token, &binding));
            Some((scope, cursor, binding))
        })?;
        Ok(Self {
            scope,
            page_size,
            cursor: cursor.transpose()?,
            kinds,
            name_prefix,
            binding,
        })
    }
}

impl TryFrom<pb::BatchGetInboxesRequest> for BatchGetInboxes {
    type Error = CallError;

    fn try_from(request: pb::BatchGetInboxesRequest) -> Result<Self, CallError> {
        let pb::BatchGetInboxesRequest {
            account_id,
            viewer,
            detail,
            inbox_ids,
        } = request;
        let mut violations = Violations::default();
        let scope = violations.scope(account_id, viewer, detail);
        if inbox_ids.is_empty() {
            violations.add("inbox_ids", REQUIRED);
        }
        if inbox_ids.len() > MAX_BATCH_SIZE {
            violations.add("inbox_ids", "must not be more than 100");
        }
        let mut seen = BTreeSet::new();
        for (index, id) in inbox_ids.iter().take(MAX_BATCH_SIZE).enumerate() {
            if *id <= 0 {
                violations.add(format!("inbox_ids[{index}]"), NOT_POSITIVE);
            } else if !seen.insert(*id) {
                violations.add(format!("inbox_ids[{index}]"), "is a duplicate");
            }
        }
        let inboxes = inbox_ids.into_iter().map(InboxId).collect();
        violations.finish(|| {
            Some(Self {
                scope: scope?,
                inboxes,
            })
        })
    }
}

impl TryFrom<pb::FindInboxesRequest> for FindInboxes {
    type Error = CallError;

    fn try_from(request: pb::FindInboxesRequest) -> Result<Self, CallError> {
        let pb::FindInboxesRequest {
            account_id,
            viewer,
            detail,
            key,
        } = request;
        let mut violations = Violations::default();
        let account = account_id.and_then(|id| violations.id("account_id", id));
        let viewer = violations.viewer(viewer);
        if account_id.is_none() && viewer.is_some_and(|viewer| viewer != Viewer::Service) {
            violations.add("account_id", "is required for all viewers but a service");
        }
        let detail = violations.detail(detail);
        let address = violations.address(key);
        violations.finish(|| {
            Some(Self {
                account: account.map(AccountId),
                viewer: viewer?,
                detail: detail?,
                address: address?,
            })
        })
    }
}

/// The violations of a request.
#[derive(Default)]
struct Violations(Vec<Violation>);

impl Violations {
    fn add(&mut self, field: impl Into<String>, description: &'static str) {
        // Further violations are dropped: a request may have millions.
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation {
                field: field.into(),
                description,
            });
        }
    }

    fn scope(
        &mut self,
        account: i64,
        viewer: Option<pb::Viewer>,
        detail: i32,
    ) -> Option<RequestScope> {
        let account = self.id("account_id", account);
        let viewer = self.viewer(viewer);
        let detail = self.detail(detail);
        Some(RequestScope {
            account: AccountId(account?),
            viewer: viewer?,
            detail: detail?,
        })
    }

    fn detail(&mut self, detail: i32) -> Option<Detail> {
        match pb::InboxDetail::try_from(detail) {
            Ok(pb::InboxDetail::Basic) => Some(Detail::Basic),
            Ok(pb::InboxDetail::Full | pb::InboxDetail::Unspecified) => Some(Detail::Full),
            Err(_) => {
                self.add("detail", UNKNOWN_VALUE);
                None
            }
        }
    }

    fn address(&mut self, key: Option<pb::find_inboxes_request::Key>) -> Option<Address> {
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

    fn viewer(&mut self, viewer: Option<pb::Viewer>) -> Option<Viewer> {
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

    fn id(&mut self, field: &'static str, id: i64) -> Option<i64> {
        match id {
            1.. => return Some(id),
            0 => self.add(field, REQUIRED),
            _ => self.add(field, NOT_POSITIVE),
        }
        None
    }

    /// The request, if nothing was wrong with it.
    fn finish<T>(self, request: impl FnOnce() -> Option<T>) -> Result<T, CallError> {
        if !self.0.is_empty() {
            return Err(CallError::InvalidRequest(self.0));
        }
        // A part that cannot be read has added a violation.
        request().ok_or(CallError::Internal)
    }
}

/// The binding of page tokens: account, viewer, detail and filter. The page size may
/// change between pages.
fn binding(scope: RequestScope, kinds: &BTreeSet<ChannelKind>, name_prefix: &str) -> Vec<u8> {
    let RequestScope {
        account,
        viewer,
        detail,
    } = scope;
    let principal = match viewer {
        Viewer::User(id) => pb::viewer::Principal::UserId(id.0),
        Viewer::AgentBot(id) => pb::viewer::Principal::AgentBotId(id.0),
        Viewer::Service => pb::viewer::Principal::Service(pb::ServiceViewer {}),
    };
    let detail = match detail {
        Detail::Basic => pb::InboxDetail::Basic,
        Detail::Full => pb::InboxDetail::Full,
    };
    pb::ListInboxesRequest {
        account_id: account.0,
        viewer: Some(pb::Viewer {
            principal: Some(principal),
        }),
        detail: detail.into(),
        page_size: 0,
        page_token: String::new(),
        channel_kinds: kinds
            .iter()
            .map(|kind| pb::ChannelKind::from(*kind).into())
            .collect(),
        name_prefix: name_prefix.to_owned(),
    }
    .encode_to_vec()
}

const fn to_channel_kind(kind: pb::ChannelKind) -> Option<ChannelKind> {
    Some(match kind {
        pb::ChannelKind::Unspecified => return None,
        pb::ChannelKind::WebWidget => ChannelKind::WebWidget,
        pb::ChannelKind::Api => ChannelKind::Api,
        pb::ChannelKind::Email => ChannelKind::Email,
        pb::ChannelKind::FacebookPage => ChannelKind::FacebookPage,
        pb::ChannelKind::Instagram => ChannelKind::Instagram,
        pb::ChannelKind::Tiktok => ChannelKind::Tiktok,
        pb::ChannelKind::TwilioSms => ChannelKind::TwilioSms,
        pb::ChannelKind::TwitterProfile => ChannelKind::TwitterProfile,
        pb::ChannelKind::Telegram => ChannelKind::Telegram,
        pb::ChannelKind::Line => ChannelKind::Line,
        pb::ChannelKind::Sms => ChannelKind::Sms,
        pb::ChannelKind::Whatsapp => ChannelKind::Whatsapp,
        pb::ChannelKind::Voice => ChannelKind::Voice,
    })
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

#[cfg(test)]
mod tests {
    mod fuzz;
}
