//! The RPCs: parse the request, read the account, decide access, and write the visible
//! inboxes.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    disclosure::{Audit, AuditedCall, Disclosure, UndisclosedInbox},
    etag::EtagKey,
    layer::{
        access_log::{record_refusal, record_viewer},
        deadline::deadline_of,
        identify::audited_call,
    },
    page_token::MAX_TOKEN_BYTES,
    pb,
    response_limit::{PageBuilder, ResponseLimit},
    status::CallError,
    wire::{
        explain::to_explanation,
        inbox::to_inbox,
        request::{BatchGetInboxes, ExplainAccess, FindInboxes, GetInbox, ListInboxes},
        violations::RequestScope,
    },
};
use crate::{
    domain::{
        access::{Access, InboxView, applied_role, withheld_by_caller},
        account::has_prefix,
        channel::{Channel, ChannelKind},
        cursor::Cursor,
        directory::{Answer, InboxDirectory},
        freshness::{BootInstant, Clock, Freshness, ReadOptions},
        id::{AccountId, InboxId},
        permit::Permit,
        secret_group::SecretGroups,
        viewer::Role,
    },
    identity::{Method, Needs, SearchAsk},
    metrics::reads::ReadMetrics,
};

/// The time with the most bytes: where a page ends must not depend on the clock.
const LONGEST_TIME: Timestamp = Timestamp {
    seconds: i64::MAX,
    nanos: 999_999_999,
};

pub struct InboxService<D> {
    pub directory: Arc<D>,
    pub etags: EtagKey,
    pub limit: ResponseLimit,
    pub clock: Clock,
    pub audit: Audit,
    pub metrics: ReadMetrics,
}

/// A call that has passed the guard.
struct Call {
    method: Method,
    arrival: Arrival,
    audited: AuditedCall,
}

/// The parts of a response of FindInboxes beside its inboxes.
struct FindFrame {
    role: Role,
    withheld: SecretGroups,
    read_time: Timestamp,
}

/// When a call arrived, and when it has to be answered.
#[derive(Clone, Copy)]
struct Arrival {
    at: BootInstant,
    deadline: Instant,
}

impl Arrival {
    const fn options(self, freshness: Freshness) -> ReadOptions {
        ReadOptions {
            freshness,
            arrived: self.at,
            deadline: self.deadline,
        }
    }
}

#[tonic::async_trait]
impl<D: InboxDirectory> pb::inbox_service_server::InboxService for InboxService<D> {
    async fn get_inbox(
        &self,
        request: Request<pb::GetInboxRequest>,
    ) -> Result<Response<pb::GetInboxResponse>, Status> {
        let call = self.begin(&request, Method::GetInbox)?;
        let GetInbox { scope, inbox: id } = request.into_inner().try_into()?;
        let permit = self.permit(&call, scope)?;
        let options = call.arrival.options(scope.freshness);
        let answer = self.load(&permit, &[id], options).await?;
        let access = answer.access(&permit).map_err(CallError::from)?;
        let view = access.inbox(id).ok_or(CallError::InboxNotFound)?;
        let mut disclosure = self.disclosure(call, &permit);
        Ok(Response::new(pb::GetInboxResponse {
            inbox: Some(disclosure.disclose(self.message(&view))),
            disclosed_as: pb::Role::from(access.role()).into(),
            read_time: Some(self.read_time(answer.as_of)),
            caller_withheld: withheld(&access),
        }))
    }

