//! How a connection to Redis is made, and why one cannot be had.
//!
//! The library's own clients are not enough: one that reconnects does not ask
//! sentinels again, and one that asks sentinels takes one after the other, so
//! that one that is frozen keeps the rest waiting, and believes the first that
//! answers.

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

use super::{RedisPlace, RedisSettings, Refusal, Sentinels, get_all, refusals};
use crate::{
    domain::{channel::ChannelKind, id::ChannelId, reauthorization::FlagKey},
    leadchat::reauthorization,
    store::tls,
};

/// For how long a connection may be in the making; nobody waits for that but a
/// start.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line that is dead without a word is found out in about 20 seconds, and not
/// by a read.
const SILENCE: Duration = Duration::from_secs(10);
const PROBE_PAUSE: Duration = Duration::from_secs(3);
const PROBES: u32 = 3;

/// Why Redis does not tell values. No word of the server's own is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("it does not answer in time")]
    Silent,
    #[error("{0}")]
    Connection(io::ErrorKind),
    #[error("the host is not found")]
    HostNotFound,
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
    #[error("what the sentinels take for the master is a replica")]
    MasterIsReplica,
    #[error("of a sentinel: {0}")]
    OfSentinel(Box<Failure>),
}

impl Failure {
    /// Whether it tells of a connection that has ended, and not of Redis.
    pub fn is_of_connection(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::Unexpected)
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let io = cause::<io::Error>(&error);
        let tls = io.and_then(|io| io.get_ref()?.downcast_ref());
        if let Some(tls) = tls.or_else(|| cause::<rustls::Error>(&error)) {
            return Self::Tls(tls::REDIS.describe(tls));
        }
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::Silent,
            ErrorKind::Io => match io.map(io::Error::kind) {
                // A name that is looked up in vain has no kind.
                Some(kind) if kind.to_string().starts_with("uncat") => Self::HostNotFound,
                Some(kind) => Self::Connection(kind),
                None => Self::Tls(NO_AUTHORITIES.to_owned()),
            },
            ErrorKind::AuthenticationFailed => Self::Authentication,
            _ => error.code().map_or(Self::Unexpected, |code| {
                let known = REFUSALS.iter().find(|known| **known == code);
                known.map_or(Self::Refusal("an error"), |known| Self::Refusal(known))
            }),
        }
    }
}

/// Errors of a connection that the server has closed.
const CLOSED: [io::ErrorKind; 4] = [
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::UnexpectedEof,
];

/// Why TLS cannot begin.
const NO_AUTHORITIES: &str = "the host is no name that a certificate can have, or the authorities \
    of SSL_CERT_FILE, or of the system, cannot be read";

/// How Redis begins an error that tells an operator something.
const REFUSALS: [Refusal; 11] = [
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

/// Whether an error is said of the server, for as long as it lasts, and not of a key. It
/// is worth another connection: sentinels may lead to another server by then.
pub(super) fn is_of_server(refusal: Refusal) -> bool {
    matches!(refusal, "NOAUTH" | "LOADING" | "MASTERDOWN" | "BUSY")
}

fn cause<E: Error + 'static>(error: &RedisError) -> Option<&E> {
    let cause = error
        .source()?
        .downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    cause.downcast_ref()
}

/// A connection over which values can be read, and which of them are refused: that is
/// tried before it is given.
pub(super) async fn connect(
    settings: &RedisSettings,
) -> Result<(MultiplexedConnection, BTreeSet<Refusal>), Failure> {
    let is_tls = matches!(settings.place, RedisPlace::Server { is_tls: true, .. });
    try_connect(settings)
        .await
        .map_err(|failure| match failure {
            // With TLS 1.3, a server that misses a client certificate closes the connection after the
            // handshake, and its alert may be lost.
            Failure::Connection(kind) if is_tls && CLOSED.contains(&kind) => {
                Failure::Tls(tls::REDIS.closed())
            }
            failure => failure,
        })
}

