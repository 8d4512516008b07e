//! Typed settings, from flags and environment.
//!
//! A flag takes precedence over its variable. Variables have leadchat's names where
//! leadchat has them, so that the service starts with the environment of Rails. Secrets
//! come from the environment, or from files that it names, because every process can read
//! an argument list. An empty variable counts as unset, except FRONTEND_URL and
//! REDIS_SENTINEL_PASSWORD, as in Rails, and CALLERS_FILE, which must not be empty.

mod arguments;
mod callers;
mod database;
mod encryption;
mod listen;
mod log;
mod numbers;
mod operators;
mod redis;
mod role;
mod secret_files;
mod switch;
mod timeouts;

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, error::ErrorKind};
use secrecy::SecretString;

use crate::{
    identity::PairPaths,
    leadchat::{Installation, Secrets, encryption::Digest, is_blank, is_true, links::Links},
    store::{
        DatabaseSettings, PostgresSettings, RedisAddress, RedisSettings, SecretFile,
        SecretFileError, SecretReading,
    },
};
use arguments::{Arguments, Command, DataArguments};
pub use callers::{CallerAsk, CallerQuestion, Callers, CallersSettings};
pub use listen::ListenAddress;
pub use log::LogFormat;
pub use operators::{AccessLog, Operators, Traces};
use secret_files::SecretFiles;
use switch::Switch;
pub use timeouts::Timeouts;

/// The task of the program, and the format of its log.
#[derive(Debug)]
pub struct Settings {
    pub task: Task,
    pub log_format: LogFormat,
}

/// The task of the program.
#[derive(Debug)]
pub enum Task {
    Serve(Box<Serve>),
    Check(Box<Check>),
    /// Check a callers file, or answer a question about it.
    Callers(Box<Callers>),
    /// Ask a server whether it takes calls.
    Health(ListenAddress),
    Migrate(DatabaseSettings),
    /// Print the SQL that creates a user with the rights that the service needs.
    Grants {
        database: PostgresSettings,
        role: String,
    },
}

/// Settings of `serve`.
#[derive(Debug)]
pub struct Serve {
    /// At least one.
    pub listen: Vec<ListenAddress>,
    /// Certificate and key, if there is an address with TLS.
    pub pair: Option<PairPaths>,
    /// `None` for demonstration data.
    pub database: Option<DatabaseSettings>,
    /// The Redis with leadchat's flags; `None` if it is not set, and for demonstration
    /// data.
    pub redis: Option<RedisSettings>,
    pub callers: CallersSettings,
    pub installation: Installation,
    pub secrets: Secrets,
    /// The maximum number of connections to the database.
    pub database_connections: NonZeroUsize,
    /// The maximum number of concurrent reads; the default depends on the machine.
    pub max_concurrent_reads: Option<NonZeroUsize>,
    /// The maximum age of an answer from memory.
    pub max_staleness: Duration,
    /// The memory for accounts and inboxes.
    pub cache_bytes: usize,
    /// Watches at a time.
    pub max_watches: NonZeroUsize,
    pub max_connection_age: Duration,
    pub drain_wait: Duration,
    pub drain_timeout: Duration,
    /// The maximum size of a response, in bytes.
    pub max_response_bytes: usize,
    /// Whether clients may ask for the contract.
    pub has_reflection: bool,
    pub operators: Operators,
    pub timeouts: Timeouts,
}

/// Settings of `check`.
#[derive(Debug)]
pub struct Check {
    pub database: DatabaseSettings,
    pub database_connections: NonZeroUsize,
    pub redis: Option<RedisSettings>,
    pub installation: Installation,
    pub secrets: Secrets,
    pub callers: Option<PathBuf>,
    pub pair: Option<PairPaths>,
    /// The variables whose secrets come from files, and when these are read.
    pub secret_files: Vec<(&'static str, SecretReading)>,
    /// Whether to print one JSON document.
    pub as_json: bool,
}

impl Task {
    /// Where traces go, if any are sent.
    pub const fn traces(&self) -> Option<&Traces> {
        match self {
            Self::Serve(serve) => serve.operators.traces.as_ref(),
            _ => None,
        }
    }

    /// The log filter if RUST_LOG is not set.
    pub const fn default_log_filter(&self) -> &'static str {
        match self {
            // Findings are in the report, not in the log.
            Self::Check(_) => "error",
            // An answer is one line.
            Self::Health(_) => "off",
            Self::Serve(_) | Self::Callers(_) | Self::Migrate(_) | Self::Grants { .. } => "info",
        }
    }
}