    async fn list_inboxes(
        &self,
        request: Request<pb::ListInboxesRequest>,
    ) -> Result<Response<pb::ListInboxesResponse>, Status> {
        let call = self.begin(&request, Method::ListInboxes)?;
        let request = ListInboxes::try_from(request.into_inner())?;
        let permit = self.permit(&call, request.scope)?;
        let options = call.arrival.options(request.scope.freshness);
        // A viewer that does not belong is refused in the time that a missing account takes.
        let members = self.load(&permit, &[], options).await?;
        members.access(&permit).map_err(CallError::from)?;
        let answer = self.directory.account(permit.account(), options);
        let answer = answer.await.map_err(CallError::from)?;
        self.count_age(options, answer.as_of);
        let access = answer.access(&permit).map_err(CallError::from)?;
        let read_time = self.read_time(answer.as_of);
        let disclosure = self.disclosure(call, &permit);
        let response = self.list_response(&access, &request, read_time, disclosure);
        Ok(Response::new(response))
    }

    async fn batch_get_inboxes(
        &self,
        request: Request<pb::BatchGetInboxesRequest>,
    ) -> Result<Response<pb::BatchGetInboxesResponse>, Status> {
        let call = self.begin(&request, Method::BatchGetInboxes)?;
        let BatchGetInboxes { scope, inboxes } = request.into_inner().try_into()?;
        let permit = self.permit(&call, scope)?;
        let options = call.arrival.options(scope.freshness);
        let answer = self.load(&permit, &inboxes, options).await?;
        let access = answer.access(&permit).map_err(CallError::from)?;

        let ids: Vec<_> = inboxes.iter().map(|id| id.0).collect();
        let mut response = pb::BatchGetInboxesResponse {
            inboxes: Vec::new(),
            disclosed_as: pb::Role::from(access.role()).into(),
            // The largest value: its bytes are reserved, and it is replaced below.
            not_found: ids.clone(),
            remaining_ids: ids,
            read_time: Some(LONGEST_TIME),
            caller_withheld: withheld(&access),
        };
        let disclosure = self.disclosure(call, &permit);
        let mut page = PageBuilder::new(self.limit, &response, disclosure);
        response.not_found.clear();
        response.remaining_ids.clear();
        response.read_time = Some(self.read_time(answer.as_of));
        for id in inboxes {
            match access.inbox(id) {
                None => response.not_found.push(id.0),
                Some(view) if page.try_push(self.message(&view)) => {}
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
        let call = self.begin(&request, Method::FindInboxes)?;
        let FindInboxes {
            account,
            viewer,
            detail,
            freshness,
            address,
        } = request.into_inner().try_into()?;
        let options = call.arrival.options(freshness);
        let response = match account {
            Some(account) => {
                let scope = RequestScope {
                    account,
                    viewer,
                    detail,
                    freshness,
                };
                let permit = self.permit(&call, scope)?;
                let found = self.directory.find(account, viewer, address, options).await;
                let answer = found.map_err(CallError::from)?;
                self.count_age(options, answer.as_of);
                let access = answer.access(&permit).map_err(CallError::from)?;
                let frame = FindFrame {
                    role: access.role(),
                    withheld: access.withheld_by_caller(),
                    read_time: self.read_time(answer.as_of),
                };
                let disclosure = self.disclosure(call, &permit);
                self.find_response(&frame, &[access], disclosure)
            }
            None => {
                record_viewer(None, viewer);
                let permit = call.audited.caller.permit_search(SearchAsk { detail });
                let permit = permit.map_err(|needs| self.not_permitted(&call, None, needs))?;
                let accounts = permit.accounts().clone();
                let found = self.directory.find_everywhere(address, accounts, options);
                let answer = found.await.map_err(CallError::from)?;
                self.count_age(options, answer.as_of);
                let accesses: Vec<_> = answer.accesses(&permit).collect();
                let role = applied_role(Role::Administrator, permit.secrets());
                let frame = FindFrame {
                    role,
                    withheld: withheld_by_caller(role, permit.secrets()),
                    read_time: self.read_time(answer.as_of),
                };
                let disclosure = Disclosure::of_search(self.audit.clone(), call.audited, &permit);
                self.find_response(&frame, &accesses, disclosure)
            }
        };
        Ok(Response::new(response))
    }

    async fn explain_access(
        &self,
        request: Request<pb::ExplainAccessRequest>,
    ) -> Result<Response<pb::ExplainAccessResponse>, Status> {
        let call = self.begin(&request, Method::ExplainAccess)?;
        let ExplainAccess {
            scope,
            method,
            inbox,
        } = request.into_inner().try_into()?;
        record_viewer(Some(scope.account), scope.viewer);
        let mut response = to_explanation(&call.audited.caller);
        match call.audited.caller.explain(&scope.ask(method)) {
            Err(missing) => response.refuse(missing),
            Ok((permit, why)) => {
                let options = call.arrival.options(scope.freshness);
                // As GetInbox reads, so that it takes as long.
                let inboxes: Vec<_> = inbox.into_iter().collect();
                let answer = self.load(&permit, &inboxes, options).await?;
                let access = answer.access(&permit).ok();
                response.permit(&permit, why, access.as_ref(), inbox);
                response.read_time = Some(self.read_time(answer.as_of));
            }
        }
        Ok(Response::new(response))
    }
}

impl<D: InboxDirectory> InboxService<D> {
    fn begin<T>(&self, request: &Request<T>, method: Method) -> Result<Call, CallError> {
        Ok(Call {
            method,
            arrival: Arrival {
                at: self.clock.now(),
                deadline: deadline_of(request.extensions()),
            },
            audited: audited_call(request.extensions(), method)?,
        })
    }

    /// The decision on a question, from the rules of the caller alone.
    fn permit(&self, call: &Call, scope: RequestScope) -> Result<Permit, CallError> {
        record_viewer(Some(scope.account), scope.viewer);
        let permit = call.audited.caller.permit(&scope.ask(call.method));
        permit.map_err(|needs| self.not_permitted(call, Some(scope.account), needs))
    }

    fn not_permitted(&self, call: &Call, account: Option<AccountId>, needs: Needs) -> CallError {
        let error = CallError::not_permitted(&call.audited.caller, needs);
        record_refusal(&error);
        self.audit.denied(&call.audited, account, needs);
        error
    }

    fn disclosure(&self, call: Call, permit: &Permit) -> Disclosure {
        Disclosure::of(self.audit.clone(), call.audited, permit)
    }

    async fn load(
        &self,
        permit: &Permit,
        inboxes: &[InboxId],
        options: ReadOptions,
    ) -> Result<Answer, CallError> {
        let (account, viewer) = (permit.account(), permit.viewer());
        let answer = self.directory.inboxes(account, viewer, inboxes, options);
        let answer = answer.await?;
        self.count_age(options, answer.as_of);
        Ok(answer)
    }

    fn read_time(&self, as_of: BootInstant) -> Timestamp {
        self.clock.wall_time(as_of).into()
    }

    /// Counts the age of an answer, also of one that the viewer is refused by.
    fn count_age(&self, options: ReadOptions, as_of: BootInstant) {
        let metrics = &self.metrics;
        metrics.answered(options.freshness, options.arrived, as_of);
    }

    /// All inboxes of some accounts.
    fn find_response(
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

    fn list_response(
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

    fn message(&self, view: &InboxView<'_>) -> UndisclosedInbox {
        to_inbox(view, self.limit, &self.etags)
    }
}

fn withheld(access: &Access<'_>) -> Vec<i32> {
    to_groups(access.withheld_by_caller())
}

fn to_groups(groups: SecretGroups) -> Vec<i32> {
    let groups = groups.iter().map(pb::SecretGroup::from);
    groups.map(Into::into).collect()
}

fn matches(request: &ListInboxes, folded_name: &str, view: &InboxView<'_>) -> bool {
    let kind = view.inbox().channel.as_ref().map(Channel::kind);
    let of_kind = |kinds: &BTreeSet<ChannelKind>| {
        kinds.is_empty() || kind.is_some_and(|kind| kinds.contains(&kind))
    };
    of_kind(&request.kinds) && has_prefix(folded_name, &request.name_prefix)
}
