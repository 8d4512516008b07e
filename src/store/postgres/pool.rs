//! Connections to PostgreSQL, kept for the next read.
//!
//! The pool is deadpool, not sqlx. When the database refuses a further connection, sqlx'
//! pool retries until its time-out. It ignores connections that become idle meanwhile
//! (its issue 2848), and does not report the cause. Here a read waits for the connection
//! of another one, and how many there can be is published, so that no more reads begin.
//! This module does not know what is read.

use std::{
    num::NonZeroUsize,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use deadpool::{
    Runtime,
    managed::{self, Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult},
};
use sqlx::{Connection as _, PgConnection};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tracing::warn;

use super::{encoding::Encoding, hosts::Hosts};
use crate::store::{error::StoreError, snapshot::context::ReadContext};

/// A connection is replaced at this age, so that none stays on a server that was taken out
/// of service.
const MAX_CONNECTION_AGE: Duration = Duration::from_mins(30);

/// Before connections are counted that are opened at the same time.
const SETTLE_DELAY: Duration = Duration::from_millis(200);

/// A connection that was not used for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

/// How often idle and old connections are looked for.
const CLOSE_INTERVAL: Duration = Duration::from_mins(1);

/// Pauses between attempts to connect to a database that starts: the first, the longest.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(10);
const MAX_RETRY_DELAY: Duration = Duration::from_millis(250);

/// Opens connections, and says whether one can be used again.
pub(super) struct Connector {
    pub hosts: Hosts,
    pub pgbouncer: bool,
    pub connect_timeout: Duration,
    /// How long a kept connection has to answer a ping. Not used through PgBouncer, where a
    /// ping may wait for a session.
    pub ping_timeout: Duration,
    /// A connection that was opened at the start.
    pub first: Mutex<Option<PgConnection>>,
    /// SQL that each transaction begins with, where no session keeps a search path.
    pub search_path: Option<Arc<str>>,
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    /// The pool bounds how long this takes.
    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        let first = self.first.lock();
        if let Some(first) = first.unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(first);
        }
        let mut delay = MIN_RETRY_DELAY;
        loop {
            match self.hosts.connect(self.connect_timeout).await {
                Ok(connected) => return Ok(connected.connection),
                Err(failure) if is_starting(&failure.error) => {
                    sleep(delay).await;
                    delay = MAX_RETRY_DELAY.min(delay * 2);
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAX_CONNECTION_AGE {
            return Err(RecycleError::message("too old"));
        }
        if self.pgbouncer {
            return Ok(connection.ping().await?);
        }
        match timeout(self.ping_timeout, connection.ping()).await {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(RecycleError::message("no answer")),
        }
    }
}

/// All connections to one database.
#[derive(Clone)]
pub(in crate::store) struct Connections {
    inner: Arc<Inner>,
    /// The encoding of the database; UTF-8 until it is known.
    pub encoding: Encoding,
}

struct Inner {
    pool: managed::Pool<Connector>,
    prepares: bool,
    max_connections: usize,
    acquire_timeout: Duration,
    /// After this time, the database is asked for more connections than it gave.
    retry_interval: Duration,
    /// How many connections the database gives, as far as is known.
    available: watch::Sender<usize>,
    /// Whether that is fewer than it was asked for.
    is_short: AtomicBool,
    /// The last number of them that was logged.
    logged: AtomicUsize,
    /// Notified when a connection is free again, or closed.
    released: Notify,
}

impl Connections {
    /// `None` only where deadpool is built without a timer.
    pub(super) fn new(
        connector: Connector,
        connections: NonZeroUsize,
        acquire_timeout: Duration,
        retry_interval: Duration,
    ) -> Option<Self> {
        let prepares = !connector.pgbouncer;
        let create_timeout = acquire_timeout * connector.hosts.max_attempts();
        let max_connections = connections.get();
        let pool = managed::Pool::builder(connector)
            .max_size(max_connections)
            // The others become idle and are closed.
            .queue_mode(QueueMode::Lifo)
            .create_timeout(Some(create_timeout))
            .recycle_timeout(Some(acquire_timeout))
            .runtime(Runtime::Tokio1)
            .build();
        let inner = Inner {
            pool: pool.ok()?,
            prepares,
            max_connections,
            acquire_timeout,
            retry_interval,
            available: watch::Sender::new(max_connections),
            is_short: AtomicBool::new(false),
            logged: AtomicUsize::new(max_connections),
            released: Notify::new(),
        };
        let inner = Arc::new(inner);
        let weak = Arc::downgrade(&inner);
        tokio::spawn(async move {
            loop {
                sleep(CLOSE_INTERVAL).await;
                let Some(inner) = weak.upgrade() else { return };
                inner.pool.retain(|_, metrics| {
                    metrics.age() < MAX_CONNECTION_AGE && metrics.last_used() < IDLE_TIMEOUT
                });
            }
        });
        Some(Self {
            inner,
            encoding: Encoding::Utf8,
        })
    }

    /// Whether a statement that was prepared is there when it is run again.
    pub fn prepares(&self) -> bool {
        self.inner.prepares
    }

    /// How many connections the database gives; at least one.
    pub fn available(&self) -> watch::Receiver<usize> {
        self.inner.available.subscribe()
    }

    /// How many connections are open, and how many of them idle.
    pub fn open_and_idle(&self) -> (usize, usize) {
        let status = self.inner.pool.status();
        (status.size, status.available.min(status.size))
    }

    /// Closes the connections that are not in use, and gives no more.
    pub fn close(&self) {
        self.inner.pool.close();
    }

    /// Waits for a connection. A caller that leaves would close one that is being tested
    /// or opened, so that is brought to its end, which the pool bounds.
    pub async fn acquire(&self, context: &ReadContext) -> Result<PooledConnection, StoreError> {
        let began = Instant::now();
        loop {
            let mut released = pin!(self.inner.released.notified());
            released.as_mut().enable();
            let acquired = Box::pin(self.inner.pool.get()).await;
            if context.is_cancelled() {
                drop(acquired.map(|object| self.pooled(object)));
                return Err(StoreError::Cancelled);
            }
            let error = match acquired {
                Ok(object) => return Ok(self.pooled(object)),
                Err(PoolError::Backend(error)) => error,
                Err(_) => sqlx::Error::PoolTimedOut,
            };
            let wait = match self.inner.pool.status().size {
                _ if !is_refused_as_one_too_many(&error) => None,
                // The last one may just have been closed.
                0 if began.elapsed() < self.inner.acquire_timeout => Some(MAX_RETRY_DELAY),
                0 => None,
                _ => {
                    self.publish_shortage();
                    Some(self.inner.acquire_timeout)
                }
            };
            let Some(wait) = wait else {
                return Err(StoreError::before_reading(&error));
            };
            tokio::select! {
                biased;
                () = context.cancelled_by_caller() => return Err(StoreError::Cancelled),
                () = released => {}
                // Other processes may have closed one of theirs.
                () = sleep(wait) => {}
            }
        }
    }

    fn pooled(&self, object: Object<Connector>) -> PooledConnection {
        PooledConnection {
            object: Some(object),
            connections: self.clone(),
            is_unresponsive: false,
            is_in_transaction: false,
        }
    }

    /// Publishes how few connections the database gives, until it is asked again.
    fn publish_shortage(&self) {
        if self.inner.is_short.swap(true, Ordering::Relaxed) {
            return;
        }
        let retry_interval = self.inner.retry_interval;
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            // Others may just be opened.
            sleep(SETTLE_DELAY).await;
            if let Some(inner) = inner.upgrade() {
                let connections = inner.pool.status().size.max(1);
                inner.available.send_replace(connections);
                if inner.logged.swap(connections, Ordering::Relaxed) != connections {
                    warn!(
                        connections,
                        "the database allows no more connections (CONNECTION LIMIT, \
                         max_connections); reads share the existing ones"
                    );
                }
            }
            sleep(retry_interval).await;
            if let Some(inner) = inner.upgrade() {
                inner.is_short.store(false, Ordering::Relaxed);
                inner.available.send_replace(inner.max_connections);
            }
        });
    }
}

