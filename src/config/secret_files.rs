//! The variables that hold a secret, and the files that may hold it in their place.
//!
//! For each variable `NAME`, `NAME_FILE` names a file with the secret, as Kubernetes and
//! systemd provide it. The content then counts as the value of the variable. This module
//! does not know the form of a secret.

use zeroize::Zeroizing;

use super::{ConfigError, Environment, arguments::Command};
use crate::store::{
    Credentials, CredentialsFile, CredentialsFiles, SecretFile, SecretFileError, SecretReading,
};

/// Every variable that holds a secret, and the settings that it belongs to.
pub const SECRETS: [(&str, Group); 10] = [
    ("DATABASE_URL", Group::Database),
    ("POSTGRES_PASSWORD", Group::Database),
    ("PGPASSWORD", Group::Database),
    ("REDIS_URL", Group::Redis),
    ("REDIS_PASSWORD", Group::Redis),
    (REDIS_SENTINEL_PASSWORD, Group::Redis),
    ("SECRET_KEY_BASE", Group::Installation),
    ("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", Group::Installation),
    (
        "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
        Group::Installation,
    ),
    (
        "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
        Group::Installation,
    ),
];

/// The variable that is set even if it is empty: the sentinels then have no password.
const REDIS_SENTINEL_PASSWORD: &str = "REDIS_SENTINEL_PASSWORD";

/// Settings that a command reads together, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Database,
    Redis,
    Installation,
}

impl Group {
    const fn is_read_by(self, command: &Command) -> bool {
        match (command, self) {
            (Command::Serve(flags), Self::Database | Self::Redis) => !flags.demo,
            (Command::Serve(_) | Command::Check(_), _)
            | (Command::Migrate(_) | Command::Grants(_), Self::Database) => true,
            (
                Command::Migrate(_) | Command::Grants(_) | Command::Callers(_) | Command::Health(_),
                _,
            ) => false,
        }
    }
}

/// The secrets that come from files.
#[derive(Default)]
pub struct SecretFiles(Vec<(SecretFile, Zeroizing<String>)>);

impl SecretFiles {
    /// Reads the files of a command.
    pub fn read(command: &Command, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let mut files = Vec::new();
        for (variable, group) in SECRETS {
            let path = environment(&format!("{variable}_FILE")).filter(|path| !path.is_empty());
            let Some(path) = path.filter(|_| group.is_read_by(command)) else {
                continue;
            };
            let is_set = |value: &String| !value.is_empty() || variable == REDIS_SENTINEL_PASSWORD;
            if environment(variable).is_some_and(|value| is_set(&value)) {
                return Err(ConfigError::SecretTwice(variable));
            }
            let file = SecretFile {
                variable,
                path: path.into(),
            };
            match file.read() {
                Ok(secret) => files.push((file, secret)),
                Err(error) => return Err(ConfigError::SecretFile { file, error }),
            }
        }
        Ok(Self(files))
    }

    /// The secret of a variable, if it comes from a file.
    pub fn secret(&self, variable: &str) -> Option<String> {
        self.find(variable).map(|(_, secret)| secret.to_string())
    }

    /// The file of a variable that holds a password alone.
    pub fn password(&self, variable: &str) -> Option<CredentialsFile> {
        let parse = |text: &str| Ok(Credentials::of_password(text.to_owned().into()));
        self.credentials(variable, parse)
    }

    /// The file of a variable, to be read anew for each connection.
    pub fn credentials(
        &self,
        variable: &str,
        parse: impl Fn(&str) -> Result<Credentials, SecretFileError> + Send + Sync + 'static,
    ) -> Option<CredentialsFile> {
        let (file, secret) = self.find(variable)?;
        CredentialsFile::new(file.clone(), parse, secret)
    }

    /// The variables whose secrets come from files, and when each file is read: the files of
    /// connections for each of these. Of the other files, `at_start` are used.
    pub fn readings(
        &self,
        connections: &[&CredentialsFiles],
        at_start: &[&str],
    ) -> Vec<(&'static str, SecretReading)> {
        let of_connections: Vec<_> = connections.iter().flat_map(|it| it.variables()).collect();
        let is_installation = |variable| {
            let mut secrets = SECRETS.iter();
            secrets.any(|(name, group)| *name == variable && *group == Group::Installation)
        };
        let reading = |variable| {
            if of_connections.contains(&variable) {
                SecretReading::EachConnection
            } else if at_start.contains(&variable) || is_installation(variable) {
                SecretReading::Start
            } else {
                SecretReading::Never
            }
        };
        let variables = self.0.iter().map(|(file, _)| file.variable);
        variables.map(|it| (it, reading(it))).collect()
    }

    fn find(&self, variable: &str) -> Option<&(SecretFile, Zeroizing<String>)> {
        self.0.iter().find(|(file, _)| file.variable == variable)
    }
}
