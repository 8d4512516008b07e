//! The command line, and the help it gives.

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};

use super::{LogFormat, may_hold_password, timeouts::TimeoutArguments};
use crate::{domain::viewer::Role, leadchat::encryption::Digest};

/// Answers "this inbox, as this viewer may see it, now" for leadchat, over gRPC.
///
/// Set leadchat's own database, a database of its own, or none: then it keeps an SQLite
/// file. `serve --demo` needs no set-up at all.
#[derive(Debug, Parser)]
#[command(
    name = "leadchat-inbox",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve inboxes over gRPC.
    #[command(after_long_help = ENVIRONMENT)]
    Serve(Box<ServeArguments>),
    /// Check settings, database and every account before serving.
    ///
    /// Takes the settings that `serve` takes. Inspects the store and its tables, and
    /// tries the keys of encrypted columns and Redis. Then it reads every account once,
    /// four at a time, over at most five connections. It creates and changes nothing. The
    /// report counts the inboxes of each kind and names the degraded fields; it contains
    /// no stored value.
    #[command(after_long_help = CHECK_ENVIRONMENT)]
    Check(CheckArguments),
    /// Create the tables of an own PostgreSQL database, or bring them up to date.
    ///
    /// A database of Rails' is refused: it is served as it is. An SQLite file
    /// needs no such step; `serve` sees to it.
    #[command(after_long_help = MIGRATE_ENVIRONMENT)]
    Migrate(MigrateArguments),
    /// Print the SQL of a PostgreSQL user with the rights that the service needs.
    ///
    /// The SQL depends on the existing tables, so this connects to the database. It
    /// changes nothing; run the SQL as the owner of the tables, with `psql -v
    /// ON_ERROR_STOP=1`.
    #[command(after_long_help = GRANTS_ENVIRONMENT)]
    Grants(GrantsArguments),
}

impl Command {
    pub const fn log_format(&self) -> Option<LogFormat> {
        match self {
            Self::Serve(arguments) => arguments.log.log_format,
            Self::Check(arguments) => arguments.log.log_format,
            Self::Migrate(arguments) => arguments.log.log_format,
            Self::Grants(arguments) => arguments.log.log_format,
        }
    }
}

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Loopback address with a port to listen on, or `unix:PATH` [default: 127.0.0.1:50051]
    ///
    /// Callers are not identified, so no address that other machines can reach
    /// is taken. Port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,

    #[command(flatten)]
    pub data: DataArguments,

    /// Rights of a caller as its own viewer (`"viewer":{"service":{}}`).
    #[arg(long, value_name = "ROLE", default_value = "agent")]
    pub local_role: LocalRole,

    /// Maximum number of concurrent reads [default: two per processor, on SQLite one]
    ///
    /// Never more than there are connections. Further calls wait, first come first
    /// served, for at most three seconds and at most half of the time until their
    /// deadline. After that they fail with OVERLOADED.
    #[arg(long, value_name = "NUMBER")]
    pub max_concurrent_reads: Option<String>,

    /// Maximum age of an answer from the cache, up to 60s; 0 reads for each call [default: 2s]
    ///
    /// Rights and content are that old at most. A call for the latest reads the database
    /// all the same.
    #[arg(long, value_name = "DURATION")]
    pub max_staleness: Option<String>,

    /// Size of the cache of accounts and inboxes, 16MiB or more [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    pub cache_bytes: Option<String>,

    /// Age at which a connection gets GOAWAY; its calls end by themselves [default: 15m]
    ///
    /// At twice this age it is closed with all calls that are left.
    #[arg(long, value_name = "DURATION")]
    pub max_connection_age: Option<String>,

    /// Time from a shutdown signal until the listener closes [default: 0s]
    ///
    /// Health says NOT_SERVING meanwhile, so that load balancers choose other replicas.
    #[arg(long, value_name = "DURATION")]
    pub drain_wait: Option<String>,

    /// Time that a shutdown then waits for calls in flight [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub drain_timeout: Option<String>,

    /// Maximum size of a response, from 256KiB to 64MiB [default: 3MiB]
    ///
    /// Raise it only for clients with a limit above the usual 4 MiB. An inbox that is
    /// larger loses its largest values. All replicas need the same limit; otherwise such
    /// inboxes have differing etags.
    #[arg(long, value_name = "SIZE")]
    pub max_response_bytes: Option<String>,

    /// Serve demonstration data from a temporary SQLite file.
    ///
    /// Ignores the settings of databases and Redis, prints its users and commands to try,
    /// and deletes its data at the end.
    #[arg(long)]
    pub demo: bool,

    #[command(flatten)]
    pub log: LogArguments,

    #[command(flatten)]
    pub timeouts: TimeoutArguments,
}

/// The source of inboxes.
#[derive(Debug, Args)]
pub struct DataArguments {
    /// The database: `postgres://USER@HOST/NAME` or `sqlite://PATH` [default: sqlite://leadchat-inbox.db]
    ///
    /// A password is taken from the environment alone.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,

    /// Maximum number of connections to the database [default: 16]
    ///
    /// If the database allows fewer, the service works with these.
    #[arg(long, value_name = "NUMBER")]
    pub database_connections: Option<String>,

    /// Connect through PgBouncer.
    ///
    /// Needed in its transaction mode, and allowed in its session mode. No prepared
    /// statement or setting then outlives a transaction.
    #[arg(long)]
    pub pgbouncer: bool,

    /// Digest for deriving the keys of encrypted columns [default: sha1]
    ///
    /// The keys themselves are taken from the environment alone.
    #[arg(long, value_name = "DIGEST", ignore_case = true)]
    pub encryption_digest: Option<Digest>,
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    #[command(flatten)]
    pub data: DataArguments,

