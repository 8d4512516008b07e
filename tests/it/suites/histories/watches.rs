//! Watches that are dropped and resumed at random, and what came, in terms of versions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tonic::{Code, Status, transport::Endpoint};

use super::{
    model::{Outcome, Viewer},
    nanoseconds_of, readers,
    reads::WatchReads,
    watch_checker::{Change, Event, Stream, Watch},
    writers::{ACCOUNTS, USERS},
};
use crate::support::{
    Client,
    connection::now,
    dice::Dice,
    pb::{self, watch_inboxes_response::Event as Message},
    program::Server,
    reason, viewer,
    watch::{self, Received, resume},
};

/// Watches of each replica at the beginning.
pub const WATCHES_OF_EACH_REPLICA: u64 = 6;

/// The longest time until a watch is dropped.
const MAX_STREAM_AGE: Duration = Duration::from_millis(1500);

/// The longest time between two events that a slow client takes.
const MAX_SLOW_INTERVAL: Duration = Duration::from_millis(300);

/// The longest time until a client whose watch has ended tries again.
const MAX_RETRY_DELAY: Duration = Duration::from_millis(300);

/// The interval at which a client sees that it has to do something else.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Bytes that a server may send to a slow client before it takes them.
const SLOW_WINDOW_BYTES: u32 = 2048;

/// A client with a watch, which it may open on two replicas.
pub struct Watcher {
    clients: [Client; 2],
    replica: usize,
    dice: Dice,
    watch: Watch,
    held: BTreeMap<i64, pb::Inbox>,
    unavailable: usize,
}

/// The events that a watcher has received.
pub struct Watched {
    pub watch: Watch,
    pub unavailable: usize,
}

/// When clients are to change.
#[derive(Clone, Default)]
pub struct Phases {
    /// All writes have ended. Watches stay open, and no client is slow.
    pub are_writes_over: Arc<AtomicBool>,
    /// The clients are to hold the end state.
    pub is_settled: Arc<AtomicBool>,
}

impl Watcher {
    /// One watch in six is that of a service, and one in three is slow. The users have
    /// another role in each account.
    pub async fn new(servers: &[Server; 2], task: u64, dice: Dice) -> Self {
        let number = usize::try_from(task).unwrap();
        let viewer = match number % 6 {
            5 => Viewer::Service,
            _ => Viewer::User(USERS[number % USERS.len()]),
        };
        let is_slow = number % 3 == 1;
        let clients = [
            client(&servers[0], is_slow).await,
            client(&servers[1], is_slow).await,
        ];
        Self {
            clients,
            replica: number % 2,
            watch: Watch {
                account: ACCOUNTS[number / 2 % 2],
                viewer,
                is_slow,
                streams: Vec::new(),
            },
            dice,
            held: BTreeMap::new(),
            unavailable: 0,
        }
    }

    /// Watches until the end state must be there.
    pub async fn watch_until_settled(mut self, phases: Phases) -> Watched {
        while !phases.is_settled.load(Ordering::Relaxed) {
            let has_ended = self.watch_once(&phases).await;
            if has_ended {
                sleep(self.up_to(MAX_RETRY_DELAY)).await;
            }
            self.replica = 1 - self.replica;
            if self.dice.happens(20) && !phases.are_writes_over.load(Ordering::Relaxed) {
                self.held.clear();
            }
        }
        Watched {
            watch: self.watch,
            unavailable: self.unavailable,
        }
    }

