//! Selection of one of several hosts, for each connection that is opened.
//!
//! As with libpq, hosts are tried in their order. The first that answers and meets
//! `target_session_attrs` is used. A later one that was used is tried first for a while,
//! so that a host that is away delays few connections. Open connections stay where they
//! are. Where the password comes from a file, each connection reads it anew.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::{
    HAS_SESSION_MARK, PostgresSettings, TargetSession,
    place::{address, with_credentials},
};
use crate::store::{
    credentials::CredentialsFiles,
    error::{POOLED_SESSION, WRONG_TARGET, describe},
};

/// How long a later host is tried first, before the earlier ones are tried again.
const FAILBACK_INTERVAL: Duration = Duration::from_secs(5);

const IS_STANDBY: &str = "SELECT pg_is_in_recovery()";

/// The hosts of one database.
pub(super) struct Hosts {
    /// One entry for each host.
    all: Vec<PgConnectOptions>,
    credentials_files: CredentialsFiles,
    requirements: SessionRequirements,
    last: Mutex<Option<Last>>,
    /// Whether it was logged that none can be used.
    is_logged: Mutex<bool>,
}

/// The host of the last connection.
#[derive(Clone, Copy)]
struct Last {
    number: usize,
    target: TargetSession,
    /// Until when it is tried before those that are preferred; `None` if none is.
    first_until: Option<Instant>,
}

/// The requirements on a session, on any host.
#[derive(Clone, Copy)]
pub(super) struct SessionRequirements {
    pub may_be_pooled: bool,
    pub target: TargetSession,
}

/// Why a session is not used.
pub(super) enum SessionError {
    /// PgBouncer shares it with other clients.
    Pooled,
    WrongTarget,
    Failed(sqlx::Error),
}

/// A connection to a host that meets the requirements.
pub(super) struct Connected {
    pub connection: PgConnection,
    /// How long it took to connect.
    pub took: Duration,
}

/// Why no host can be used.
pub(super) struct HostError {
    pub reason: String,
    pub is_pooled: bool,
    /// Of the host that was tried last.
    pub error: sqlx::Error,
}

impl From<sqlx::Error> for SessionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// The form in which the pool passes it on.
impl From<SessionError> for sqlx::Error {
    fn from(session_error: SessionError) -> Self {
        match session_error {
            SessionError::Pooled => Self::Protocol(POOLED_SESSION.to_owned()),
            SessionError::WrongTarget => Self::Protocol(WRONG_TARGET.to_owned()),
            SessionError::Failed(error) => error,
        }
    }
}

impl SessionRequirements {
    /// Asks the server, by the simple protocol, which prepares nothing.
    pub async fn verify(self, connection: &mut PgConnection) -> Result<(), SessionError> {
        if !self.may_be_pooled && !is_true(connection, HAS_SESSION_MARK).await? {
            return Err(SessionError::Pooled);
        }
        let is_met = match self.target {
            TargetSession::Any | TargetSession::PreferStandby => true,
            TargetSession::Primary => !is_true(connection, IS_STANDBY).await?,
            TargetSession::Standby => is_true(connection, IS_STANDBY).await?,
        };
        is_met.then_some(()).ok_or(SessionError::WrongTarget)
    }
}

impl Hosts {
    pub fn new(settings: &PostgresSettings) -> Self {
        Self {
            all: settings.options(),
            credentials_files: settings.credentials_files.clone(),
            requirements: SessionRequirements {
                may_be_pooled: settings.pgbouncer,
                target: settings.target,
            },
            last: Mutex::new(None),
            is_logged: Mutex::new(false),
        }
    }

    fn has_several(&self) -> bool {
        self.all.len() > 1
    }

    /// How many attempts one `connect` makes at most.
    pub fn max_attempts(&self) -> u32 {
        let again = usize::from(self.has_several());
        let attempts = again + self.requirements.target.passes().len() * self.all.len();
        u32::try_from(attempts).unwrap_or(u32::MAX)
    }

    /// Connects to the first host that can be used; each attempt takes `attempt_timeout` at
    /// most.
    pub async fn connect(&self, attempt_timeout: Duration) -> Result<Connected, HostError> {
        let connected = self.try_all(attempt_timeout).await;
        let is_failure = connected.is_err();
        let was_logged = std::mem::replace(&mut *lock(&self.is_logged), is_failure);
        if let Err(error) = &connected
            && self.has_several()
            && !was_logged
        {
            warn!(reason = error.reason, "no database host can be used");
        }
        connected
    }

