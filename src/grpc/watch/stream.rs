//! The stream of one watch. HTTP/2 asks for each event, and an event is made when it is asked
//! for: there is no queue and no task in between.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, stream::unfold};
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Standing, WatchRecord};
use crate::{
    domain::{
        access::{Access, InboxView},
        directory::{AccountWatch, DirectoryError},
        freshness::{BootInstant, Clock},
        members::AccessDenied,
        permit::Permit,
        watch_cursor::{Tagged, WatchCursor, WatchStep},
    },
    grpc::{
        disclosure::{Audit, AuditedCall, Disclosure, UndisclosedInbox},
        etag::EtagKey,
        pb::{self, watch_inboxes_response::Event},
        response_limit::ResponseLimit,
        status::CallError,
        wire::{enums::to_groups, inbox::to_inbox},
    },
    identity::Ask,
    metrics::watches::{WatchEnded, WatchEventName},
};

/// The time without an event after which a heartbeat is sent.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// Ends of batches that a watch still sends when it is to end. The batch under way may be older
/// than the signal; the one after it is not.
const LAST_BATCHES: u8 = 2;

/// The parts of a watch.
pub struct WatchParts {
    pub cursor: WatchCursor,
    pub ask: Ask,
    pub permit: Permit,
    pub call: AuditedCall,
    pub standing: Standing,
    pub audit: Audit,
    pub limit: ResponseLimit,
    pub etags: Arc<EtagKey>,
    pub clock: Clock,
    /// `None` without a deadline.
    pub deadline: Option<Instant>,
    pub end_of_age: Instant,
    pub draining: CancellationToken,
    pub record: WatchRecord,
}

/// A watch.
pub struct WatchStream<W> {
    parts: WatchParts,
    watch: W,
    /// Of the batch under way: one line of the audit each.
    disclosure: Option<Disclosure>,
    heartbeat_at: Instant,
    /// The latest moment that it has sent.
    sent_as_of: BootInstant,
    /// Why it is to end, and how many more ends of batches it sends.
    leaving: Option<(Leave, u8)>,
}

/// An end that lets the batch under way finish.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Stopped,
    Age,
}

/// The error that a watch ends with.
struct Ended(CallError, WatchEnded);

impl From<Leave> for Ended {
    fn from(leave: Leave) -> Self {
        match leave {
            Leave::Stopped => Self(CallError::ShuttingDown, WatchEnded::Stopped),
            Leave::Age => Self(CallError::Reconnect, WatchEnded::Age),
        }
    }
}

impl From<AccessDenied> for Ended {
    fn from(denied: AccessDenied) -> Self {
        Self(denied.into(), WatchEnded::Viewer)
    }
}

impl From<DirectoryError> for Ended {
    fn from(error: DirectoryError) -> Self {
        Self(error.into(), WatchEnded::Store)
    }
}

impl Tagged for UndisclosedInbox {
    fn tag(&self) -> &str {
        self.etag()
    }
}

impl<W: AccountWatch> WatchStream<W> {
    pub fn new(parts: WatchParts, watch: W) -> Self {
        Self {
            parts,
            watch,
            disclosure: None,
            heartbeat_at: Instant::now() + HEARTBEAT_INTERVAL,
            sent_as_of: BootInstant(Duration::ZERO),
            leaving: None,
        }
    }

