//! Puts the parts together: settings in, running server out.

mod admin;
mod bind;
mod callers;
mod health;
mod limits;
mod parts;
mod stores;
mod systemd;

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, level_filters::LevelFilter, warn};

use crate::{
    check::{self, CheckConfig, Progress},
    clock,
    config::{Check, ListenAddress, Serve, Task},
    demo::DemoError,
    directory::{CacheSettings, directory},
    grpc::{self, ProbeError, ResponseLimit, ServeError, ServerSettings},
    identity::{CallersFile, Problems},
    leadchat::{Keys, Secrets},
    store::{self, DatabaseSettings, DecryptionFailures, Grants, OpenError, Store},
};
use bind::{Bound, bind_all};
use limits::prepare_process;
use parts::{
    access_log, audit_sink, etag_key, load_limit, new_metrics, random_id, server_timeouts,
};
use stores::open_store;

/// The reasons why the program fails. Each is one line and names the setting that causes
/// it, if one does.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("LISTEN_ADDR (--listen): cannot listen on {address}: {reason}")]
    Listen {
        address: ListenAddress,
        reason: String,
    },
    #[error("ADMIN_LISTEN (--admin-listen): cannot listen on {address}: {reason}")]
    ListenAdmin { address: SocketAddr, reason: String },
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("the demonstration data cannot be set up: {0}")]
    Demo(#[from] DemoError),
    /// A line each.
    #[error(transparent)]
    Callers(#[from] Problems),
    #[error("{0}: there is no caller {1:?}")]
    NoSuchCaller(String, String),
    #[error("{0}: {1}")]
    Health(ListenAddress, ProbeError),
    #[error("the system refuses {what}: {reason}")]
    System { what: &'static str, reason: String },
}

impl AppError {
    /// 2 for a wrong setting, as where the settings are read.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Callers(_) | Self::NoSuchCaller(..) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// A setting for clients that send the path of a socket as their `:authority`. HTTP/2 has
/// no such authority: h2 resets their calls below all layers.
const SOCKET_HINT: &str = "Over this socket, clients in Python, Ruby, PHP, C++, Java and Swift \
    have to set `localhost` as their authority, most as grpc.default_authority \
    (docs/cookbook.md).";

/// The targets of libraries that would log a value of a request or of a row.
pub fn unlogged_targets() -> Vec<&'static str> {
    [grpc::UNLOGGED_TARGETS.as_slice(), &store::UNLOGGED_TARGETS].concat()
}

/// Runs a task to its end, or until a shutdown signal.
pub async fn run(task: Task) -> Result<ExitCode, AppError> {
    match task {
        Task::Serve(settings) => serve(*settings).await?,
        Task::Check(settings) => return check(*settings).await,
        Task::Health(address) => return health::ask(address).await,
        Task::Callers(settings) => return callers::answer(&settings, (clock::system().wall)()),
        Task::Migrate(database) => {
            Store::migrate(&database).await?;
            print_line(&format!("The tables of {database} are up to date."));
        }
        Task::Grants { database, role } => {
            print(Grants::of(&database, &role).await?.to_string().trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(settings: Check) -> Result<ExitCode, AppError> {
    let Check {
        database,
        database_connections,
        redis,
        installation,
        secrets,
        callers,
        pair,
        secret_files,
        as_json,
    } = settings;
    let now = (clock::system().wall)();
    let mut shutdown_signals = shutdown_signals()?;
    let config = CheckConfig {
        database,
        connections: database_connections,
        redis,
        installation,
        keys: derive_keys(secrets).await?,
        callers: callers.map(|path| CallersFile::read(&path, now)),
        tls: pair.map(|pair| pair.inspect(now)),
        secret_files,
    };
    // A progress bar and log lines would overwrite each other.
    let is_logging = LevelFilter::current() > LevelFilter::ERROR;
    let progress = if as_json || is_logging {
        Progress::hidden()
    } else {
        Progress::shown()
    };
    let stopped = async { _ = shutdown_signals.recv().await };
    let report = check::run(config, progress, stopped).await;
    print(&if as_json {
        report.to_json()
    } else {
        report.to_string()
    })?;
    Ok(if report.serves_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn serve(settings: Serve) -> Result<(), AppError> {
    let Serve {
        listen,
        pair,
        database,
        redis,
        callers,
        installation,
        secrets,
        database_connections,
        max_concurrent_reads,
        max_staleness,
        cache_bytes,
        max_watches,
        max_connection_age,
        drain_wait,
        drain_timeout,
        max_response_bytes,
        has_reflection,
        operators,
        timeouts,
    } = settings;
    let mut signals = shutdown_signals()?;
    prepare_process(database_connections.get());

    let clock = clock::system();
    let metrics = new_metrics(max_staleness, clock, operators.admin_listen.is_some());
    let stopping = CancellationToken::new();
    let admin = admin::begin(operators.admin_listen, &metrics, &stopping).await?;
    let (policy, tls) = callers::policy(callers, pair, &listen, clock.wall, &metrics)?;
    let etags = etag_key(secrets.secret_key_base.as_ref())?;
    let is_embedded = !matches!(database, Some(DatabaseSettings::Postgres(_)));
    let opening = open_store(
        database,
        database_connections,
        redis,
        installation,
        secrets,
        &metrics.store,
    );
    let (store, flags, demo) = tokio::select! {
        opened = opening => opened?,
        // Opening a database may take long.
        _ = signals.recv() => return Ok(()),
    };
    let Bound {
        listeners,
        addresses,
        files,
    } = bind_all(&listen, tls.as_ref()).await?;
    print_addresses(&addresses);
    systemd::report(stopping.clone());
    if let Some((demo, address)) = demo.as_ref().zip(addresses.first()) {
        print_line(&demo.introduction(address));
    }

    let decryption_failures = store.decryption_failures();
    let store = Arc::new(store);
    let _watched = admin.watch(&store, &metrics);
    let load_limit = load_limit(
        max_concurrent_reads,
        is_embedded,
        &store,
        &timeouts,
        &metrics,
    );
    let cache = CacheSettings {
        max_staleness,
        bytes: cache_bytes,
    };
    let directories = directory(store, load_limit, flags, cache, clock, &metrics);
    let settings = ServerSettings {
        max_connection_age,
        drain_wait,
        drain_timeout,
        max_watches,
        response_limit: ResponseLimit::new(max_response_bytes),
        has_reflection,
        clock,
        audit: audit_sink(operators.has_audit),
        access_log: access_log(operators.access_log),
        has_traces: operators.traces.is_some(),
        metrics,
        stopping,
        timeouts: server_timeouts(&timeouts),
    };
    grpc::serve(
        listeners,
        directories,
        policy,
        etags,
        random_id,
        settings,
        signals,
    )
    .await?;
    for file in &files {
        file.remove();
    }
    log_decryption_failures(&decryption_failures);
    info!("stopped");
    Ok(())
}

fn print_addresses(addresses: &[ListenAddress]) {
    for address in addresses {
        let version = env!("CARGO_PKG_VERSION");
        print_line(&format!(
            "leadchat-inbox {version} is listening on {address}"
        ));
        info!(%address, "serving");
    }
    if addresses
        .iter()
        .any(|it| matches!(it, ListenAddress::Unix(_)))
    {
        print_line(SOCKET_HINT);
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal, AppError> {
    signal(kind).map_err(|error| AppError::System {
        what: "to report signals",
        reason: error.kind().to_string(),
    })
}

/// Logs the total of values that could not be decrypted; the first of them were logged at
/// once.
fn log_decryption_failures(decryption_failures: &DecryptionFailures) {
    for (field, count) in decryption_failures.counts() {
        warn!(field, count, "values that could not be decrypted");
    }
}

/// Derives the keys on a blocking thread, because deriving is slow by design.
async fn derive_keys(secrets: Secrets) -> Result<Keys, AppError> {
    let derive = move || Keys::derive(&secrets);
    task::spawn_blocking(derive)
        .await
        .map_err(|_| AppError::System {
            what: "to derive keys",
            reason: "the task has stopped".to_owned(),
        })
}

/// Receives at each shutdown signal: Ctrl-C or SIGTERM.
fn shutdown_signals() -> Result<mpsc::Receiver<()>, AppError> {
    let (mut interrupt, mut terminate) = (
        listen_for(SignalKind::interrupt())?,
        listen_for(SignalKind::terminate())?,
    );
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Prints a text; a closed pipe is no error.
fn print_line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints the result of a command. A failed write is an error; a closed pipe is not.
fn print(text: &str) -> Result<(), AppError> {
    match writeln!(io::stdout(), "{text}").and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(AppError::System {
            what: "to print",
            reason: error.kind().to_string(),
        }),
        _ => Ok(()),
    }
}
