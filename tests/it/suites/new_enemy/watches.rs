//! The rounds of open watches.
//!
//! Each viewer has a watch on each replica, and so has an administrator of each account. An
//! order is over when all watches have shown it: the viewers' the loss or the return of the
//! right, and the administrators' the text. So every round was seen.
//!
//! Both rights on both databases share the rounds that `ROUNDS` sets.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use prost::Message;
use tokio::{
    sync::watch::{Receiver, Sender},
    time::{Instant, sleep, timeout},
};
use tonic::Code;

use super::{
    ADMINISTRATOR, Case, FORBIDDEN, LANES_OF_EACH_KIND, MAX_PAIR_DELAY, Right, Rounds, conclude,
    fill, finish, random_times, servers,
};
use crate::support::{
    Backend, Client,
    connection::{Connection, now},
    dice::Dice,
    pb::{self, watch_inboxes_response::Event},
    program::WAIT_TIMEOUT,
    soak::{dice_of_task, setting},
    viewer,
    watch::{Received, resume, watch},
};

/// `MAX_STALENESS` of both replicas: every half of it, PostgreSQL is read.
const MAX_POLL_AGE: Duration = Duration::from_millis(50);

/// The longest time between two orders, beyond what is waited for.
const MAX_ORDER_DELAY: Duration = Duration::from_millis(30);

/// The interval at which a client sees that the rounds are over.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The part of `ROUNDS` that each right has on each of the two databases.
const ROUNDS_DIVISOR: u64 = 4;

/// The text of a case's inbox, as a watch has shown it last. `None` without the right.
type Text = Option<String>;

/// A watch of a user on a replica.
struct Watcher {
    shared: Arc<Rounds>,
    client: Client,
    replica: usize,
    account: i64,
    user: i64,
    dice: Dice,
    /// Of cases, by inbox.
    texts: BTreeMap<i64, (usize, Sender<Text>)>,
}

/// Of one case, on each replica.
#[derive(Clone)]
struct Texts {
    of_viewer: [Receiver<Text>; 2],
    of_administrator: [Receiver<Text>; 2],
}

pub async fn old_rights_never_meet_new_content_in_a_watch(backend: Backend) {
    let rounds = setting("ROUNDS", 300).div_ceil(ROUNDS_DIVISOR);
    let database = backend.empty();
    let shared = Rounds::new();
    fill(&database, &shared.cases).await;
    let servers = servers(&database, MAX_POLL_AGE);

    let began = now();
    let clients = [servers[0].client().await, servers[1].client().await];
    let (watchers, texts) = watchers(&shared, &clients);
    let count = watchers.len();
    let watchers = watchers.into_iter();
    let watchers: Vec<_> = watchers
        .map(|watcher| tokio::spawn(watcher.watch_until_over()))
        .collect();
    let mut writers = Vec::new();
    for (case, texts) in texts.into_iter().enumerate() {
        let session = database.connect().await;
        let rounds = rounds.div_ceil(LANES_OF_EACH_KIND);
        writers.push(tokio::spawn(write(
            Arc::clone(&shared),
            case,
            session,
            texts,
            rounds,
        )));
    }
    finish(&shared, writers, watchers).await;

    conclude(&shared, &format!("watches {}", backend.name()), began);
    for right in [Right::Membership, Right::Administration] {
        let counted = |event: &str| shared.counted(&format!("{right:?}: {event}"));
        assert!(counted("rounds") >= rounds);
        for event in [
            "events show that the viewer lacks the right",
            "events show that the viewer has the right",
            "events show the forbidden text to the administrator",
        ] {
            let (is, least) = (counted(event), rounds * 2);
            assert!(is >= least, "{right:?}: only {is} {event}");
        }
    }
    let failed = shared.counted("watches failed");
    assert!(failed <= rounds / 10, "{failed} of {count} watches failed");
}