    /// Print one JSON document, for machines; docs/check.md says what is in it.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub log: LogArguments,
}

#[derive(Debug, Args)]
pub struct MigrateArguments {
    /// The database: `postgres://USER@HOST/NAME` or `sqlite://PATH`.
    ///
    /// A password is taken from the environment alone.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,

    #[command(flatten)]
    pub log: LogArguments,
}

#[derive(Debug, Args)]
pub struct GrantsArguments {
    /// The role; the SQL creates it if there is none of that name.
    #[arg(long, value_name = "NAME", default_value = "leadchat_inbox")]
    pub role: String,

    /// The database: `postgres://USER@HOST/NAME`.
    ///
    /// A password is taken from the environment alone.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,

    #[command(flatten)]
    pub log: LogArguments,
}

#[derive(Debug, Args)]
pub struct LogArguments {
    /// Format of the log, on standard error [default: pretty]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LocalRole {
    /// Every inbox, without what is for administrators only.
    Agent,
    /// Every inbox, with everything.
    Administrator,
}

impl From<LocalRole> for Role {
    fn from(role: LocalRole) -> Self {
        match role {
            LocalRole::Agent => Self::Agent,
            LocalRole::Administrator => Self::Administrator,
        }
    }
}

macro_rules! database_environment {
    () => {
        "\
Environment:
  DATABASE_URL                 the database, as for --database-url
  POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DATABASE, POSTGRES_USERNAME, POSTGRES_PASSWORD
                               the database in parts; DATABASE_URL is laid over them
  POSTGRES_SCHEMA              the schemas that tables are searched in, as
                               schema_search_path in the URL"
    };
}

macro_rules! log_environment {
    () => {
        "
  LOG_FORMAT                   how the log is written, as for --log-format
  RUST_LOG                     what is logged: info, debug, leadchat_inbox=trace"
    };
}

macro_rules! data_environment {
    () => {
        "
  DATABASE_CONNECTIONS         as for --database-connections
  PGBOUNCER                    true, as for --pgbouncer
  REDIS_URL, REDIS_PASSWORD    leadchat's Redis, which tells what has to be authorized again
  REDIS_SENTINELS, REDIS_SENTINEL_MASTER_NAME, REDIS_SENTINEL_PASSWORD
                               the same by way of sentinels, which count before the URL"
    };
}

macro_rules! installation_environment {
    () => {
        "
  FRONTEND_URL                 callback addresses, voice addresses, addresses of
                               pictures, widget scripts
  FORCE_SSL                    the scheme of a FRONTEND_URL without one
  MAILER_INBOUND_EMAIL_DOMAIN  whether forwarding addresses are shown
  SECRET_KEY_BASE              signs the addresses of pictures, and keys the etags of
                               administrators; without it pictures have no address, and
                               those etags hold for this process alone
  ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY
  ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY
  ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT
                               what leadchat encrypted is read with; all three or none
  ACTIVE_RECORD_ENCRYPTION_HASH_DIGEST_CLASS
                               SHA1 or SHA256, as for --encryption-digest"
    };
}

macro_rules! precedence {
    () => {
        "

A flag counts before its variable. What a PostgreSQL URL leaves out is taken from
POSTGRES_HOST and so on if any of these is set, as Rails does, and otherwise from PGHOST,
PGUSER and so on, as every client of PostgreSQL does; so is TLS, from PGSSLMODE,
PGSSLROOTCERT and so on."
    };
}

const ENVIRONMENT: &str = concat!(
    database_environment!(),
    data_environment!(),
    "
  LISTEN_ADDR                  where to listen, as for --listen
  MAX_CONCURRENT_READS         as for --max-concurrent-reads
  MAX_STALENESS, CACHE_BYTES   as for the flags of these names
  MAX_CONNECTION_AGE, DRAIN_WAIT, DRAIN_TIMEOUT
                               as for the flags of these names
  MAX_RESPONSE_BYTES           as for --max-response-bytes",
    installation_environment!(),
    log_environment!(),
    precedence!(),
    "

A duration is a number with a unit, 500ms, 2s or 15m; without one it is seconds, as 0.5.

Exit code: 0 after a stop by signal, 1 when it cannot serve, 2 for a wrong setting."
);

const CHECK_ENVIRONMENT: &str = concat!(
    database_environment!(),
    data_environment!(),
    installation_environment!(),
    log_environment!(),
    precedence!(),
    "
Only errors are logged unless RUST_LOG asks for more, and then no progress bar is shown.

Exit code: 0 when it would serve well, 1 when there are problems or the check was stopped, 2 for
a wrong setting."
);

const MIGRATE_ENVIRONMENT: &str = concat!(
    database_environment!(),
    log_environment!(),
    "

Exit code: 0 when the tables are up to date, 1 when they cannot be, 2 for a wrong setting."
);

const GRANTS_ENVIRONMENT: &str = concat!(
    database_environment!(),
    "
  PGBOUNCER                    true where PgBouncer stands before the PostgreSQL",
    log_environment!(),
    "

Exit code: 0 when the SQL is printed, 1 when the tables cannot be read, 2 for a wrong setting."
);

/// The error of a command line. A value is quoted only if it cannot be a secret.
pub fn describe_error(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) if !may_hold_password(text) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    if error.get(ContextKind::InvalidValue) == Some(&ContextValue::String(String::new())) {
        let flag = context(ContextKind::InvalidArg).unwrap_or_default();
        return format!("{flag} needs a value");
    }
    let mut line = error.kind().to_string();
    for kind in [
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidValue,
    ] {
        if let Some(text) = context(kind) {
            line = format!("{line}: {text}");
        }
    }
    if let Some(valid) = context(ContextKind::ValidValue) {
        line = format!("{line} (one of: {valid})");
    }
    line
}