    /// The events, and an error at last: a watch has no other end.
    pub fn events(self) -> impl Stream<Item = Result<pb::WatchInboxesResponse, Status>> {
        unfold(Some(self), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Ok(event) => Some((Ok(event), Some(watch))),
                Err(Ended(error, why)) => {
                    let code = i32::from(error.code());
                    watch.parts.record.ends(code.into(), why);
                    Some((Err(error.into()), None))
                }
            }
        })
    }

    async fn next(&mut self) -> Result<pb::WatchInboxesResponse, Ended> {
        loop {
            self.judge_caller()?;
            self.note_end()?;
            let newest = self.watch.newest()?;
            let parts = &mut self.parts;
            let (limit, etags) = (parts.limit, &parts.etags);
            let render = |view: &InboxView<'_>| to_inbox(view, limit, etags);
            let (step, access) = parts.cursor.next(&newest, &parts.permit, render)?;
            match step {
                WatchStep::Upserted(inbox) => {
                    let inbox = self.disclosure().disclose(inbox);
                    return Ok(self.event(Event::Upserted(inbox), &access));
                }
                WatchStep::Removed(id) => {
                    let removed = pb::InboxRemoved { inbox_id: id.0 };
                    return Ok(self.event(Event::Removed(removed), &access));
                }
                WatchStep::Synced(as_of) => {
                    // Writes the line of the batch.
                    self.disclosure = None;
                    if let Some((_, batches)) = &mut self.leaving {
                        *batches = batches.saturating_sub(1);
                    }
                    let synced = self.synced(as_of);
                    return Ok(self.event(synced, &access));
                }
                WatchStep::Again => yield_now().await,
                WatchStep::Idle => {
                    if let Some((end, batches)) = &mut self.leaving {
                        if newest.as_of <= self.sent_as_of {
                            return Err((*end).into());
                        }
                        // The client holds what was visible at this moment, too.
                        *batches = 0;
                        let synced = self.synced(newest.as_of);
                        return Ok(self.event(synced, &access));
                    }
                    if Instant::now() >= self.heartbeat_at {
                        let read_time = Some(self.read_time(newest.as_of));
                        let heartbeat = Event::Heartbeat(pb::Heartbeat { read_time });
                        return Ok(self.event(heartbeat, &access));
                    }
                    // The cursor keeps the state, as far as it needs it.
                    drop(newest);
                    self.wait().await;
                }
            }
        }
    }

    /// Identifies the caller again where that is due, and takes the permit that counts now.
    fn judge_caller(&mut self) -> Result<(), Ended> {
        let parts = &mut self.parts;
        if !parts.standing.is_due(&parts.call.caller) {
            return Ok(());
        }
        let caller = parts.standing.identify();
        let caller = caller.map_err(|error| Ended(error, WatchEnded::Credentials))?;
        let permit = caller.permit(&parts.ask).map_err(|needs| {
            parts
                .audit
                .denied(&parts.call, Some(parts.ask.account), needs);
            Ended(CallError::not_permitted(&caller, needs), WatchEnded::Rules)
        })?;
        parts.call.caller = caller;
        parts.permit = permit;
        // The rest of the batch is disclosed to the caller as it is now.
        self.disclosure = None;
        Ok(())
    }

    /// Notes that the watch is to end, and ends it where nothing more is to be sent.
    fn note_end(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        let parts = &self.parts;
        if parts.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Ended(CallError::DeadlineExceeded, WatchEnded::Deadline));
        }
        if self.leaving.is_none() {
            let end = if parts.draining.is_cancelled() {
                Some(Leave::Stopped)
            } else {
                (now >= parts.end_of_age).then_some(Leave::Age)
            };
            self.leaving = end.map(|end| (end, LAST_BATCHES));
        }
        match self.leaving {
            Some((end, 0)) => Err(end.into()),
            _ => Ok(()),
        }
    }

    /// Waits until there may be something to do.
    async fn wait(&mut self) {
        let parts = &mut self.parts;
        let deadline = parts
            .deadline
            .map_or(parts.end_of_age, |it| it.min(parts.end_of_age));
        tokio::select! {
            () = self.watch.changed() => {}
            () = sleep_until(self.heartbeat_at.min(deadline)) => {}
            () = parts.draining.cancelled() => {}
            () = parts.standing.may_be_due(&parts.call.caller) => {}
        }
    }

    fn event(&mut self, event: Event, access: &Access<'_>) -> pb::WatchInboxesResponse {
        self.parts.record.sent(match event {
            Event::Upserted(_) => WatchEventName::Upserted,
            Event::Removed(_) => WatchEventName::Removed,
            Event::Synced(_) => WatchEventName::Synced,
            Event::Heartbeat(_) => WatchEventName::Heartbeat,
        });
        self.heartbeat_at = Instant::now() + HEARTBEAT_INTERVAL;
        pb::WatchInboxesResponse {
            event: Some(event),
            disclosed_as: pb::Role::from(access.role()).into(),
            caller_withheld: to_groups(access.withheld_by_caller()),
        }
    }

    fn disclosure(&mut self) -> &mut Disclosure {
        let WatchParts {
            audit,
            call,
            permit,
            ..
        } = &self.parts;
        self.disclosure
            .get_or_insert_with(|| Disclosure::of(audit.clone(), call.clone(), permit))
    }

    fn synced(&mut self, as_of: BootInstant) -> Event {
        let read_time = Some(self.read_time(as_of));
        Event::Synced(pb::Synced { read_time })
    }

    fn read_time(&mut self, as_of: BootInstant) -> prost_types::Timestamp {
        self.sent_as_of = as_of;
        self.parts.clock.wall_time(as_of).into()
    }
}
