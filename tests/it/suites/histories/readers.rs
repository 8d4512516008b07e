//! Random readers of every method, and their answers in terms of versions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tonic::{Code, Status};

use super::{
    checker::Answer,
    model::{Inbox, Method, Outcome, Request, Viewer},
    writers::{ACCOUNTS, USERS, inboxes},
};
use crate::support::{
    Client,
    client::{self, get_inbox},
    connection::{nanoseconds, now},
    dice::Dice,
    pb::{self, Freshness, find_inboxes_request::Key},
    reason, viewer,
};

/// The longest time between two calls of a reader.
const MAX_CALL_INTERVAL: Duration = Duration::from_millis(8);

#[derive(Default)]
pub struct Answers {
    pub answers: Vec<Answer>,
    pub unavailable: usize,
}

/// Asks at random until it is over.
pub async fn read_until(
    is_over: Arc<AtomicBool>,
    replica: usize,
    client: Client,
    dice: Dice,
) -> Answers {
    let mut answers = Answers::default();
    while !is_over.load(Ordering::Relaxed) {
        let request = random_request(&dice);
        let is_latest = dice.happens(25);
        match call(&client, replica, request, is_latest).await {
            Some(answer) => answers.answers.push(answer),
            None => answers.unavailable += 1,
        }
        let wait = MAX_CALL_INTERVAL * u32::try_from(dice.roll(100)).unwrap() / 100;
        tokio::time::sleep(wait).await;
    }
    answers
}

fn random_request(dice: &Dice) -> Request {
    let all = inboxes();
    let mut viewer = Viewer::User(*dice.pick(&USERS));
    if dice.happens(10) {
        viewer = Viewer::Service;
    }
    let method = match dice.roll(10) {
        0..4 => Method::Get(*dice.pick(&all)),
        4..6 => Method::List,
        6 => Method::Batch(vec![*dice.pick(&all)]),
        7 => {
            let mut ids = all.clone();
            ids.retain(|_| dice.happens(50));
            ids.push(999);
            Method::Batch(ids)
        }
        8 => Method::Find(*dice.pick(&all)),
        _ => {
            viewer = Viewer::Service;
            Method::FindEverywhere(*dice.pick(&all))
        }
    };
    Request {
        account: *dice.pick(&ACCOUNTS),
        viewer,
        method,
    }
}

/// One call; `None` if the server is too busy to answer it.
pub async fn call(
    client: &Client,
    replica: usize,
    request: Request,
    is_latest: bool,
) -> Option<Answer> {
    let freshness = if is_latest {
        Freshness::Latest
    } else {
        Freshness::Bounded
    };
    let sent = now();
    let answered = outcome(client, &request, freshness.into()).await;
    let received = now();
    let (outcome, read_time) = match answered {
        Ok((outcome, read_time)) => (outcome, Some(read_time)),
        Err(status) => match (status.code(), reason(&status).as_str()) {
            (Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded, _) => {
                return None;
            }
            (_, "ACCESS_DENIED") => (Outcome::Denied, None),
            (_, "ACCOUNT_SUSPENDED") => (Outcome::Suspended, None),
            (_, "INBOX_NOT_FOUND") => (Outcome::NotFound, None),
            _ => panic!("{request:?}: {status:?}"),
        },
    };
    Some(Answer {
        request,
        replica,
        is_latest,
        sent,
        received,
        read_time,
        outcome,
    })
}

/// The outcome of an answer, and its read time.
async fn outcome(
    client: &Client,
    request: &Request,
    freshness: i32,
) -> Result<(Outcome, i64), Status> {
    let account_id = request.account;
    let viewer = match request.viewer {
        Viewer::User(user) => viewer::user(user),
        Viewer::Service => viewer::service(),
    };
    match &request.method {
        Method::Get(id) => {
            let get = pb::GetInboxRequest {
                freshness,
                ..get_inbox(account_id, *id, viewer)
            };
            let answer = client.get(get).await?;
            let role = answer.message.disclosed_as();
            Ok(shown(
                &answer,
                role,
                answer.message.inbox.as_slice(),
                Vec::new(),
            ))
        }
        Method::List => {
            let list = pb::ListInboxesRequest {
                account_id,
                viewer: Some(viewer),
                freshness,
                ..Default::default()
            };
            let answer = client.list(list).await?;
            assert!(answer.message.next_page_token.is_empty());
            let role = answer.message.disclosed_as();
            Ok(shown(&answer, role, &answer.message.inboxes, Vec::new()))
        }
        Method::Batch(ids) => {
            let batch = pb::BatchGetInboxesRequest {
                account_id,
                viewer: Some(viewer),
                inbox_ids: ids.clone(),
                freshness,
                ..Default::default()
            };
            let answer = client.batch(batch).await?;
            let message = &answer.message;
            assert!(message.remaining_ids.is_empty());
            let role = message.disclosed_as();
            Ok(shown(
                &answer,
                role,
                &message.inboxes,
                message.not_found.clone(),
            ))
        }
        Method::Find(id) | Method::FindEverywhere(id) => {
            let is_everywhere = matches!(request.method, Method::FindEverywhere(_));
            let find = pb::FindInboxesRequest {
                account_id: (!is_everywhere).then_some(account_id),
                viewer: Some(viewer),
                key: Some(Key::InboxIdentifier(format!("i{id}"))),
                freshness,
                ..Default::default()
            };
            let answer = client.find(find).await?;
            assert!(answer.message.remaining.is_empty());
            let role = answer.message.disclosed_as();
            Ok(shown(&answer, role, &answer.message.inboxes, Vec::new()))
        }
    }
}

fn shown<M: client::Response>(
    answer: &client::Answer<M>,
    role: pb::Role,
    inboxes: &[pb::Inbox],
    missing: Vec<i64>,
) -> (Outcome, i64) {
    let mut inboxes: Vec<_> = inboxes.iter().map(versions).collect();
    inboxes.sort_by_key(|inbox| inbox.id);
    let outcome = Outcome::Shown {
        is_administrator: role == pb::Role::Administrator,
        inboxes,
        missing,
    };
    (outcome, nanoseconds(answer.read_time()))
}

/// An inbox in terms of versions.
pub fn versions(inbox: &pb::Inbox) -> Inbox {
    assert_eq!(inbox.degradations.len(), 0);
    let Some(pb::inbox::Channel::Api(api)) = &inbox.channel else {
        panic!("inbox {} has no channel", inbox.id);
    };
    let secret = api.hmac_token.as_ref().map(|token| {
        let version = token.strip_prefix(&format!("{}-", inbox.id));
        version.unwrap().parse().unwrap()
    });
    Inbox {
        id: inbox.id,
        account: inbox.account_id,
        name: inbox.name.parse().unwrap(),
        greeting: inbox.greeting_message.as_ref().unwrap().parse().unwrap(),
        secret,
    }
}