    async fn try_all(&self, attempt_timeout: Duration) -> Result<Connected, HostError> {
        let hosts = self.with_current_credentials().await;
        let last = *lock(&self.last);
        let passes = self.requirements.target.passes().iter();
        let preferred = passes.flat_map(|target| (0..self.all.len()).map(|it| (it, *target)));
        let first = last.filter(|last| last.first_until.is_some_and(|it| Instant::now() < it));
        let first = first.map(|last| (last.number, last.target));
        let (mut failure, mut silent) = (None, BTreeSet::new());
        let (mut reasons, mut pass) = (Vec::new(), self.requirements.target);
        for (order, (number, target)) in first.into_iter().chain(preferred).enumerate() {
            let Some(options) = hosts.get(number) else {
                continue;
            };
            // A host that is silent is not waited for twice.
            if silent.contains(&number) {
                continue;
            }
            let began = Instant::now();
            let requirements = SessionRequirements {
                target,
                ..self.requirements
            };
            let (reason, error) = match timeout(attempt_timeout, connect(options, requirements))
                .await
            {
                Ok(Ok(connection)) => {
                    let is_preferred = first.is_none() && order == 0;
                    self.note(number, target, is_preferred, first.is_some() && order == 0);
                    let took = began.elapsed();
                    return Ok(Connected { connection, took });
                }
                Ok(Err(SessionError::WrongTarget)) => {
                    (target.mismatch().to_owned(), SessionError::WrongTarget)
                }
                Ok(Err(SessionError::Failed(error))) if self.has_several() && is_away(&error) => {
                    (describe(&error), SessionError::Failed(error))
                }
                // As with libpq, a refusal, such as a wrong password, is final.
                Ok(Err(refusal)) => return Err(self.refused(options, refusal)),
                Err(_) => {
                    silent.insert(number);
                    let error = SessionError::Failed(sqlx::Error::PoolTimedOut);
                    ("it does not answer".to_owned(), error)
                }
            };
            // The last pass logs every host.
            if std::mem::replace(&mut pass, target) != target {
                reasons.clear();
            }
            reasons.push(self.with_host(options, &reason));
            failure = Some(error);
        }
        Err(HostError {
            reason: reasons.join("; "),
            is_pooled: false,
            error: failure.map_or(sqlx::Error::PoolClosed, Into::into),
        })
    }

    async fn with_current_credentials(&self) -> Cow<'_, [PgConnectOptions]> {
        let Some(credentials) = self.credentials_files.read().await else {
            return Cow::Borrowed(&self.all);
        };
        let hosts = self.all.iter();
        hosts
            .map(|host| with_credentials(host, &credentials))
            .collect()
    }

    /// Remembers which host was used.
    fn note(&self, number: usize, target: TargetSession, is_preferred: bool, is_again: bool) {
        let mut last = lock(&self.last);
        if let (Some(last), Some(host)) = (*last, self.all.get(number))
            && last.number != number
        {
            info!(host = address(host), "switched to another database host");
        }
        // The time is not extended by each use, so that the earlier ones are tried again.
        if !is_again {
            *last = Some(Last {
                number,
                target,
                first_until: (!is_preferred).then(|| Instant::now() + FAILBACK_INTERVAL),
            });
        }
    }

    fn refused(&self, host: &PgConnectOptions, refusal: SessionError) -> HostError {
        let reason = match &refusal {
            SessionError::Failed(error) => describe(error),
            SessionError::Pooled | SessionError::WrongTarget => String::new(),
        };
        HostError {
            reason: self.with_host(host, &reason),
            is_pooled: matches!(refusal, SessionError::Pooled),
            error: refusal.into(),
        }
    }

    /// Names the host if there are several.
    fn with_host(&self, host: &PgConnectOptions, reason: &str) -> String {
        if self.has_several() {
            format!("{}: {reason}", address(host))
        } else {
            reason.to_owned()
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a session that meets the requirements.
async fn connect(
    options: &PgConnectOptions,
    requirements: SessionRequirements,
) -> Result<PgConnection, SessionError> {
    let mut connection = match PgConnection::connect_with(options).await {
        Err(error) if !requirements.may_be_pooled && is_refused_by_pgbouncer(&error) => {
            return Err(SessionError::Pooled);
        }
        connected => connected?,
    };
    match requirements.verify(&mut connection).await {
        Ok(()) => Ok(connection),
        Err(mismatch) => {
            // A failed close does not matter.
            _ = connection.close().await;
            Err(mismatch)
        }
    }
}

async fn is_true(connection: &mut PgConnection, sql: &'static str) -> Result<bool, sqlx::Error> {
    let row = sqlx::raw_sql(sql).fetch_one(connection).await?;
    sqlx::Row::try_get(&row, 0)
}

/// Whether the next host is to be tried: there is no answer, or the server says that it
/// is starting or stopping.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error
            .get_ref()
            .is_none_or(|cause| !cause.is::<rustls::Error>()),
        sqlx::Error::Database(error) => error.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// PgBouncer's own words; PostgreSQL accepts all startup parameters that are sent here.
fn is_refused_by_pgbouncer(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.message().starts_with("unsupported startup parameter"))
}
