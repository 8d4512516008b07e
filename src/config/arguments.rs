//! The command line, and the help it gives.

mod environment;

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};

use super::{
    LogFormat, may_hold_password, operators::OperatorArguments, switch::Switch,
    timeouts::TimeoutArguments,
};
use crate::{
    domain::viewer::{Detail, Role},
    leadchat::encryption::Digest,
};
use environment::{
    CALLERS_ENVIRONMENT, CHECK_ENVIRONMENT, ENVIRONMENT, GRANTS_ENVIRONMENT, HEALTH_ENVIRONMENT,
    MIGRATE_ENVIRONMENT,
};

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
    /// Check a callers file and list its callers, or say whether one may ask a question.
    ///
    /// The answer to a question names the rules that decide. It is that of the server, and
    /// depends on the file alone.
    #[command(after_long_help = CALLERS_ENVIRONMENT)]
    Callers(CallersArguments),
    /// Ask a server of this machine whether it takes calls, as a probe does.
    ///
    /// The exit code is 0 if it does, and 1 otherwise. Nothing but the question is sent, so
    /// a certificate is not verified. It takes three seconds at most.
    #[command(after_long_help = HEALTH_ENVIRONMENT)]
    Health(HealthArguments),
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
            Self::Callers(_) | Self::Health(_) => None,
            Self::Migrate(arguments) => arguments.log.log_format,
            Self::Grants(arguments) => arguments.log.log_format,
        }
    }
}

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Loopback address with a port, `unix:PATH` or `tls:ADDRESS:PORT` [default: 127.0.0.1:50051]
    ///
    /// Other machines can reach an address with TLS alone, which needs --tls-certificate,
    /// --tls-key and --callers. Port 0 takes a free one and prints it. May be given several
    /// times.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,

    #[command(flatten)]
    pub data: DataArguments,

    /// The callers file: the callers there are, and what each may ask (docs/callers.md).
    ///
    /// Without it, every process of this machine may ask as any viewer. The file is read
    /// again every five seconds and at SIGHUP.
    #[arg(long, value_name = "PATH")]
    pub callers: Option<String>,

    #[command(flatten)]
    pub tls: TlsArguments,

    /// Rights of a caller as its own viewer, without a callers file [default: agent]
    #[arg(long, value_name = "ROLE")]
    pub local_role: Option<LocalRole>,

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

    /// Watches at a time; one more is refused [default: 4096]
    #[arg(long, value_name = "COUNT")]
    pub max_watches: Option<String>,

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

    /// Whether clients may ask for the contract, as grpcurl does [default: on]
    #[arg(long, value_name = "STATE")]
    pub reflection: Option<Switch>,

    /// Serve demonstration data from a temporary SQLite file.
    ///
    /// Ignores the settings of databases and Redis, prints its users and commands to try,
    /// and deletes its data at the end.
    #[arg(long)]
    pub demo: bool,

    #[command(flatten)]
    pub operators: OperatorArguments,

    #[command(flatten)]
    pub log: LogArguments,

    #[command(flatten)]
    pub timeouts: TimeoutArguments,
}

/// The certificate of the server.
#[derive(Debug, Args)]
pub struct TlsArguments {
    /// The certificate of `tls:` addresses in PEM, with those that lead to its authority.
    ///
    /// It is read again every five seconds and at SIGHUP, as its key is.
    #[arg(long = "tls-certificate", value_name = "PATH")]
    pub certificate: Option<String>,

    /// Its private key in PEM.
    #[arg(long = "tls-key", value_name = "PATH")]
    pub key: Option<String>,
}

/// The source of inboxes.
#[derive(Debug, Args)]
pub struct DataArguments {
    /// The database: `postgres://USER@HOST/NAME` or `sqlite://PATH` [default: sqlite://leadchat-inbox.db]
    ///
    /// A password is taken from the environment, or from a file that it names.
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
    /// The keys themselves are taken from the environment, or from files that it names.
    #[arg(long, value_name = "DIGEST", ignore_case = true)]
    pub encryption_digest: Option<Digest>,
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    #[command(flatten)]
    pub data: DataArguments,

    /// The callers file of `serve`; its mistakes are problems.
    #[arg(long, value_name = "PATH")]
    pub callers: Option<String>,

    #[command(flatten)]
    pub tls: TlsArguments,

    /// Print one JSON document, for machines; docs/check.md says what is in it.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub log: LogArguments,
}

#[derive(Debug, Args)]
pub struct CallersArguments {
    /// The callers file.
    #[arg(long, value_name = "PATH")]
    pub callers: Option<String>,

    /// The caller that the question is about.
    #[arg(long, value_name = "NAME", requires = "method")]
    pub caller: Option<String>,

    /// The method, such as GetInbox.
    #[arg(long, value_name = "NAME", requires = "caller")]
    pub method: Option<String>,

    /// The account; left out for a search of all accounts.
    #[arg(long, value_name = "ID", requires = "caller")]
    pub account: Option<String>,

    /// The viewer: itself, user:ID or bot:ID [default: itself]
    #[arg(long = "as", value_name = "VIEWER", requires = "caller")]
    pub viewer: Option<String>,

    /// The detail: basic or full [default: full]
    #[arg(long, value_name = "DETAIL", requires = "caller")]
    pub detail: Option<CallersDetail>,

    /// The viewer is proved by its own token.
    #[arg(long, requires = "caller")]
    pub with_token: bool,

    /// A caller's certificate in PEM, with those that lead to its authority: whose is it?
    #[arg(long, value_name = "PATH", conflicts_with = "caller")]
    pub certificate: Option<String>,

    /// A caller's token, from standard input, which is `-`: whose is it?
    #[arg(long, value_name = "-", allow_hyphen_values = true, conflicts_with_all = ["caller", "certificate"])]
    pub token_from: Option<String>,

    /// Print one JSON document, for machines; docs/callers.md says what is in it.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CallersDetail {
    /// The fields of a picker.
    Basic,
    /// Every field.
    Full,
}

impl From<CallersDetail> for Detail {
    fn from(detail: CallersDetail) -> Self {
        match detail {
            CallersDetail::Basic => Self::Basic,
            CallersDetail::Full => Self::Full,
        }
    }
}

#[derive(Debug, Args)]
pub struct HealthArguments {
    /// The address: `ADDRESS:PORT`, `unix:PATH` or `tls:ADDRESS:PORT` [default: 127.0.0.1:50051]
    ///
    /// If it is that of all interfaces, the loopback address is asked.
    #[arg(value_name = "ADDRESS")]
    pub address: Option<String>,
}

#[derive(Debug, Args)]
pub struct MigrateArguments {
    /// The database: `postgres://USER@HOST/NAME` or `sqlite://PATH`.
    ///
    /// A password is taken from the environment, or from a file that it names.
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
    /// A password is taken from the environment, or from a file that it names.
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
