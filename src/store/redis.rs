//! The connection to Redis. An outage of Redis delays no read for longer than a time-out.
//!
//! The first read that times out logs the outage. Until Redis is back, no read waits: a
//! task in the background reconnects, and logs the recovery.
//!
//! An error reply is no outage. The value of its key is unknown, and each kind of error is
//! logged once a connection. An error that concerns all keys counts as an outage.

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

use super::credentials::{Credentials, CredentialsFiles};
use crate::metrics::store::StoreMetrics;
use connect::{Failure, connect};

/// The value of a key, if it has one, or the error reply.
type Reply = Result<Option<Vec<u8>>, Refusal>;

/// The first word of an error reply: `WRONGTYPE`.
type Refusal = &'static str;

/// Delays between attempts to connect. They double from the minimum to the maximum.
const MIN_RECONNECT_DELAY: Duration = Duration::from_millis(100);
const MAX_RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// A connection of this age was stable: the next reconnect has no backoff. Also the
/// maximum of the backoff.
const STABLE_AGE: Duration = Duration::from_secs(10);

/// The address of Redis, and the credentials.
#[derive(Clone)]
pub struct RedisSettings {
    pub address: RedisAddress,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// The files of user and password, if they come from files.
    pub credentials_files: CredentialsFiles,
    /// The time-out of a read.
    pub timeout: Duration,
}

impl RedisSettings {
    /// Tests set shorter time-outs.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(200);

    /// Reads once. Returns the kinds of error replies, if any, or the cause of an outage, as
    /// texts.
    pub async fn probe(&self) -> Result<Option<String>, String> {
        match connect(self).await {
            Ok((_, refusals)) => Ok(describe(&refusals)),
            Err(failure) => Err(failure.to_string()),
        }
    }

    /// With the credentials that are in their files now.
    async fn with_current_credentials(&self) -> Self {
        let mut settings = self.clone();
        if let Some(Credentials { username, password }) = self.credentials_files.read().await {
            settings.username = username.or(settings.username);
            settings.password = password.or(settings.password);
        }
        if let RedisAddress::Sentinels(sentinels) = &mut settings.address
            && let Some(credentials) = sentinels.credentials_files.read().await
        {
            sentinels.password = credentials.password.or(sentinels.password.take());
        }
        settings
    }
}

#[derive(Clone)]
pub enum RedisAddress {
    Server {
        host: String,
        port: u16,
        is_tls: bool,
        database: i64,
    },
    Socket(PathBuf),
    Sentinels(Sentinels),
}

/// Sentinels know which server is the master.
#[derive(Clone)]
pub struct Sentinels {
    /// Hosts and ports.
    pub addresses: Vec<(String, u16)>,
    pub password: Option<SecretString>,
    /// The file of the password, if it comes from one.
    pub credentials_files: CredentialsFiles,
    pub master_name: String,
}

