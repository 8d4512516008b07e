//! Connects to Redis, and describes failures.
//!
//! The reconnecting of the library is not used. `ConnectionManager` (redis 1.8) knows
//! one address and no sentinels, lets commands wait for a reconnect, and keeps a connection
//! on which a command timed out. `SentinelClient` asks three sentinels at a time and takes
//! their answers in the order of the list, so that a frozen one delays the others. Its error
//! does not say whether a sentinel or the master refused the password.

use std::{collections::BTreeSet, error::Error, io, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, Role,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use secrecy::{ExposeSecret, SecretString};
use strum::IntoEnumIterator;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{RedisAddress, RedisSettings, Refusal, Sentinels, get_all, refusals};
use crate::{
    domain::{channel::ChannelKind, id::ChannelId, reauthorization::FlagKey},
    leadchat::reauthorization,
    store::{error::describe_io, tls},
};

/// The time-out of an attempt to connect. Only the start waits for an attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// TCP keepalive detects a dead connection within 20 seconds, also without a read.
const KEEPALIVE_DELAY: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const MAX_KEEPALIVE_PROBES: u32 = 3;

/// The cause of an outage. The text of the server is not part of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("it does not answer in time")]
    TimedOut,
    #[error("{1}")]
    Connection(io::ErrorKind, String),
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("it refuses the user or the password")]
    Authentication,
    #[error("it answers {0}")]
    Refusal(Refusal),
    #[error("it answers something unexpected")]
    Unexpected,
    #[error("no sentinel knows the master")]
    MasterUnknown,
    #[error("the master named by the sentinels is a replica")]
    MasterIsReplica,
    #[error("sentinel: {0}")]
    Sentinel(Box<Failure>),
}

impl Failure {
    /// Whether only the connection has ended; Redis may be up.
    pub fn is_disconnect(&self) -> bool {
        matches!(self, Self::Connection(..) | Self::Unexpected)
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let io = source_as::<io::Error>(&error);
        let tls = io.and_then(|io| io.get_ref()?.downcast_ref());
        if let Some(tls) = tls.or_else(|| source_as::<rustls::Error>(&error)) {
            return Self::Tls(tls::REDIS.describe(tls));
        }
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::TimedOut,
            ErrorKind::Io => match io {
                Some(error) => Self::Connection(error.kind(), describe_io(error)),
                None => Self::Tls(NO_AUTHORITIES.to_owned()),
            },
            ErrorKind::AuthenticationFailed => Self::Authentication,
            _ => error.code().map_or(Self::Unexpected, |code| {
                let known = KNOWN_REFUSALS.iter().find(|known| **known == code);
                known.map_or(Self::Refusal("an error"), |known| Self::Refusal(known))
            }),
        }
    }
}

/// The errors of a connection that the server has closed.
const DISCONNECT_ERRORS: [io::ErrorKind; 4] = [
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::UnexpectedEof,
];

/// The cause when TLS cannot be set up.
const NO_AUTHORITIES: &str = "the host is no name that a certificate can have, or the authorities \
    of SSL_CERT_FILE, or of the system, cannot be read";

/// First words of error replies that help an operator.
const KNOWN_REFUSALS: [Refusal; 11] = [
    "NOAUTH",
    "LOADING",
    "MASTERDOWN",
    "BUSY",
    "NOPERM",
    "WRONGTYPE",
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "CROSSSLOT",
    "CLUSTERDOWN",
];

/// Whether an error concerns the server and not a key. Then the client reconnects, because
/// sentinels may name another server by then.
pub(super) fn is_server_wide(refusal: Refusal) -> bool {
    matches!(refusal, "NOAUTH" | "LOADING" | "MASTERDOWN" | "BUSY")
}

fn source_as<E: Error + 'static>(error: &RedisError) -> Option<&E> {
    let cause = error
        .source()?
        .downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    cause.downcast_ref()
}

/// Connects, and reads once to prove it. Returns the connection and the kinds of error
/// replies.
pub(super) async fn connect(
    settings: &RedisSettings,
) -> Result<(MultiplexedConnection, BTreeSet<Refusal>), Failure> {
    let is_tls = matches!(settings.address, RedisAddress::Server { is_tls: true, .. });
    try_connect(settings)
        .await
        .map_err(|failure| match failure {
            // With TLS 1.3, a server that requires a client certificate closes the connection
            // after the handshake, and its alert may be lost.
            Failure::Connection(kind, _) if is_tls && DISCONNECT_ERRORS.contains(&kind) => {
                Failure::Tls(tls::REDIS.describe_closed())
            }
            failure => failure,
        })
}