async fn try_connect(
    settings: &RedisSettings,
) -> Result<(MultiplexedConnection, BTreeSet<Refusal>), Failure> {
    let deadline = Instant::now() + PATIENCE;
    let username = settings.username.as_deref();
    let password = settings.password.as_ref();
    let redis = match &settings.place {
        RedisPlace::Server {
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
            in_time(deadline, open(address, *database, username, password)).await?
        }
        RedisPlace::Socket(path) => {
            let address = ConnectionAddr::Unix(path.clone());
            in_time(deadline, open(address, 0, username, password)).await?
        }
        RedisPlace::Sentinels(sentinels) => master(deadline, sentinels, password).await?,
    };
    // As a read of a list does it: one may be allowed all but this, or some kinds alone.
    let keys = ChannelKind::iter();
    let keys: Vec<_> = keys
        .filter_map(|kind| {
            reauthorization::key(FlagKey {
                kind,
                channel: ChannelId(0),
            })
        })
        .collect();
    let replies = timeout(settings.timeout, get_all(redis.clone(), &keys))
        .await
        .unwrap_or(Err(Failure::Silent))?;
    Ok((redis, refusals(&replies)))
}

async fn in_time<T>(
    deadline: Instant,
    what: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout_at(deadline, what)
        .await
        .unwrap_or(Err(Failure::Silent))
}

async fn open(
    address: ConnectionAddr,
    database: i64,
    username: Option<&str>,
    password: Option<&SecretString>,
) -> Result<MultiplexedConnection, Failure> {
    // What it would tell of us, old servers answer with an error.
    let mut redis = RedisConnectionInfo::default()
        .set_db(database)
        .set_skip_set_lib_name();
    if let Some(username) = username {
        redis = redis.set_username(username);
    }
    if let Some(password) = password {
        redis = redis.set_password(password.expose_secret());
    }
    let alive = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(PROBE_PAUSE)
        .with_retries(PROBES);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(alive);
    let info = address.into_connection_info()?;
    let client = Client::open(info.set_redis_settings(redis).set_tcp_settings(tcp))?;
    // Both are limited by those who wait.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

/// A connection to the master: by way of the first sentinel that leads to one.
/// All are asked at a time, because some may be dead, frozen or behind.
async fn master(
    deadline: Instant,
    sentinels: &Sentinels,
    password: Option<&SecretString>,
) -> Result<MultiplexedConnection, Failure> {
    let mut ways = JoinSet::new();
    for (host, port) in &sentinels.addresses {
        let sentinel = ConnectionAddr::Tcp(host.clone(), *port);
        let (sentinels, password) = (sentinels.clone(), password.cloned());
        ways.spawn(async move {
            let address = ask(sentinel, &sentinels)
                .await
                .map_err(|failure| Failure::OfSentinel(Box::new(failure)))?
                .ok_or(Failure::MasterUnknown)?;
            open_master(address, password.as_ref()).await
        });
    }
    let mut last = Failure::Silent;
    while let Ok(Some(way)) = timeout_at(deadline, ways.join_next()).await {
        match way {
            Ok(Ok(redis)) => return Ok(redis),
            Ok(Err(failure)) => last = failure,
            // It panicked, which was logged.
            Err(_) => {}
        }
    }
    Err(last)
}

/// Where a sentinel takes the master to be.
async fn ask(
    sentinel: ConnectionAddr,
    sentinels: &Sentinels,
) -> Result<Option<(String, u16)>, Failure> {
    let mut connection = open(sentinel, 0, None, sentinels.password.as_ref()).await?;
    let address = redis::cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(&sentinels.master_name)
        .query_async(&mut connection)
        .await?;
    Ok(address)
}

/// A sentinel may not know yet that the master has become a replica.
async fn open_master(
    (host, port): (String, u16),
    password: Option<&SecretString>,
) -> Result<MultiplexedConnection, Failure> {
    let mut redis = open(ConnectionAddr::Tcp(host, port), 0, None, password).await?;
    match redis::cmd("ROLE").query_async(&mut redis).await? {
        Role::Primary { .. } => Ok(redis),
        _ => Err(Failure::MasterIsReplica),
    }
}
