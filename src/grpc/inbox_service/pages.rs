//! Responses of several inboxes: pages of a list, and what was found.

use std::collections::BTreeSet;

use prost_types::Timestamp;

use super::InboxService;
use crate::{
    domain::{
        access::{Access, InboxView},
        account::has_prefix,
        channel::{Channel, ChannelKind},
        cursor::Cursor,
        secret_group::SecretGroups,
        viewer::Role,
    },
    grpc::{
        disclosure::Disclosure,
        page_token::MAX_TOKEN_BYTES,
        pb,
        response_limit::PageBuilder,
        wire::{enums::to_groups, request::ListInboxes},
    },
};

/// The time with the most bytes: where a page ends must not depend on the clock.
pub const LONGEST_TIME: Timestamp = Timestamp {
    seconds: i64::MAX,
    nanos: 999_999_999,
};

/// The parts of a response of FindInboxes beside its inboxes.
pub struct FindFrame {
    pub role: Role,
    pub withheld: SecretGroups,
    pub read_time: Timestamp,
}

impl<D, W> InboxService<D, W> {
    /// All inboxes of some accounts.
    pub(super) fn find_response(
        &self,
        frame: &FindFrame,
        accounts: &[Access<'_>],
        disclosure: Disclosure,
    ) -> pb::FindInboxesResponse {
        let views = accounts.iter().flat_map(Access::inboxes);
        let mut views: Vec<_> = views.map(|(_, view)| view).collect();
        views.sort_by_key(|view| (view.inbox().account_id, view.inbox().id));
        let references = views.iter().map(|view| pb::InboxReference {
            account_id: view.inbox().account_id.0,
            inbox_id: view.inbox().id.0,
        });
        let mut response = pb::FindInboxesResponse {
            inboxes: Vec::new(),
            disclosed_as: pb::Role::from(frame.role).into(),
            // The largest value: its bytes are reserved, and it is replaced below.
            remaining: references.collect(),
            read_time: Some(LONGEST_TIME),
            caller_withheld: to_groups(frame.withheld),
        };
        let mut page = PageBuilder::new(self.limit, &response, disclosure);
        let taken = views
            .iter()
            .take_while(|view| page.try_push(self.message(view)));
        let taken = taken.count();
        response.remaining.drain(..taken);
        response.read_time = Some(frame.read_time);
        response.inboxes = page.inboxes;
        response
    }

    pub(super) fn list_response(
        &self,
        access: &Access<'_>,
        request: &ListInboxes,
        read_time: Timestamp,
        disclosure: Disclosure,
    ) -> pb::ListInboxesResponse {
        let mut response = pb::ListInboxesResponse {
            inboxes: Vec::new(),
            disclosed_as: pb::Role::from(access.role()).into(),
            // The largest value: its bytes are reserved, and it is replaced below.
            next_page_token: " ".repeat(MAX_TOKEN_BYTES),
            read_time: Some(LONGEST_TIME),
            caller_withheld: withheld(access),
        };
        let mut page = PageBuilder::new(self.limit, &response, disclosure);
        let visible = access.inboxes_after(request.cursor.as_ref());
        let mut visible = visible
            .filter(|(name, view)| matches(request, name, view))
            .peekable();
        let mut last = None;
        while page.inboxes.len() < request.page_size
            && let Some((name, view)) =
                visible.next_if(|(_, view)| page.try_push(self.message(view)))
        {
            last = Some(Cursor::new(name, view.inbox().id));
        }
        response.read_time = Some(read_time);
        // One further tells whether there is another page.
        let is_last_page = visible.peek().is_none();
        response.next_page_token = last
            .filter(|_| !is_last_page)
            .map(|last| last.token(&request.binding))
            .unwrap_or_default();
        response.inboxes = page.inboxes;
        response
    }
}

pub fn withheld(access: &Access<'_>) -> Vec<i32> {
    to_groups(access.withheld_by_caller())
}

fn matches(request: &ListInboxes, folded_name: &str, view: &InboxView<'_>) -> bool {
    let kind = view.inbox().channel.as_ref().map(Channel::kind);
    let of_kind = |kinds: &BTreeSet<ChannelKind>| {
        kinds.is_empty() || kind.is_some_and(|kind| kinds.contains(&kind))
    };
    of_kind(&request.kinds) && has_prefix(folded_name, &request.name_prefix)
}