/// A setting that cannot be used, or a request for help.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{setting}: {reason}")]
    Setting {
        setting: &'static str,
        reason: String,
    },
    #[error("{0} and {0}_FILE are both set; leave one of them out")]
    SecretTwice(&'static str),
    #[error("{variable}_FILE: {path} {error}", variable = file.variable, path = file.path.display())]
    SecretFile {
        file: SecretFile,
        error: SecretFileError,
    },
    #[error(transparent)]
    Usage(#[from] clap::Error),
}

/// The program was started without arguments.
const HELP_ON_MISSING_COMMAND: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;

impl ConfigError {
    fn setting(setting: &'static str, reason: impl Into<String>) -> Self {
        Self::Setting {
            setting,
            reason: reason.into(),
        }
    }

    /// Prints help, or one line that names the setting, and gives the exit code.
    pub fn report(self) -> ExitCode {
        match &self {
            Self::Usage(help) if !help.use_stderr() => {
                // A closed pipe is no reason to fail.
                let _ = help.print();
                ExitCode::SUCCESS
            }
            Self::Usage(help) if help.kind() == HELP_ON_MISSING_COMMAND => {
                let _ = help.print();
                ExitCode::from(2)
            }
            Self::Usage(error) => {
                eprintln!(
                    "leadchat-inbox: {}; see --help",
                    arguments::describe_error(error)
                );
                ExitCode::from(2)
            }
            Self::Setting { .. } | Self::SecretTwice(_) | Self::SecretFile { .. } => {
                eprintln!("leadchat-inbox: {self}");
                ExitCode::from(2)
            }
        }
    }
}

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads all settings but RUST_LOG.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment<'_>,
) -> Result<Settings, ConfigError> {
    let command = Arguments::try_parse_from(arguments)?.command;
    let files = SecretFiles::read(&command, environment)?;
    // The secret in a file counts as the value of its variable.
    let environment: Environment<'_> = &|name| files.secret(name).or_else(|| environment(name));
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let log_format = LogFormat::read(command.log_format(), &set)?;
    let task = match command {
        Command::Serve(flags) => {
            let flags = *flags;
            let listen = listen::read(&flags.listen, &set)?;
            let (mut database, mut redis) = if flags.demo {
                (None, None)
            } else {
                (
                    Some(database(&flags.data, &set, &files)?),
                    redis::read(&set, environment, &files)?,
                )
            };
            let timeouts = flags.timeouts.read(&mut database, &mut redis)?;
            let callers =
                callers::read_serve(flags.callers, flags.local_role.map(Into::into), environment)?;
            let pair = listen::read_pair(flags.tls.certificate, flags.tls.key, &set)?;
            listen::check_tls(&listen, pair.as_ref(), &callers)?;
            Task::Serve(Box::new(Serve {
                listen,
                database,
                redis,
                pair,
                callers,
                installation: installation(environment),
                secrets: secrets(flags.data.encryption_digest, environment, &set)?,
                database_connections: numbers::DATABASE_CONNECTIONS
                    .read(flags.data.database_connections, &set)?,
                max_concurrent_reads: numbers::MAX_CONCURRENT_READS
                    .read_optional(flags.max_concurrent_reads, &set)?,
                max_staleness: numbers::MAX_STALENESS.read(flags.max_staleness, &set)?,
                cache_bytes: numbers::CACHE_BYTES.read(flags.cache_bytes, &set)?.0,
                max_watches: numbers::MAX_WATCHES.read(flags.max_watches, &set)?,
                max_connection_age: numbers::MAX_CONNECTION_AGE
                    .read(flags.max_connection_age, &set)?,
                drain_wait: numbers::DRAIN_WAIT.read(flags.drain_wait, &set)?,
                drain_timeout: numbers::DRAIN_TIMEOUT.read(flags.drain_timeout, &set)?,
                max_response_bytes: numbers::MAX_RESPONSE_BYTES
                    .read(flags.max_response_bytes, &set)?
                    .0,
                has_reflection: Switch::read(flags.reflection, "REFLECTION", &set)?,
                operators: flags.operators.read(&set)?,
                timeouts,
            }))
        }
        Command::Check(flags) => {
            let database = database(&flags.data, &set, &files)?;
            let redis = redis::read(&set, environment, &files)?;
            let secret_files = readings(&files, &database, &flags.data, redis.as_ref());
            Task::Check(Box::new(Check {
                database,
                database_connections: numbers::DATABASE_CONNECTIONS
                    .read(flags.data.database_connections, &set)?,
                redis,
                installation: installation(environment),
                secrets: secrets(flags.data.encryption_digest, environment, &set)?,
                callers: callers::path(flags.callers, environment)?,
                pair: listen::read_pair(flags.tls.certificate, flags.tls.key, &set)?,
                secret_files,
                as_json: flags.json,
            }))
        }
        Command::Callers(flags) => {
            Task::Callers(Box::new(callers::read_command(flags, environment)?))
        }
        Command::Health(flags) => Task::Health(listen::read_probed(flags.address, &set)?),
        Command::Migrate(flags) => match database::read(flags.database_url, &set, &files)? {
            Some(database) => Task::Migrate(database),
            None => {
                return Err(ConfigError::setting(
                    "DATABASE_URL",
                    "is not set; it says which database to migrate",
                ));
            }
        },
        Command::Grants(flags) => Task::Grants {
            role: role::read(flags.role)?,
            database: match database::read(flags.database_url, &set, &files)? {
                Some(DatabaseSettings::Postgres(database)) => database,
                Some(DatabaseSettings::Sqlite(_)) => {
                    return Err(ConfigError::setting(
                        "DATABASE_URL (--database-url)",
                        "is an SQLite file, which has no users",
                    ));
                }
                None => {
                    return Err(ConfigError::setting(
                        "DATABASE_URL",
                        "is not set; it says which database is to be read",
                    ));
                }
            },
        },
    };
    Ok(Settings { task, log_format })
}

