//! Requests, read in one step; a failure names every field that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::violations::{NOT_POSITIVE, REQUIRED, RequestScope, UNKNOWN_VALUE, Violations};
use crate::{
    domain::{
        account::fold,
        address::Address,
        channel::ChannelKind,
        cursor::Cursor,
        freshness::Freshness,
        id::{AccountId, InboxId},
        viewer::{Detail, Viewer},
    },
    grpc::{pb, status::CallError},
    identity::Method,
};

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1000;
const MAX_BATCH_SIZE: usize = 100;

/// Inboxes that a client may name as held, and the bytes of an etag.
const MAX_KNOWN_INBOXES: usize = 5000;
const MAX_ETAG_BYTES: usize = 64;

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
    pub freshness: Freshness,
    pub address: Address,
}

pub struct ExplainAccess {
    pub scope: RequestScope,
    /// The method that is asked about.
    pub method: Method,
    pub inbox: Option<InboxId>,
}

pub struct WatchInboxes {
    pub scope: RequestScope,
    /// The etags of the inboxes that the client holds.
    pub known: BTreeMap<InboxId, Box<str>>,
}

impl TryFrom<pb::WatchInboxesRequest> for WatchInboxes {
    type Error = CallError;

    fn try_from(request: pb::WatchInboxesRequest) -> Result<Self, CallError> {
        let pb::WatchInboxesRequest {
            account_id,
            viewer,
            detail,
            known: named,
        } = request;
        let mut violations = Violations::default();
        // It has no freshness: it begins with a state that is read for it.
        let scope = violations.scope(account_id, viewer, detail, 0);
        if named.len() > MAX_KNOWN_INBOXES {
            violations.add("known", "must not be more than 5000");
        }
        let mut known = BTreeMap::new();
        for (index, inbox) in named.into_iter().take(MAX_KNOWN_INBOXES).enumerate() {
            let pb::KnownInbox { inbox_id, etag } = inbox;
            if inbox_id <= 0 {
                violations.add(format!("known[{index}].inbox_id"), NOT_POSITIVE);
            }
            if etag.len() > MAX_ETAG_BYTES {
                let description = "must not be longer than 64 bytes";
                violations.add(format!("known[{index}].etag"), description);
            }
            if known.insert(InboxId(inbox_id), etag.into()).is_some() {
                violations.add(format!("known[{index}].inbox_id"), "is a duplicate");
            }
        }
        violations.finish(|| {
            Some(Self {
                scope: scope?,
                known,
            })
        })
    }
}

impl TryFrom<pb::ExplainAccessRequest> for ExplainAccess {
    type Error = CallError;

    fn try_from(request: pb::ExplainAccessRequest) -> Result<Self, CallError> {
        let pb::ExplainAccessRequest {
            account_id,
            inbox_id,
            viewer,
            detail,
            method,
            freshness,
        } = request;
        let mut violations = Violations::default();
        let scope = violations.scope(account_id, viewer, detail, freshness);
        let inbox = inbox_id.map(|id| violations.id("inbox_id", id).map(InboxId));
        let method = match method.as_str() {
            "" => Some(Method::GetInbox),
            name => Method::from_name(name).filter(|it| *it != Method::ExplainAccess),
        };
        if method.is_none() {
            violations.add("method", UNKNOWN_VALUE);
        }
        if method == Some(Method::FindInboxes) && inbox_id.is_some() {
            // It finds by address, and tells nothing of an id.
            violations.add("inbox_id", "must not be set with FindInboxes");
        }
        violations.finish(|| {
            Some(Self {
                scope: scope?,
                method: method?,
                inbox: match inbox {
                    Some(inbox) => Some(inbox?),
                    None => None,
                },
            })
        })
    }
}

impl TryFrom<pb::GetInboxRequest> for GetInbox {
    type Error = CallError;

    fn try_from(request: pb::GetInboxRequest) -> Result<Self, CallError> {
        let pb::GetInboxRequest {
            account_id,
            inbox_id,
            viewer,
            detail,
            freshness,
        } = request;
        let mut violations = Violations::default();
        let scope = violations.scope(account_id, viewer, detail, freshness);
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
            freshness,
        } = request;
        let mut violations = Violations::default();
        let scope = violations.scope(account_id, viewer, detail, freshness);
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
            freshness,
        } = request;
        let mut violations = Violations::default();
        let scope = violations.scope(account_id, viewer, detail, freshness);
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
            freshness,
        } = request;
        let mut violations = Violations::default();
        let account = account_id.and_then(|id| violations.id("account_id", id));
        let viewer = violations.viewer(viewer);
        if account_id.is_none() && viewer.is_some_and(|viewer| viewer != Viewer::Service) {
            violations.add("account_id", "is required for all viewers but a service");
        }
        let detail = violations.detail(detail);
        let freshness = violations.freshness(freshness);
        let address = violations.address(key);
        violations.finish(|| {
            Some(Self {
                account: account.map(AccountId),
                viewer: viewer?,
                detail: detail?,
                freshness: freshness?,
                address: address?,
            })
        })
    }
}

/// The binding of page tokens: account, viewer, detail and filter. The page size and the
/// freshness may change between pages.
fn binding(scope: RequestScope, kinds: &BTreeSet<ChannelKind>, name_prefix: &str) -> Vec<u8> {
    let RequestScope {
        account,
        viewer,
        detail,
        freshness: _,
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
        freshness: 0,
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

#[cfg(test)]
mod tests {
    mod fuzz;
}