/// A watch of each viewer and of the administrator of each account on each replica, and what
/// they show of each case.
fn watchers(shared: &Arc<Rounds>, clients: &[Client; 2]) -> (Vec<Watcher>, Vec<Texts>) {
    let mut watchers: BTreeMap<(i64, i64, usize), Watcher> = BTreeMap::new();
    let mut texts = Vec::new();
    for (index, case) in shared.cases.iter().enumerate() {
        let mut receiver = |user: i64, replica: usize| {
            let task = 1_000 + u64::try_from(watchers.len()).unwrap();
            let new = || Watcher {
                shared: Arc::clone(shared),
                client: clients[replica].clone(),
                replica,
                account: case.account,
                user,
                dice: dice_of_task(shared.seed, task),
                texts: BTreeMap::new(),
            };
            let watcher = watchers.entry((case.account, user, replica));
            let watcher = watcher.or_insert_with(new);
            let (sender, receiver) = tokio::sync::watch::channel(None);
            watcher.texts.insert(case.inbox, (index, sender));
            receiver
        };
        texts.push(Texts {
            of_viewer: [0, 1].map(|replica| receiver(case.viewer, replica)),
            of_administrator: [0, 1].map(|replica| receiver(ADMINISTRATOR, replica)),
        });
    }
    (watchers.into_values().collect(), texts)
}

impl Watcher {
    /// Watches, and goes on with what it holds. Now and then it drops the watch.
    async fn watch_until_over(mut self) {
        let mut held = BTreeMap::new();
        while !self.are_over() {
            let request = pb::WatchInboxesRequest {
                account_id: self.account,
                ..watch(viewer::user(self.user))
            };
            let request = resume(&request, &held);
            let opened = self.client.watch_holding(request, held.clone()).await;
            let ended = match opened {
                Ok(mut open) => {
                    let ended = self.take_events(&mut open).await;
                    held = open.held;
                    ended
                }
                Err(status) => Err(status),
            };
            match ended {
                Ok(()) => self.shared.count("watches dropped"),
                // On a slow machine.
                Err(status)
                    if matches!(status.code(), Code::Unavailable | Code::ResourceExhausted) =>
                {
                    self.shared.count("watches failed");
                    sleep(CHECK_INTERVAL).await;
                }
                Err(status) => {
                    return self.report(None, &format!("{status:?}"));
                }
            }
        }
    }