/// The database of the settings, or the default one.
fn database(
    flags: &DataArguments,
    set: Environment<'_>,
    files: &SecretFiles,
) -> Result<DatabaseSettings, ConfigError> {
    let database = database::read(flags.database_url.clone(), set, files)?;
    let database = database.unwrap_or_else(database::default);
    Ok(if flags.pgbouncer {
        database::with_pgbouncer(database)
    } else {
        database
    })
}

/// When the files of secrets are read.
fn readings(
    files: &SecretFiles,
    database: &DatabaseSettings,
    flags: &DataArguments,
    redis: Option<&RedisSettings>,
) -> Vec<(&'static str, SecretReading)> {
    let mut connections = Vec::new();
    let mut at_start = Vec::new();
    match database {
        DatabaseSettings::Postgres(settings) => connections.push(&settings.credentials_files),
        DatabaseSettings::Sqlite(_) if flags.database_url.is_none() => at_start.push(database::URL),
        DatabaseSettings::Sqlite(_) => {}
    }
    if let Some(redis) = redis {
        connections.push(&redis.credentials_files);
        if let RedisAddress::Sentinels(sentinels) = &redis.address {
            connections.push(&sentinels.credentials_files);
        }
    }
    files.readings(&connections, &at_start)
}

fn secrets(
    digest: Option<Digest>,
    environment: Environment<'_>,
    set: Environment<'_>,
) -> Result<Secrets, ConfigError> {
    Ok(Secrets {
        secret_key_base: secret("SECRET_KEY_BASE", environment)?,
        encryption: encryption::read(digest, set)?,
    })
}

/// A secret of Rails. White space alone counts as unset, as in Rails.
fn secret(
    setting: &'static str,
    environment: Environment<'_>,
) -> Result<Option<SecretString>, ConfigError> {
    let Some(text) = environment(setting).filter(|text| !is_blank(text)) else {
        return Ok(None);
    };
    // Keys derived from the rest of the text would be wrong.
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(ConfigError::setting(setting, "is not UTF-8"));
    }
    Ok(Some(text.into()))
}

/// Whether a text may be a database URL in the wrong setting, possibly damaged. Such a
/// text is not quoted.
fn may_hold_password(text: &str) -> bool {
    text.contains("://") || text.contains(['@', '?'])
}

/// The settings of the installation, from leadchat's own variables.
fn installation(environment: Environment<'_>) -> Installation {
    let force_ssl = environment("FORCE_SSL").is_some_and(|value| is_true(&value));
    Installation {
        links: Links::new(environment("FRONTEND_URL"), force_ssl),
        forwarding_enabled: environment("MAILER_INBOUND_EMAIL_DOMAIN")
            .is_some_and(|domain| !is_blank(&domain)),
    }
}

#[cfg(test)]
mod tests;
