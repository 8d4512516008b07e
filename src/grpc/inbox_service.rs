//! The RPCs: a request is read, the account asked for, access decided, and what
//! is visible written out.

use std::{sync::Arc, time::Instant};

use tonic::{Request, Response, Status};

use super::{
    etag::EtagKey,
    layer::{access_log::record_viewer, deadline::deadline_of},
    page::{After, MAX_TOKEN_BYTES},
    pb,
    response_limit::{PageBuilder, ResponseLimit},
    status::CallError,
    wire::{
        inbox::inbox,
        request::{Asked, BatchGetInboxes, Detail, FindInboxes, GetInbox, ListInboxes},
    },
};
use crate::{
    domain::{
        access::{Access, InboxView, Role, Viewer},
        account::{Account, has_prefix},
        channel::ChannelKind,
        directory::InboxDirectory,
        id::InboxId,
    },
    identity::Caller,
};

pub struct InboxService<D> {
    pub directory: Arc<D>,
    pub caller: Caller,
    pub etags: EtagKey,
    pub limit: ResponseLimit,
}

#[tonic::async_trait]
impl<D: InboxDirectory> pb::inbox_service_server::InboxService for InboxService<D> {
    async fn get_inbox(
        &self,
        request: Request<pb::GetInboxRequest>,
    ) -> Result<Response<pb::GetInboxResponse>, Status> {
        let deadline = deadline_of(request.extensions());
        let GetInbox { asked, inbox: id } = request.into_inner().try_into()?;
        let account = self.some(asked, &[id], deadline).await?;
        let access = self.access(account.as_deref(), asked.viewer)?;
        let view = access.inbox(id).ok_or(CallError::InboxNotFound)?;
        Ok(Response::new(pb::GetInboxResponse {
            inbox: Some(self.message(&view, asked.detail)),
            disclosed_as: pb::Role::from(access.role()).into(),
        }))
    }

    async fn list_inboxes(
        &self,
        request: Request<pb::ListInboxesRequest>,
    ) -> Result<Response<pb::ListInboxesResponse>, Status> {
        let deadline = deadline_of(request.extensions());
        let asked = ListInboxes::try_from(request.into_inner())?;
        let Asked {
            account, viewer, ..
        } = asked.asked;
        record_viewer(Some(account), viewer);
        let account = self.directory.account(account, viewer, deadline).await;
        let account = account.map_err(CallError::from)?;
        let access = self.access(account.as_deref(), viewer)?;
        Ok(Response::new(self.page(&access, &asked)))
    }

    async fn batch_get_inboxes(
        &self,
        request: Request<pb::BatchGetInboxesRequest>,
    ) -> Result<Response<pb::BatchGetInboxesResponse>, Status> {
        let deadline = deadline_of(request.extensions());
        let BatchGetInboxes { asked, inboxes } = request.into_inner().try_into()?;
        let account = self.some(asked, &inboxes, deadline).await?;
        let access = self.access(account.as_deref(), asked.viewer)?;

        let ids: Vec<_> = inboxes.iter().map(|id| id.0).collect();
        let mut response = pb::BatchGetInboxesResponse {
            inboxes: Vec::new(),
            disclosed_as: pb::Role::from(access.role()).into(),
            // At most.
            not_found: ids.clone(),
            remaining_ids: ids,
        };
        let mut page = PageBuilder::new(self.limit, &response);
        response.not_found.clear();
        response.remaining_ids.clear();
        for id in inboxes {
            match access.inbox(id) {
                None => response.not_found.push(id.0),
                Some(view) if page.try_push(self.message(&view, asked.detail)) => {}
                Some(_) => response.remaining_ids.push(id.0),
            }
        }
        response.inboxes = page.inboxes;
        Ok(Response::new(response))
    }