async fn try_connect(
    settings: &RedisSettings,
) -> Result<(MultiplexedConnection, BTreeSet<Refusal>), Failure> {
    let settings = &settings.with_current_credentials().await;
    let username = settings.username.as_deref();
    let password = settings.password.as_ref();
    let redis = match &settings.address {
        RedisAddress::Server {
            host,
            port,
            is_tls,
            database,
        } => {
            let host = host.clone();
            let address = if *is_tls {
                ConnectionAddr::TcpTls {
                    host,
                    port: *port,
                    insecure: false,
                    tls_params: None,
                }
            } else {
                ConnectionAddr::Tcp(host, *port)
            };
            open_connection(address, *database, username, password).await?
        }
        RedisAddress::Socket(path) => {
            let address = ConnectionAddr::Unix(path.clone());
            open_connection(address, 0, username, password).await?
        }
        RedisAddress::Sentinels(sentinels) => connect_to_master(sentinels, password).await?,
    };
    // The same keys as for a list: an ACL may allow some kinds of channels alone.
    let keys = ChannelKind::iter();
    let keys: Vec<_> = keys
        .filter_map(|kind| reauthorization::key(FlagKey::new(kind, ChannelId(0))))
        .collect();
    let replies = timeout(settings.timeout, get_all(redis.clone(), &keys))
        .await
        .unwrap_or(Err(Failure::TimedOut))?;
    Ok((redis, refusals(&replies)))
}

async fn open_connection(
    address: ConnectionAddr,
    database: i64,
    username: Option<&str>,
    password: Option<&SecretString>,
) -> Result<MultiplexedConnection, Failure> {
    // Old servers answer the name of the library with an error.
    let mut redis = RedisConnectionInfo::default()
        .set_db(database)
        .set_skip_set_lib_name();
    if let Some(username) = username {
        redis = redis.set_username(username);
    }
    if let Some(password) = password {
        redis = redis.set_password(password.expose_secret());
    }
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_DELAY)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(MAX_KEEPALIVE_PROBES);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    let info = address.into_connection_info()?;
    let client = Client::open(info.set_redis_settings(redis).set_tcp_settings(tcp))?;
    // A read has a time-out of its own.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None);
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

/// Connects to the master, by the first sentinel that names one. All sentinels are asked
/// at the same time, because some may be dead, frozen or outdated.
async fn connect_to_master(
    sentinels: &Sentinels,
    password: Option<&SecretString>,
) -> Result<MultiplexedConnection, Failure> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let mut attempts = JoinSet::new();
    for (host, port) in &sentinels.addresses {
        let sentinel = ConnectionAddr::Tcp(host.clone(), *port);
        let (sentinels, password) = (sentinels.clone(), password.cloned());
        attempts.spawn(async move {
            let address = master_address(sentinel, &sentinels)
                .await
                .map_err(|failure| Failure::Sentinel(Box::new(failure)))?
                .ok_or(Failure::MasterUnknown)?;
            connect_if_master(address, password.as_ref()).await
        });
    }
    let mut last = Failure::TimedOut;
    while let Ok(Some(outcome)) = timeout_at(deadline, attempts.join_next()).await {
        match outcome {
            Ok(Ok(redis)) => return Ok(redis),
            Ok(Err(failure)) => last = failure,
            // The task panicked, which was logged.
            Err(_) => {}
        }
    }
    Err(last)
}

/// The address of the master according to a sentinel.
async fn master_address(
    sentinel: ConnectionAddr,
    sentinels: &Sentinels,
) -> Result<Option<(String, u16)>, Failure> {
    let mut connection = open_connection(sentinel, 0, None, sentinels.password.as_ref()).await?;
    let address = redis::cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(&sentinels.master_name)
        .query_async(&mut connection)
        .await?;
    Ok(address)
}

/// Connects to a server if it is a master. A sentinel may not know yet that it has become a
/// replica.
async fn connect_if_master(
    (host, port): (String, u16),
    password: Option<&SecretString>,
) -> Result<MultiplexedConnection, Failure> {
    let mut redis = open_connection(ConnectionAddr::Tcp(host, port), 0, None, password).await?;
    match redis::cmd("ROLE").query_async(&mut redis).await? {
        Role::Primary { .. } => Ok(redis),
        _ => Err(Failure::MasterIsReplica),
    }
}