/// Without passwords.
impl fmt::Display for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            RedisAddress::Server {
                host,
                port,
                is_tls,
                database,
            } => {
                let tls = if *is_tls { " with TLS" } else { "" };
                write!(f, "{host}:{port}/{database}{tls}")
            }
            RedisAddress::Socket(path) => path.display().fmt(f),
            RedisAddress::Sentinels(Sentinels {
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

/// A client that reads values.
pub(super) struct Redis {
    shared: Arc<Shared>,
    _reconnecting: AbortOnDropHandle<()>,
}

/// The state of the connection, shared by reads and the task that reconnects.
struct Shared {
    settings: RedisSettings,
    metrics: StoreMetrics,
    state: watch::Sender<State>,
    /// The kinds of error replies on the current connection, which were logged.
    refusals: watch::Sender<BTreeSet<Refusal>>,
}

#[derive(Clone)]
enum State {
    /// Connecting; no attempt has failed yet.
    Connecting,
    Connected(Connection),
    /// Redis does not answer, which was logged. No read waits.
    Down,
}

#[derive(Clone)]
struct Connection {
    /// Counts the connections of this client.
    number: u64,
    redis: MultiplexedConnection,
}

impl Redis {
    /// Starts to connect, and waits for the outcome of the first attempt.
    pub async fn open(settings: RedisSettings, metrics: StoreMetrics) -> Self {
        settings.credentials_files.count(&metrics.files);
        if let RedisAddress::Sentinels(sentinels) = &settings.address {
            sentinels.credentials_files.count(&metrics.files);
        }
        let shared = Arc::new(Shared {
            settings,
            metrics,
            state: watch::Sender::new(State::Connecting),
            refusals: watch::Sender::default(),
        });
        let reconnecting = tokio::spawn(reconnect_loop(Arc::clone(&shared)));
        // The channel is never closed: its sender is shared.
        let _ = shared.state.subscribe().wait_for(State::is_known).await;
        Self {
            shared,
            _reconnecting: AbortOnDropHandle::new(reconnecting),
        }
    }

    /// The kinds of error replies on the current connection, as a text.
    pub fn refusals(&self) -> Option<String> {
        describe(&self.shared.refusals.borrow())
    }

    /// The replies to some keys, in one round trip; `None` after the time-out.
    pub async fn values(&self, keys: &[String]) -> Option<Vec<Reply>> {
        let deadline = Instant::now() + self.shared.settings.timeout;
        let mut state = self.shared.state.subscribe();
        // A connection also ends when Redis restarts, so a second connection is tried.
        for is_second in [false, true] {
            let known = timeout_at(deadline, state.wait_for(State::is_known)).await;
            let known = known.map(|state| state.map(|state| state.clone()));
            let Connection { number, redis } = match known {
                Ok(Ok(State::Connected(connection))) => connection,
                Ok(_) => return None,
                Err(_) => {
                    self.shared.mark_down(&Failure::TimedOut, |state| {
                        matches!(state, State::Connecting)
                    });
                    return None;
                }
            };
            let reply = tokio::select! {
                biased;
                reply = timeout_at(deadline, get_all(redis, keys)) => reply,
                // Another read has detected the outage.
                _ = state.wait_for(State::is_down) => return None,
            };
            match reply.unwrap_or(Err(Failure::TimedOut)) {
                Ok(replies) => {
                    self.shared.record_refusals(refusals(&replies));
                    return Some(replies);
                }
                Err(failure) if !is_second && failure.is_disconnect() => {
                    self.shared.mark_disconnected(number);
                }
                Err(failure) => {
                    self.shared
                        .mark_down(&failure, |state| state.is_connection(number));
                    return None;
                }
            }
        }
        None
    }
}

impl State {
    const fn is_known(&self) -> bool {
        !matches!(self, Self::Connecting)
    }

    const fn is_down(&self) -> bool {
        matches!(self, Self::Down)
    }

    const fn is_connection(&self, number: u64) -> bool {
        matches!(self, Self::Connected(connection) if connection.number == number)
    }
}

impl Shared {
    /// Has a connection replaced that has ended.
    fn mark_disconnected(&self, number: u64) {
        self.state.send_if_modified(|state| {
            let has_changed = state.is_connection(number);
            if has_changed {
                *state = State::Connecting;
            }
            has_changed
        });
    }

    /// Logs an outage once, when the state is the observed one.
    fn mark_down(&self, failure: &Failure, is_observed: impl Fn(&State) -> bool) {
        self.state.send_if_modified(|state| {
            let has_changed = is_observed(state);
            if has_changed {
                // The log comes first, since a start goes on when the state is known.
                let redis = &self.settings;
                warn!(%redis, cause = %failure, "Redis cannot be reached, reauthorization is unknown");
                self.metrics.set_redis_up(false);
                *state = State::Down;
            }
            has_changed
        });
    }

    /// Logs each kind of error reply once a connection.
    fn record_refusals(&self, refusals: BTreeSet<Refusal>) {
        for refusal in refusals {
            let is_new = self.refusals.send_if_modified(|said| said.insert(refusal));
            if is_new {
                let redis = &self.settings;
                warn!(
                    %redis,
                    reply = refusal,
                    "Redis refuses to read flags, reauthorization of their channels is unknown"
                );
            }
        }
    }

    fn mark_connected(&self, number: u64, redis: MultiplexedConnection) {
        self.refusals.send_replace(BTreeSet::new());
        self.metrics.set_redis_up(true);
        let before = self
            .state
            .send_replace(State::Connected(Connection { number, redis }));
        if before.is_down() {
            let redis = &self.settings;
            info!(%redis, "Redis answers again, reauthorization is known");
        }
    }
}

/// Connects whenever there is no connection.
async fn reconnect_loop(shared: Arc<Shared>) {
    let mut state = shared.state.subscribe();
    let mut number = 0;
    let mut delay = MIN_RECONNECT_DELAY;
    let mut last_cause = String::new();
    let mut connected_at = Instant::now();
    let mut backoff = MIN_RECONNECT_DELAY;
    loop {
        let disconnected = state.wait_for(|state| !matches!(state, State::Connected(_)));
        let Ok(is_down) = disconnected
            .await
            .map(|state| matches!(*state, State::Down))
        else {
            return;
        };
        // Backoff for a server that accepts connections and answers no reads: each attempt
        // delays a read and logs two lines.
        if connected_at.elapsed() >= STABLE_AGE {
            backoff = MIN_RECONNECT_DELAY;
        } else if number > 0 && is_down {
            sleep(backoff).await;
            backoff = STABLE_AGE.min(backoff * 2);
        }
        match connect(&shared.settings).await {
            Ok((redis, refusals)) => {
                number += 1;
                delay = MIN_RECONNECT_DELAY;
                last_cause.clear();
                connected_at = Instant::now();
                shared.mark_connected(number, redis);
                shared.record_refusals(refusals);
            }
            Err(failure) => {
                shared.mark_down(&failure, |state| matches!(state, State::Connecting));
                let cause = failure.to_string();
                if cause != last_cause {
                    debug!(cause, "cannot connect to Redis");
                    last_cause = cause;
                }
                sleep(delay).await;
                delay = MAX_RECONNECT_DELAY.min(delay * 2);
            }
        }
    }
}

/// Reads keys, each by its own GET. In cluster mode Redis refuses an MGET of keys in
/// several slots, even when it has all slots. An error that concerns the whole server
/// fails the read.
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
            Err(Failure::Refusal(refusal)) if !connect::is_server_wide(refusal) => Ok(Err(refusal)),
            Err(failure) => Err(failure),
        });
    replies.collect()
}

fn refusals(replies: &[Reply]) -> BTreeSet<Refusal> {
    let refusals = replies.iter().filter_map(|reply| reply.as_ref().err());
    refusals.copied().collect()
}

fn describe(refusals: &BTreeSet<Refusal>) -> Option<String> {
    let refusals: Vec<_> = refusals.iter().copied().collect();
    (!refusals.is_empty()).then(|| format!("it answers {}", refusals.join(", ")))
}
