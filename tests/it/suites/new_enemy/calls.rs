//! The calls of the rounds, and what their answers must not show.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use prost::Message;
use tonic::{Code, Status};

use super::{ADMINISTRATOR, ALLOWED_DELAY, Case, FORBIDDEN, MAX_STALENESS_AGE, Right, Rounds};
use crate::support::{
    Client,
    client::get_inbox,
    connection::{nanoseconds, now},
    dice::Dice,
    pb::{self, Freshness, find_inboxes_request::Key},
    viewer,
};

const METHODS: [&str; 4] = ["GetInbox", "ListInboxes", "BatchGetInboxes", "FindInboxes"];

/// The time between two calls of a caller.
const CALL_INTERVAL: Duration = Duration::from_millis(1);

/// A call of a case's viewer, or of the administrator.
struct Call<'a> {
    case: &'a Case,
    user: i64,
    method: &'static str,
    freshness: Freshness,
    replica: usize,
}

/// The inbox of a case as it was shown, and when it was read.
struct Shown {
    inbox: Option<pb::Inbox>,
    is_administrator: bool,
    read_time: SystemTime,
}

pub async fn call_until_over(shared: Arc<Rounds>, replica: usize, client: Client, dice: Dice) {
    while !shared.are_over.load(Ordering::Relaxed) {
        let case = dice.pick(&shared.cases);
        // Mostly one method in a round, so that its answers are often in memory.
        let round = usize::try_from(case.round.load(Ordering::Relaxed)).unwrap();
        let method = round / 2 + usize::from(dice.happens(30)) * dice.roll(METHODS.len());
        let call = Call {
            case,
            user: if dice.happens(85) {
                case.viewer
            } else {
                ADMINISTRATOR
            },
            method: METHODS[method % METHODS.len()],
            freshness: if dice.happens(25) {
                Freshness::Latest
            } else {
                Freshness::Bounded
            },
            replica,
        };
        let lost_at = case.lost_at.load(Ordering::SeqCst);
        let sent = now();
        let shown = match call.shown(&client).await {
            Ok(shown) => shown,
            // On a slow machine.
            Err(status)
                if matches!(
                    status.code(),
                    Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded
                ) =>
            {
                shared.count("without an answer");
                continue;
            }
            Err(status) => {
                shared.report(case, &format!("{}: {status:?}", call.name()));
                return;
            }
        };
        // The viewer had lost the right before the call, and got it back after the answer.
        let was_lost = lost_at != 0 && case.lost_at.load(Ordering::SeqCst) == lost_at;
        call.check(&shared, &shown, was_lost.then_some(sent - lost_at));
        if nanoseconds(shown.read_time) < sent {
            shared.count("answers with a state from before the call");
        }
        shared.count(&format!("calls of {}", call.method));
        if call.user == case.viewer {
            case.answers.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(CALL_INTERVAL).await;
    }
}

impl Call<'_> {
    fn name(&self) -> String {
        let (method, freshness, replica) =
            (self.method, self.freshness.as_str_name(), self.replica);
        format!("{method} {freshness} of replica {replica}")
    }

    async fn shown(&self, client: &Client) -> Result<Shown, Status> {
        let (account_id, inbox_id) = (self.case.account, self.case.inbox);
        let user = viewer::user(self.user);
        let freshness = self.freshness.into();
        let (inboxes, role, read_time) = match self.method {
            "GetInbox" => {
                let request = pb::GetInboxRequest {
                    freshness,
                    ..get_inbox(account_id, inbox_id, user)
                };
                match client.get(request).await {
                    Ok(answer) => {
                        let read_time = answer.read_time();
                        let message = answer.message;
                        let role = message.disclosed_as();
                        (message.inbox.into_iter().collect(), role, read_time)
                    }
                    Err(status) if status.code() == Code::NotFound => {
                        (Vec::new(), pb::Role::Agent, SystemTime::now())
                    }
                    Err(status) => return Err(status),
                }
            }
            "ListInboxes" => {
                let request = pb::ListInboxesRequest {
                    account_id,
                    viewer: Some(user),
                    freshness,
                    ..Default::default()
                };
                let answer = client.list(request).await?;
                let role = answer.message.disclosed_as();
                let read_time = answer.read_time();
                (answer.message.inboxes, role, read_time)
            }
            "BatchGetInboxes" => {
                let request = pb::BatchGetInboxesRequest {
                    account_id,
                    viewer: Some(user),
                    inbox_ids: vec![inbox_id, 999_999],
                    freshness,
                    ..Default::default()
                };
                let answer = client.batch(request).await?;
                let role = answer.message.disclosed_as();
                let read_time = answer.read_time();
                (answer.message.inboxes, role, read_time)
            }
            _ => {
                let request = pb::FindInboxesRequest {
                    account_id: Some(account_id),
                    viewer: Some(user),
                    key: Some(Key::InboxIdentifier(format!("i{inbox_id}"))),
                    freshness,
                    ..Default::default()
                };
                let answer = client.find(request).await?;
                let role = answer.message.disclosed_as();
                let read_time = answer.read_time();
                (answer.message.inboxes, role, read_time)
            }
        };
        Ok(Shown {
            inbox: inboxes.into_iter().find(|inbox| inbox.id == inbox_id),
            is_administrator: role == pb::Role::Administrator,
            read_time,
        })
    }

    /// `lost_for` has the time from the loss of the right to the call, in nanoseconds, if
    /// the right did not come back before the answer.
    fn check(&self, shared: &Rounds, shown: &Shown, lost_for: Option<i64>) {
        let right = self.case.right;
        // Whatever the message is, no field of it may have the text.
        let bytes = shown.inbox.as_ref().map(Message::encode_to_vec);
        let bytes = bytes.unwrap_or_default();
        let is_forbidden = bytes
            .windows(FORBIDDEN.len())
            .any(|window| window == FORBIDDEN.as_bytes());
        let count = |event: &str| shared.count(&format!("{right:?}: {event}"));
        if self.user == ADMINISTRATOR {
            return count(if is_forbidden {
                "the administrator sees the forbidden text"
            } else {
                "the administrator sees another text"
            });
        }
        if is_forbidden {
            shared.report(self.case, &format!("{} shows the text", self.name()));
        }
        let has_right = match right {
            Right::Membership => shown.inbox.is_some(),
            Right::Administration => shown.is_administrator,
        };
        if !has_right {
            return count("the viewer lacks the right");
        }
        count("the viewer has the right");
        let Some(lost_for) = lost_for else {
            return;
        };
        // Timed from before the call was sent, which is before the server took its time. So a
        // slow machine makes the answer seem younger, never older.
        let lost_for = Duration::from_nanos(u64::try_from(lost_for).unwrap());
        if self.freshness == Freshness::Latest || lost_for > MAX_STALENESS_AGE + ALLOWED_DELAY {
            let text = format!("{}: the right was lost {lost_for:?} before", self.name());
            shared.report(self.case, &text);
        }
        count("answers from before the loss, by a call after it");
    }
}