    async fn find_inboxes(
        &self,
        request: Request<pb::FindInboxesRequest>,
    ) -> Result<Response<pb::FindInboxesResponse>, Status> {
        let deadline = deadline_of(request.extensions());
        let FindInboxes {
            account,
            viewer,
            detail,
            address,
        } = request.into_inner().try_into()?;
        record_viewer(account, viewer);
        let response = match account {
            Some(id) => {
                let found = self.directory.find(id, viewer, address, deadline).await;
                let account = found.map_err(CallError::from)?;
                let access = self.access(account.as_deref(), viewer)?;
                self.found(access.role(), &[access], detail)
            }
            None => {
                let found = self.directory.find_everywhere(address, deadline).await;
                let accounts = found.map_err(CallError::from)?;
                // Those that refuse are suspended.
                let accesses: Vec<_> = accounts
                    .iter()
                    .filter_map(|account| account.access(viewer, self.caller.rights).ok())
                    .collect();
                self.found(self.caller.rights.of_service(), &accesses, detail)
            }
        };
        Ok(Response::new(response))
    }
}

impl<D: InboxDirectory> InboxService<D> {
    async fn some(
        &self,
        asked: Asked,
        inboxes: &[InboxId],
        deadline: Instant,
    ) -> Result<Option<Arc<Account>>, CallError> {
        record_viewer(Some(asked.account), asked.viewer);
        Ok(self
            .directory
            .inboxes(asked.account, asked.viewer, inboxes, deadline)
            .await?)
    }

    /// An account that does not exist is answered like one that the viewer does
    /// not belong to.
    fn access<'a>(
        &self,
        account: Option<&'a Account>,
        viewer: Viewer,
    ) -> Result<Access<'a>, CallError> {
        let account = account.ok_or(CallError::AccessDenied)?;
        Ok(account.access(viewer, self.caller.rights)?)
    }

    /// All inboxes of some accounts.
    fn found(
        &self,
        role: Role,
        accounts: &[Access<'_>],
        detail: Detail,
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
            disclosed_as: pb::Role::from(role).into(),
            // At most.
            remaining: references.collect(),
        };
        let mut page = PageBuilder::new(self.limit, &response);
        let taken = views
            .iter()
            .take_while(|view| page.try_push(self.message(view, detail)));
        let taken = taken.count();
        response.remaining.drain(..taken);
        response.inboxes = page.inboxes;
        response
    }

    fn page(&self, access: &Access<'_>, asked: &ListInboxes) -> pb::ListInboxesResponse {
        let visible: Vec<_> = access
            .inboxes()
            .filter(|(name, view)| is_wanted(asked, name, view))
            .collect();
        let positions: Vec<_> = visible
            .iter()
            .map(|(name, view)| move || (*name, view.inbox().id))
            .collect();
        let passed = asked
            .after
            .as_ref()
            .map_or(0, |after| after.passed(&positions));

        let mut response = pb::ListInboxesResponse {
            inboxes: Vec::new(),
            disclosed_as: pb::Role::from(access.role()).into(),
            // At most.
            next_page_token: " ".repeat(MAX_TOKEN_BYTES),
        };
        let mut page = PageBuilder::new(self.limit, &response);
        for (_, view) in visible.iter().skip(passed).take(asked.page_size) {
            if !page.try_push(self.message(view, asked.asked.detail)) {
                break;
            }
        }
        let end = passed + page.inboxes.len();
        let next = visible
            .get(end)
            .and_then(|_| visible.get(end.checked_sub(1)?));
        response.next_page_token = next
            .map(|(name, view)| After::new(name, view.inbox().id).token(&asked.binding))
            .unwrap_or_default();
        response.inboxes = page.inboxes;
        response
    }

    fn message(&self, view: &InboxView<'_>, detail: Detail) -> pb::Inbox {
        inbox(view, self.limit, &self.etags, detail)
    }
}

fn is_wanted(asked: &ListInboxes, folded_name: &str, view: &InboxView<'_>) -> bool {
    let kind = view
        .inbox()
        .channel
        .as_ref()
        .map(crate::domain::channel::Channel::kind);
    let of_kind = |kinds: &std::collections::BTreeSet<ChannelKind>| {
        kinds.is_empty() || kind.is_some_and(|kind| kinds.contains(&kind))
    };
    of_kind(&asked.kinds) && has_prefix(folded_name, &asked.name_prefix)
}