/// A connection while a read has it.
pub(in crate::store) struct PooledConnection {
    /// There until this is dropped.
    object: Option<Object<Connector>>,
    connections: Connections,
    /// No answer came within its time-out, and may still come.
    pub is_unresponsive: bool,
    /// A transaction has begun and was not committed.
    pub is_in_transaction: bool,
}

impl PooledConnection {
    pub fn prepares(&self) -> bool {
        self.connections.prepares()
    }

    pub fn encoding(&self) -> Encoding {
        self.connections.encoding
    }

    /// SQL that each transaction begins with.
    pub fn search_path(&self) -> Option<Arc<str>> {
        let connector = self.connections.inner.pool.manager();
        connector.search_path.clone()
    }

    /// The connection, and what becomes of it afterwards.
    pub fn parts(&mut self) -> Option<(&mut PgConnection, &mut bool, &mut bool)> {
        let connection = self.object.as_mut()?;
        Some((
            connection,
            &mut self.is_unresponsive,
            &mut self.is_in_transaction,
        ))
    }
}

impl Drop for PooledConnection {
    /// Gives the connection back, and closes it where it cannot be used again.
    fn drop(&mut self) {
        let Some(mut object) = self.object.take() else {
            return;
        };
        let released = Released(self.connections.clone());
        if self.is_unresponsive {
            drop(Object::take(object));
        } else if self.is_in_transaction {
            // sqlx sends the rollback with what comes next; until then locks are held.
            let ping_timeout = self.connections.inner.pool.manager().ping_timeout;
            tokio::spawn(async move {
                match timeout(ping_timeout, object.ping()).await {
                    Ok(Ok(())) => drop(object),
                    _ => drop(Object::take(object)),
                }
                drop(released);
            });
        } else {
            drop(object);
        }
    }
}

/// Wakes a waiting read when dropped.
struct Released(Connections);

impl Drop for Released {
    fn drop(&mut self) {
        self.0.inner.released.notify_one();
    }
}

/// Whether a database takes no connections yet, or for a moment.
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// Whether the database has no connection left: for this user, for the database, at all,
/// or PgBouncer for its clients.
fn is_refused_as_one_too_many(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().as_deref() == Some("53300")
            || error.message().starts_with("no more connections allowed")
    })
}
