//! The RPCs: parse the request, read the account, decide access, and write the visible
//! inboxes.

pub mod pages;

use std::{sync::Arc, time::Instant};

use futures_util::stream::{BoxStream, StreamExt};
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    disclosure::{Audit, AuditedCall, Disclosure, UndisclosedInbox},
    etag::EtagKey,
    layer::{
        access_log::{record_refusal, record_viewer},
        deadline::{deadline_of, stream_deadline_of},
        identify::audited_call,
    },
    pb,
    response_limit::{PageBuilder, ResponseLimit},
    status::CallError,
    watch::{Standing, WatchParts, WatchService, WatchStream},
    wire::{
        explain::to_explanation,
        inbox::to_inbox,
        request::{
            BatchGetInboxes, ExplainAccess, FindInboxes, GetInbox, ListInboxes, WatchInboxes,
        },
        violations::RequestScope,
    },
};
use crate::{
    domain::{
        access::{InboxView, applied_role, withheld_by_caller},
        directory::{AccountWatch, AccountWatches, Answer, InboxDirectory},
        freshness::{BootInstant, Clock, Freshness, ReadOptions},
        id::{AccountId, InboxId},
        permit::Permit,
        viewer::Role,
        watch_cursor::WatchCursor,
    },
    identity::{Method, Needs, SearchAsk},
    metrics::reads::ReadMetrics,
};
use pages::{FindFrame, LONGEST_TIME, withheld};

pub struct InboxService<D, W> {
    pub directory: Arc<D>,
    pub watches: WatchService<W>,
    pub etags: Arc<EtagKey>,
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
impl<D: InboxDirectory, W: AccountWatches> pb::inbox_service_server::InboxService
    for InboxService<D, W>
{
    type WatchInboxesStream = BoxStream<'static, Result<pb::WatchInboxesResponse, Status>>;

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

    async fn watch_inboxes(
        &self,
        request: Request<pb::WatchInboxesRequest>,
    ) -> Result<Response<Self::WatchInboxesStream>, Status> {
        let call = self.begin(&request, Method::WatchInboxes)?;
        let deadline = stream_deadline_of(request.extensions());
        let standing = request.extensions().get::<Standing>().cloned();
        let WatchInboxes { scope, known } = request.into_inner().try_into()?;
        let permit = self.permit(&call, scope)?;
        let slot = self.watches.slot()?;
        let options = call.arrival.options(Freshness::Current);
        // A viewer that does not belong is refused in the time that a missing account takes.
        let members = self.load(&permit, &[], options).await?;
        members.access(&permit).map_err(CallError::from)?;
        let mut watch = self.watches.begin(permit.account(), options).await?;
        let newest = watch.newest().map_err(CallError::from)?;
        newest.access(&permit).map_err(CallError::from)?;
        let parts = WatchParts {
            cursor: WatchCursor::new(known),
            ask: scope.ask(call.method),
            permit,
            standing: standing.ok_or(CallError::Internal)?,
            audit: self.audit.clone(),
            limit: self.limit,
            etags: Arc::clone(&self.etags),
            clock: self.clock,
            deadline,
            end_of_age: self.watches.end_of_age(call.audited.request_id.as_ref()),
            draining: self.watches.draining(),
            record: self.watches.record(slot),
            call: call.audited,
        };
        let events = WatchStream::new(parts, watch).events();
        Ok(Response::new(events.boxed()))
    }
}

impl<D: InboxDirectory, W: AccountWatches> InboxService<D, W> {
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
}

impl<D, W> InboxService<D, W> {
    fn message(&self, view: &InboxView<'_>) -> UndisclosedInbox {
        to_inbox(view, self.limit, &self.etags)
    }
}