    /// Opens a watch with what is held. True if it ends by itself.
    async fn watch_once(&mut self, phases: &Phases) -> bool {
        let principal = match self.watch.viewer {
            Viewer::User(user) => viewer::user(user),
            Viewer::Service => viewer::service(),
        };
        let request = pb::WatchInboxesRequest {
            account_id: self.watch.account,
            ..watch::watch(principal)
        };
        let held = std::mem::take(&mut self.held);
        let request = resume(&request, &held);
        let mut stream = Stream {
            replica: self.replica,
            opened: now(),
            known: held.values().map(readers::versions).collect(),
            events: Vec::new(),
            end: None,
        };
        let client = self.clients[self.replica].clone();
        let error = match client.watch_holding(request, held.clone()).await {
            Ok(mut open) => {
                let error = self.take_events(&mut open, &mut stream, phases).await;
                self.held = open.held;
                error
            }
            Err(status) => {
                self.held = held;
                Some(status)
            }
        };
        let received = now();
        let has_ended = error.is_some();
        if let Some(status) = error {
            stream.end = end(&status).map(|outcome| (received, outcome));
            if stream.end.is_some() {
                self.held.clear();
            } else {
                self.unavailable += 1;
            }
        }
        self.watch.streams.push(stream);
        has_ended
    }

    /// Takes events until the client drops the watch, or until it ends with an error.
    async fn take_events(
        &mut self,
        open: &mut watch::Watch,
        stream: &mut Stream,
        phases: &Phases,
    ) -> Option<Status> {
        // A slow client needs more time for as many events.
        let age = self.up_to(MAX_STREAM_AGE) * if self.watch.is_slow { 3 } else { 1 };
        let dropped = Instant::now() + age;
        loop {
            let are_writes_over = phases.are_writes_over.load(Ordering::Relaxed);
            let is_dropped = Instant::now() >= dropped && !are_writes_over;
            if is_dropped || phases.is_settled.load(Ordering::Relaxed) {
                return None;
            }
            match timeout(CHECK_INTERVAL, open.next()).await {
                Err(_) => {}
                Ok(Ok(received)) => stream.events.push(event(&received)),
                Ok(Err(status)) => return Some(status),
            }
            if self.watch.is_slow && !are_writes_over {
                sleep(self.up_to(MAX_SLOW_INTERVAL)).await;
            }
        }
    }

    fn up_to(&self, longest: Duration) -> Duration {
        longest * u32::try_from(self.dice.roll(101)).unwrap() / 100
    }
}

/// From and to when the first states of watches were read.
pub fn openings(watches: &[Watch]) -> WatchReads {
    let mut openings = WatchReads::new();
    let streams = watches
        .iter()
        .flat_map(|watch| watch.streams.iter().map(move |it| (watch.account, it)));
    for (account, stream) in streams {
        let first = stream.events.first().map(|event| event.received);
        let end = stream.end.as_ref().map(|(received, _)| *received);
        let until = first.or(end).unwrap_or(stream.opened);
        let of_replica = openings.entry((stream.replica, account)).or_default();
        of_replica.push((stream.opened, until));
    }
    openings
}

/// The window of a slow client is small, so that the server has to wait for it.
async fn client(server: &Server, is_slow: bool) -> Client {
    if !is_slow {
        return server.client().await;
    }
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let endpoint = endpoint.initial_stream_window_size(SLOW_WINDOW_BYTES);
    Client::over(endpoint.connect().await.unwrap())
}

fn event(received: &Received) -> Event {
    let change = match &received.event {
        Message::Upserted(inbox) => Change::Upserted(readers::versions(inbox)),
        Message::Removed(removed) => Change::Removed(removed.inbox_id),
        Message::Synced(pb::Synced { read_time })
        | Message::Heartbeat(pb::Heartbeat { read_time }) => {
            Change::Synced(nanoseconds_of(read_time.unwrap()))
        }
    };
    assert_eq!(received.withheld, [0; 0]);
    Event {
        received: now(),
        is_administrator: received.role == pb::Role::Administrator,
        change,
    }
}

/// The outcome of an error that says that the viewer sees nothing; `None` if the client is to
/// watch again with what it holds.
fn end(status: &Status) -> Option<Outcome> {
    match (status.code(), reason(status).as_str()) {
        (Code::Unavailable | Code::ResourceExhausted, _) => None,
        (_, "ACCESS_DENIED") => Some(Outcome::Denied),
        (_, "ACCOUNT_SUSPENDED") => Some(Outcome::Suspended),
        _ => panic!("{status:?}"),
    }
}
