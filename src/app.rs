//! Puts the parts together: settings in, running server out.

use std::{
    cell::RefCell,
    io::{self, Write},
    num::NonZeroUsize,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    process::ExitCode,
};

use tokio::{
    net::{TcpListener, UnixListener, UnixStream},
    runtime::{Builder, Handle, Runtime},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task,
};
use tracing::{info, level_filters::LevelFilter, warn};

use crate::{
    check::{self, Progress, Subject},
    config::{Check, ListenAddress, Serve, Task},
    demo::{Demo, DemoError},
    directory::StoreDirectory,
    grpc::{self, EtagKey, Limits, Listener, ServeError},
    identity::Caller,
    leadchat::{Installation, Keys, Secrets},
    store::{DatabaseSettings, Grants, Losses, OpenError, RedisSettings, Store},
};

/// Why the program cannot do what it is to do. One line each, naming the setting
/// where one is to blame.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("LISTEN_ADDR (--listen): cannot listen on {address}: {reason}")]
    Listen {
        address: ListenAddress,
        reason: String,
    },
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("the demonstration data cannot be set up: {0}")]
    Demo(#[from] DemoError),
    #[error("the system refuses {what}: {reason}")]
    System { what: &'static str, reason: String },
}

/// Runs until done, or until told to stop.
pub async fn run(task: Task) -> Result<ExitCode, AppError> {
    match task {
        Task::Serve(settings) => serve(*settings).await?,
        Task::Check(settings) => return check(*settings).await,
        Task::Migrate(database) => {
            Store::migrate(&database).await?;
            say(&format!("The tables of {database} are up to date."));
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
        redis,
        installation,
        secrets,
        as_json,
    } = settings;
    let mut stop = stop()?;
    let subject = Subject {
        database,
        redis,
        installation,
        keys: derived(secrets).await?,
    };
    // A bar and lines of a log would spoil each other.
    let is_logging = LevelFilter::current() > LevelFilter::ERROR;
    let progress = if as_json || is_logging {
        Progress::hidden()
    } else {
        Progress::shown()
    };
    let stopped = async { _ = stop.recv().await };
    let report = check::examine(subject, progress, stopped).await;
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
        database,
        redis,
        local_role,
        installation,
        secrets,
        concurrent_calls,
    } = settings;
    let mut stop = stop()?;

    let secret_key_base = secrets.secret_key_base.clone();
    let reads = Reads::start()?;
    let embedded = !matches!(database, Some(DatabaseSettings::Postgres(_)));
    let opened = reads
        .handle
        .spawn(open(database, redis, installation, secrets));
    let (store, demo) = tokio::select! {
        opened = opened => opened.map_err(|error| AppError::System {
            what: "to open the store",
            reason: error.to_string(),
        })??,
        // A database may let us wait.
        _ = stop.recv() => return Ok(()),
    };
    let etags = match &secret_key_base {
        Some(secret) => EtagKey::derived(secret),
        None => EtagKey::random(entropy().ok_or_else(|| AppError::System {
            what: "random bytes",
            reason: "none to be had".to_owned(),
        })?),
    };
    let (listener, address) = bind(&listen).await?;
    let socket = match &listen {
        ListenAddress::Unix(path) => identity(path),
        ListenAddress::Tcp(_) => None,
    };

    say(&format!(
        "leadchat-inbox {} is listening on {address}",
        env!("CARGO_PKG_VERSION")
    ));
    if let Some(demo) = &demo {
        say(&demo.introduction(&address));
    }
    info!(%address, "serving");

    let losses = store.losses();
    let directory = StoreDirectory::new(store, reads.handle.clone());
    let caller = Caller::local(local_role);
    let concurrent_calls =
        concurrent_calls.map_or_else(|| by_processors(embedded), NonZeroUsize::get);
    let limits = Limits::new(concurrent_calls);
    grpc::serve(listener, directory, caller, etags, random, limits, stop).await?;
    if let ListenAddress::Unix(path) = &listen {
        // While calls were drained, a successor may have put its own there.
        if identity(path) == socket {
            // A leftover is replaced at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
    tell(&losses);
    info!("stopped");
    Ok(())
}

/// How many values could not be decrypted, of which the first were logged when
/// they were met.
fn tell(losses: &Losses) {
    for (field, count) in losses.counts() {
        warn!(field, count, "values that could not be decrypted");
    }
}

/// The runtime that reads run in. Apart from what calls come in by, so that under
/// overload a read does not queue with the calls that are sent away.
struct Reads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Reads {
    fn start() -> Result<Self, AppError> {
        let runtime = Builder::new_multi_thread()
            .thread_name("reads")
            .on_thread_start(yield_to_others)
            .enable_all()
            .build()
            .map_err(|error| AppError::System {
                what: "threads",
                reason: error.kind().to_string(),
            })?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Reads {
    /// Without waiting: whoever asked has been answered.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes this thread, and those that it starts, give way to the others of this
/// process where there are not processors enough for all: an answer that costs
/// next to nothing does not wait for one that costs a read. With a lesser number
/// it did not help enough (`make overload`). Against other services it does not
/// count where each has a control group, as in containers and under systemd.
fn yield_to_others() {
    const NICE: i32 = 10;
    // Where this is not allowed, all are equal.
    let _ = rustix::process::nice(NICE);
}

/// As many calls as keep the processors busy. SQLite is busy on these; while a
/// call waits for another database, one more has something to do. No more than
/// there are connections for.
fn by_processors(embedded: bool) -> usize {
    const MOST: usize = 16;
    let each = if embedded { 1 } else { 2 };
    std::thread::available_parallelism()
        .map_or(each, |processors| MOST.min(each * processors.get()))
}

/// The store to serve, and what keeps demonstration data alive.
async fn open(
    database: Option<DatabaseSettings>,
    redis: Option<RedisSettings>,
    installation: Installation,
    secrets: Secrets,
) -> Result<(Store, Option<Demo>), AppError> {
    match database {
        Some(database) => {
            let keys = derived(secrets).await?;
            Ok((
                Store::open(&database, redis, installation, keys).await?,
                None,
            ))
        }
        None => {
            let demo = Demo::create().await?;
            // There is nothing in it that anybody's keys are for.
            let keys = Keys::default();
            let store = Store::open(&demo.database(), None, Demo::installation(), keys).await?;
            Ok((store, Some(demo)))
        }
    }
}

/// Keys are slow to derive, so as to be slow to guess.
async fn derived(secrets: Secrets) -> Result<Keys, AppError> {
    let derive = move || Keys::derived(&secrets);
    task::spawn_blocking(derive)
        .await
        .map_err(|_| AppError::System {
            what: "to derive keys",
            reason: "the task has stopped".to_owned(),
        })
}

/// What tells a file from another that takes its place: device and number.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path)
        .ok()
        .map(|file| (file.dev(), file.ino()))
}

async fn bind(listen: &ListenAddress) -> Result<(Listener, ListenAddress), AppError> {
    let refused = |error: io::Error| AppError::Listen {
        address: listen.clone(),
        reason: match error.kind() {
            io::ErrorKind::AddrInUse => "it is in use".to_owned(),
            io::ErrorKind::NotFound => "there is no such folder".to_owned(),
            kind => kind.to_string(),
        },
    };
    match listen {
        ListenAddress::Tcp(address) => {
            let listener = TcpListener::bind(address).await.map_err(refused)?;
            let address = listener.local_addr().map_err(refused)?;
            Ok((Listener::Tcp(listener), ListenAddress::Tcp(address)))
        }
        ListenAddress::Unix(path) => {
            remove_abandoned(path).await;
            let listener = UnixListener::bind(path).map_err(refused)?;
            Ok((Listener::Unix(listener), listen.clone()))
        }
    }
}

/// Removes a socket that nobody listens on any more.
async fn remove_abandoned(path: &Path) {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let abandoned = is_socket
        && UnixStream::connect(path)
            .await
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if abandoned {
        // If it cannot be removed, binding says so.
        let _ = std::fs::remove_file(path);
    }
}

/// Receives whenever the process is told to stop, by Ctrl-C or SIGTERM.
fn stop() -> Result<mpsc::Receiver<()>, AppError> {
    let listen = |kind| {
        signal(kind).map_err(|error| AppError::System {
            what: "to report signals",
            reason: error.kind().to_string(),
        })
    };
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    let (tell, told) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if tell.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(told)
}

/// Nobody may be reading.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints the result of a command. A failed write is an error; a closed pipe is not,
/// since its reader has enough.
fn print(text: &str) -> Result<(), AppError> {
    match writeln!(io::stdout(), "{text}").and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(AppError::System {
            what: "to print",
            reason: error.kind().to_string(),
        }),
        _ => Ok(()),
    }
}

fn entropy<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// For ids of calls. The system is asked for those of many at a time.
fn random() -> Option<u128> {
    const CALLS: usize = 64;
    const EACH: usize = size_of::<u128>();
    thread_local! {
        static DRAWN: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.is_empty() {
            let bytes: [u8; CALLS * EACH] = entropy()?;
            let (numbers, _) = bytes.as_chunks::<EACH>();
            drawn.extend(numbers.iter().map(|number| u128::from_ne_bytes(*number)));
        }
        drawn.pop()
    })
}