    /// Takes events until the watch is to be dropped.
    async fn take_events(
        &mut self,
        open: &mut crate::support::watch::Watch,
    ) -> Result<(), tonic::Status> {
        while !self.are_over() {
            let Ok(received) = timeout(CHECK_INTERVAL, open.next()).await else {
                continue;
            };
            let received = received?;
            self.check(&received);
            for (inbox, (case, text)) in &self.texts {
                let shown = open.held.get(inbox);
                let shown = shown.and_then(|it| text_of(&self.shared.cases[*case], it));
                text.send_if_modified(|text| std::mem::replace(text, shown.clone()) != shown);
            }
            if matches!(received.event, Event::Synced(_)) && self.dice.happens(3) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn check(&self, received: &Received) {
        let Event::Upserted(inbox) = &received.event else {
            let removed = match &received.event {
                Event::Removed(removed) => self.texts.get(&removed.inbox_id),
                _ => None,
            };
            if let Some((case, _)) = removed {
                self.count(*case, "events show that the viewer lacks the right");
            }
            return;
        };
        let is_forbidden = has_forbidden_text(inbox);
        let is_administrator = received.role == pb::Role::Administrator;
        let Some((case, _)) = self.texts.get(&inbox.id) else {
            // An administrator sees the inboxes of other cases, whatever their texts are.
            if !is_administrator {
                self.report(None, "an agent sees the inbox of another");
            }
            return;
        };
        if self.user == ADMINISTRATOR {
            if is_forbidden {
                self.count(*case, "events show the forbidden text to the administrator");
            }
            return;
        }
        if is_forbidden {
            self.report(Some(*case), "an event shows the text");
        }
        let is_right_of_membership = self.shared.cases[*case].right == Right::Membership;
        self.count(
            *case,
            if is_right_of_membership || is_administrator {
                "events show that the viewer has the right"
            } else {
                "events show that the viewer lacks the right"
            },
        );
    }

    fn count(&self, case: usize, event: &str) {
        let right = self.shared.cases[case].right;
        self.shared.count(&format!("{right:?}: {event}"));
    }

    fn report(&self, case: Option<usize>, text: &str) {
        let of_watcher = self.texts.values().next().map_or(0, |(case, _)| *case);
        let case = &self.shared.cases[case.unwrap_or(of_watcher)];
        let text = format!(
            "watch of user {}, replica {}: {text}",
            self.user, self.replica
        );
        self.shared.report(case, &text);
    }

    fn are_over(&self) -> bool {
        self.shared.are_over.load(Ordering::Relaxed)
    }
}

/// Whatever the message is, no field of it may have the text.
fn has_forbidden_text(inbox: &pb::Inbox) -> bool {
    let bytes = inbox.encode_to_vec();
    let mut windows = bytes.windows(FORBIDDEN.len());
    windows.any(|window| window == FORBIDDEN.as_bytes())
}

/// The text that the right discloses.
fn text_of(case: &Case, inbox: &pb::Inbox) -> Text {
    match (case.right, &inbox.channel) {
        (Right::Membership, _) => Some(inbox.name.clone()),
        (Right::Administration, Some(pb::inbox::Channel::Api(api))) => api.hmac_token.clone(),
        (Right::Administration, _) => None,
    }
}

/// Runs the rounds of a case. Each statement is a transaction.
async fn write(
    shared: Arc<Rounds>,
    index: usize,
    mut session: Connection,
    mut texts: Texts,
    rounds: u64,
) {
    let case = &shared.cases[index];
    let up_to = random_times(&shared, index);
    let written = |text: String| match case.right {
        Right::Membership => text,
        Right::Administration => format!("{text} of {}", case.inbox),
    };
    // Only then does the loss of the right make a difference.
    let first = match case.right {
        Right::Membership => "n".to_owned(),
        Right::Administration => format!("t{}", case.inbox),
    };
    shared.shown(&mut texts.of_viewer, Some(&first)).await;
    for round in 1..=rounds {
        if shared.are_over.load(Ordering::Relaxed) {
            return;
        }
        case.round.store(round, Ordering::Relaxed);
        let (forbidden, harmless) = (format!("{FORBIDDEN} {round}"), format!("harmless {round}"));
        session.run(&case.lose()).await.unwrap();
        sleep(up_to(MAX_PAIR_DELAY)).await;
        session.run(&case.write(&forbidden)).await.unwrap();
        let forbidden = written(forbidden);
        shared.shown(&mut texts.of_viewer, None).await;
        let of_administrator = &mut texts.of_administrator;
        shared.shown(of_administrator, Some(&forbidden)).await;

        sleep(up_to(MAX_ORDER_DELAY)).await;
        session.run(&case.write(&harmless)).await.unwrap();
        sleep(up_to(MAX_PAIR_DELAY)).await;
        session.run(&case.restore()).await.unwrap();
        let harmless = written(harmless);
        shared.shown(&mut texts.of_viewer, Some(&harmless)).await;
        let of_administrator = &mut texts.of_administrator;
        shared.shown(of_administrator, Some(&harmless)).await;
        sleep(up_to(MAX_ORDER_DELAY)).await;
        if !shared.are_over.load(Ordering::Relaxed) {
            shared.count(&format!("{:?}: rounds", case.right));
        }
    }
}

impl Rounds {
    /// Waits until the watches of both replicas show this, or until there is a violation.
    async fn shown(&self, texts: &mut [Receiver<Text>; 2], expected: Option<&str>) {
        let end = Instant::now() + WAIT_TIMEOUT;
        for text in texts {
            let mut is_shown = false;
            while !is_shown && !self.are_over.load(Ordering::Relaxed) {
                assert!(Instant::now() < end, "no watch shows {expected:?}");
                let shown = timeout(
                    CHECK_INTERVAL,
                    text.wait_for(|text| text.as_deref() == expected),
                );
                is_shown = matches!(shown.await, Ok(Ok(_)));
            }
        }
    }
}
