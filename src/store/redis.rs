//! Redis, which may be away at any time without holding anything up.
//!
//! A read has its time-out and no more. The first one that gets nothing says so
//! in the log, and from then on nobody waits: a task in the background tries
//! until Redis is back, and says that too.
//!
//! An error reply is no outage. It costs the key that it answers, and is said once
//! for each kind of error: only what a server says of all keys is as if it were away.

mod connect;
pub(super) mod flags;

use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc, time::Duration};

use redis::{Pipeline, RedisResult, aio::MultiplexedConnection};
use secrecy::SecretString;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use connect::{Failure, connect};

/// The value of a key, if it has one, or the error reply.
type Reply = Result<Option<Vec<u8>>, Refusal>;

/// How an error reply begins: `WRONGTYPE`.
type Refusal = &'static str;

/// Between two attempts to connect: at first, and in the long run.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long a connection lasts that was worth making; also the longest rest after
/// those that were not.
const LASTING: Duration = Duration::from_secs(10);

/// Where Redis is, and what it asks for.
#[derive(Clone)]
pub struct RedisSettings {
    pub place: RedisPlace,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// For how long a read may be held up.
    pub timeout: Duration,
}

impl RedisSettings {
    /// The time-out of a read, where a test sets no other.
    pub const TIMEOUT: Duration = Duration::from_millis(200);
}

#[derive(Clone)]
pub enum RedisPlace {
    Server {
        host: String,
        port: u16,
        is_tls: bool,
        database: i64,
    },
    Socket(PathBuf),
    Sentinels(Sentinels),
}

/// They know which server is the master at the time.
#[derive(Clone)]
pub struct Sentinels {
    /// Hosts and ports.
    pub addresses: Vec<(String, u16)>,
    pub password: Option<SecretString>,
    pub master_name: String,
}

/// Never a password.
impl fmt::Display for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            RedisPlace::Server {
                host,
                port,
                is_tls,
                database,
            } => {
                let tls = if *is_tls { " with TLS" } else { "" };
                write!(f, "{host}:{port}/{database}{tls}")
            }
            RedisPlace::Socket(path) => path.display().fmt(f),
            RedisPlace::Sentinels(Sentinels {
                addresses,
                master_name,
                ..
            }) => {
                write!(f, "{master_name} by")?;
                for (host, port) in addresses {
                    write!(f, " {host}:{port}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A Redis that is asked for values.
pub(super) struct Redis {
    link: Arc<Link>,
    _kept: AbortOnDropHandle<()>,
}

/// What is known of the way to Redis, shared by those who read and the task that
/// keeps it.
struct Link {
    settings: RedisSettings,
    state: watch::Sender<State>,
    /// The error replies on the current connection, each of which was said in the log.
    refusals: watch::Sender<BTreeSet<Refusal>>,
}

#[derive(Clone)]
enum State {
    /// A connection is being made, and it is not known yet that it cannot be.
    Opening,
    Open(Connection),
    /// It does not answer, which was said in the log. Nobody waits for it.
    Away,
}

#[derive(Clone)]
struct Connection {
    /// Which one of all that there were.
    number: u64,
    redis: MultiplexedConnection,
}

impl Redis {
    /// Begins to connect, and waits until it is known whether that can be.
    pub async fn open(settings: RedisSettings) -> Self {
        let link = Arc::new(Link {
            settings,
            state: watch::Sender::new(State::Opening),
            refusals: watch::Sender::default(),
        });
        let kept = tokio::spawn(keep(Arc::clone(&link)));
        // It cannot be closed: the sender is in the link.
        let _ = link.state.subscribe().wait_for(State::is_settled).await;
        Self {
            link,
            _kept: AbortOnDropHandle::new(kept),
        }
    }

    /// Why keys were not told on the current connection, in a few words.
    pub fn refusals(&self) -> Option<String> {
        in_words(&self.link.refusals.borrow())
    }

    /// The replies to some keys, in one round trip; `None` if Redis does not tell
    /// them in time.
    pub async fn values(&self, keys: &[String]) -> Option<Vec<Reply>> {
        let deadline = Instant::now() + self.link.settings.timeout;
        let mut state = self.link.state.subscribe();
        // That a connection had ended says nothing of Redis, which may have been
        // restarted: a second one is tried.
        for is_second in [false, true] {
            let settled = timeout_at(deadline, state.wait_for(State::is_settled)).await;
            let settled = settled.map(|state| state.map(|state| state.clone()));
            let Connection { number, redis } = match settled {
                Ok(Ok(State::Open(connection))) => connection,
                Ok(_) => return None,
                Err(_) => {
                    self.link
                        .is_away(&Failure::Silent, |state| matches!(state, State::Opening));
                    return None;
                }
            };
            let asked = tokio::select! {
                biased;
                asked = timeout_at(deadline, get_all(redis, keys)) => asked,
                // Somebody who began earlier has found it out.
                _ = state.wait_for(State::is_away) => return None,
            };
            match asked.unwrap_or(Err(Failure::Silent)) {
                Ok(replies) => {
                    self.link.refuses(refusals(&replies));
                    return Some(replies);
                }
                Err(failure) if !is_second && failure.is_of_connection() => {
                    self.link.is_broken(number);
                }
                Err(failure) => {
                    self.link.is_away(&failure, |state| state.is_of(number));
                    return None;
                }
            }
        }
        None
    }
}

impl State {
    const fn is_settled(&self) -> bool {
        !matches!(self, Self::Opening)
    }

    const fn is_away(&self) -> bool {
        matches!(self, Self::Away)
    }

    const fn is_of(&self, number: u64) -> bool {
        matches!(self, Self::Open(connection) if connection.number == number)
    }
}

impl Link {
    /// A connection has ended by itself; another is made.
    fn is_broken(&self, number: u64) {
        self.state.send_if_modified(|state| {
            let broken = state.is_of(number);
            if broken {
                *state = State::Opening;
            }
            broken
        });
    }

    /// Says it once, whoever finds it out first: from a state that this is about.
    fn is_away(&self, failure: &Failure, from: impl Fn(&State) -> bool) {
        let found_out = self.state.send_if_modified(|state| {
            let found_out = from(state);
            if found_out {
                *state = State::Away;
            }
            found_out
        });
        if found_out {
            let redis = &self.settings;
            warn!(%redis, cause = %failure, "Redis is away, reauthorization is unknown");
        }
    }

    /// Says each kind of error reply once a connection.
    fn refuses(&self, refusals: BTreeSet<Refusal>) {
        for refusal in refusals {
            let is_new = self.refusals.send_if_modified(|said| said.insert(refusal));
            if is_new {
                let redis = &self.settings;
                warn!(
                    %redis,
                    reply = refusal,
                    "Redis refuses to tell flags, reauthorization of their channels is unknown"
                );
            }
        }
    }

    fn is_open(&self, number: u64, redis: MultiplexedConnection) {
        self.refusals.send_replace(BTreeSet::new());
        let before = self
            .state
            .send_replace(State::Open(Connection { number, redis }));
        if before.is_away() {
            let redis = &self.settings;
            info!(%redis, "Redis answers again, reauthorization is known");
        }
    }
}

/// Whether values can be read, and if so, why some are refused; why not, in a few
/// words.
pub(super) async fn probe(settings: &RedisSettings) -> Result<Option<String>, String> {
    match connect(settings).await {
        Ok((_, refusals)) => Ok(in_words(&refusals)),
        Err(failure) => Err(failure.to_string()),
    }
}

/// Makes a connection whenever there is none.
async fn keep(link: Arc<Link>) {
    let mut state = link.state.subscribe();
    let mut number = 0;
    let mut pause = SHORTEST_PAUSE;
    let mut last = String::new();
    let mut opened = Instant::now();
    let mut rest = SHORTEST_PAUSE;
    loop {
        let lost = state.wait_for(|state| !matches!(state, State::Open(_)));
        let Ok(is_away) = lost.await.map(|state| matches!(*state, State::Away)) else {
            return;
        };
        // One that opens and does not answer reads is tried less and less often:
        // each time costs a read a moment, and the log two lines.
        if opened.elapsed() >= LASTING {
            rest = SHORTEST_PAUSE;
        } else if number > 0 && is_away {
            sleep(rest).await;
            rest = LASTING.min(rest * 2);
        }
        match connect(&link.settings).await {
            Ok((redis, refusals)) => {
                number += 1;
                pause = SHORTEST_PAUSE;
                last.clear();
                opened = Instant::now();
                link.is_open(number, redis);
                link.refuses(refusals);
            }
            Err(failure) => {
                link.is_away(&failure, |state| matches!(state, State::Opening));
                let cause = failure.to_string();
                if cause != last {
                    debug!(cause, "no connection to Redis");
                    last = cause;
                }
                sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

/// Asks for some keys: each by a GET of its own, since in cluster mode an MGET of
/// keys in several slots is refused, also by a server that has all slots. A reply
/// that is said of the server fails for all.
async fn get_all(mut redis: MultiplexedConnection, keys: &[String]) -> Result<Vec<Reply>, Failure> {
    let mut pipeline = Pipeline::with_capacity(keys.len());
    for key in keys {
        pipeline.cmd("GET").arg(key);
    }
    pipeline.ignore_errors();
    let replies: Vec<RedisResult<_>> = pipeline.query_async(&mut redis).await?;
    let replies = replies
        .into_iter()
        .map(|reply| match reply.map_err(Failure::from) {
            Ok(value) => Ok(Ok(value)),
            Err(Failure::Refusal(refusal)) if !connect::is_of_server(refusal) => Ok(Err(refusal)),
            Err(failure) => Err(failure),
        });
    replies.collect()
}

fn refusals(replies: &[Reply]) -> BTreeSet<Refusal> {
    let refusals = replies.iter().filter_map(|reply| reply.as_ref().err());
    refusals.copied().collect()
}

fn in_words(refusals: &BTreeSet<Refusal>) -> Option<String> {
    let refusals: Vec<_> = refusals.iter().copied().collect();
    (!refusals.is_empty()).then(|| format!("it answers {}", refusals.join(", ")))
}
