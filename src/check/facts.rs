//! The facts of a check, as data.
//!
//! No value here is a text that is stored in a row: fields and reasons have fixed names.

mod redis;

use std::fmt::Display;

use serde::Serialize;

use super::{CheckConfig, completeness::Completeness, counts::Accounts};
use crate::{
    identity::{CallersFile, IssuerEntry, PairReport, Problem, Problems},
    leadchat::links::FrontendUrl,
    store::{
        DatabaseSettings, Inspection, Migrations, Missing, Ownership, Sampled, SecretReading,
        Server,
    },
};

pub use redis::{Redis, RedisState};

#[derive(Debug, Serialize)]
pub struct Facts {
    pub store: StoreFacts,
    /// `None` if the tables could not be inspected.
    pub tables: Option<Tables>,
    pub encryption: Encryption,
    pub redis: Redis,
    pub settings: Settings,
    /// `None` if a missing prerequisite kept all accounts from being read.
    pub accounts: Option<Accounts>,
}

#[derive(Debug, Serialize)]
pub struct StoreFacts {
    pub database: DatabaseKind,
    /// Host, port and name, or the path of a file.
    pub place: String,
    /// `None` if the store could not be reached.
    pub ownership: Option<OwnershipName>,
    pub server_version: Option<String>,
    pub user: Option<String>,
    pub standby: bool,
    pub read_only: bool,
    /// The reason why the store cannot be served.
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    Postgres,
    Sqlite,
}

/// The names in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnershipName {
    Attached,
    Own,
}

#[derive(Debug, Serialize)]
pub struct Tables {
    /// Rails' newest migration.
    pub rails_version: Option<i64>,
    /// Of an own database: our newest migration that was applied, and the newest.
    pub migration: Option<i64>,
    pub newest_migration: Option<i64>,
    /// The month of the leadchat that has these columns.
    #[serde(rename = "as_new_as")]
    pub released: Option<&'static str>,
    pub missing: Vec<String>,
    pub not_granted: Vec<String>,
    /// Tables whose rows a policy may hide from this user.
    pub row_security: Vec<String>,
    #[serde(rename = "left_out")]
    pub omitted: OmittedColumns,
    /// Schemas outside the search path with leadchat's or Rails' tables.
    pub other_schemas: Vec<String>,
    #[serde(flatten)]
    pub completeness: Completeness,
}

/// Columns of newer leadchat versions that are missing here and not needed.
#[derive(Debug, Serialize)]
pub struct OmittedColumns {
    pub missing: Vec<String>,
    pub not_granted: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Encryption {
    pub keys_set: bool,
    pub state: KeyState,
    /// Columns in which envelopes were found.
    pub sample: Vec<SampledColumn>,
    /// The reason why there is no sample.
    pub error: Option<String>,
}

/// The result of trying the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// The keys decrypt at least some of the sample.
    Usable,
    /// The keys decrypt nothing of the sample.
    NotUsable,
    /// The sample has envelopes, and no keys are set.
    Missing,
    /// The sample has no envelopes.
    NothingEncrypted,
    Unknown,
}

#[derive(Debug, Serialize)]
pub struct SampledColumn {
    pub column: String,
    pub opened: u64,
    pub not_opened: u64,
}

/// The callers file.
#[derive(Debug, Serialize)]
pub struct CallersReport {
    pub count: usize,
    pub keys: Vec<KeysAge>,
    pub problems: Vec<String>,
    pub notes: Vec<String>,
}

/// The age of the file of keys of an issuer of tokens.
#[derive(Debug, Serialize)]
pub struct KeysAge {
    pub issuer: String,
    /// Since its last change. `None` if the system does not tell.
    pub age_seconds: Option<u64>,
}

impl CallersReport {
    fn of(file: &Result<CallersFile, Problems>) -> Self {
        match file {
            Ok(file) => Self {
                count: file.entries.len(),
                keys: file.issuers.iter().map(KeysAge::of).collect(),
                problems: Vec::new(),
                notes: texts(&file.notes),
            },
            Err(problems) => Self {
                count: 0,
                keys: Vec::new(),
                problems: texts(&problems.0),
                notes: Vec::new(),
            },
        }
    }
}

impl KeysAge {
    fn of(issuer: &IssuerEntry) -> Self {
        Self {
            issuer: issuer.name().to_owned(),
            age_seconds: issuer.keys_age.map(|age| age.as_secs()),
        }
    }
}

/// The certificate and the key of the server.
#[derive(Debug, Serialize)]
pub struct TlsReport {
    /// When the certificate expires, if it can be used.
    pub expires: Option<String>,
    pub problems: Vec<String>,
    pub notes: Vec<String>,
}

impl TlsReport {
    fn of(pair: &Result<PairReport, Problems>) -> Self {
        match pair {
            Ok(pair) => Self {
                expires: Some(humantime::format_rfc3339_seconds(pair.not_after).to_string()),
                problems: Vec::new(),
                notes: texts(&pair.notes),
            },
            Err(problems) => Self {
                expires: None,
                problems: texts(&problems.0),
                notes: Vec::new(),
            },
        }
    }
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

#[derive(Debug, Serialize)]
pub struct Settings {
    /// `None` where no certificate is set.
    pub tls: Option<TlsReport>,
    /// `None` where no file is set.
    pub callers: Option<CallersReport>,
    pub frontend_url: FrontendUrl,
    pub secret_key_base_set: bool,
    pub forwarding_addresses: bool,
    pub secret_files: Vec<SecretFileReport>,
}

/// A variable whose secret comes from a file.
#[derive(Debug, Serialize)]
pub struct SecretFileReport {
    pub variable: &'static str,
    /// When `serve` reads the file.
    pub read: SecretReading,
}

impl Facts {
    /// A report of the settings alone.
    pub fn of(config: &CheckConfig) -> Self {
        let CheckConfig {
            database,
            connections: _,
            redis,
            installation,
            keys,
            callers,
            tls,
            secret_files,
        } = config;
        Self {
            store: StoreFacts {
                database: match database {
                    DatabaseSettings::Postgres(_) => DatabaseKind::Postgres,
                    DatabaseSettings::Sqlite(_) => DatabaseKind::Sqlite,
                },
                place: database.to_string(),
                ownership: None,
                server_version: None,
                user: None,
                standby: false,
                read_only: false,
                error: None,
            },
            tables: None,
            encryption: Encryption {
                keys_set: keys.encryption.has_keys(),
                state: KeyState::Unknown,
                sample: Vec::new(),
                error: None,
            },
            redis: Redis {
                state: match redis {
                    Some(_) => RedisState::Unknown,
                    None => RedisState::NotSet,
                },
                place: redis.as_ref().map(ToString::to_string),
                reason: None,
            },
            settings: Settings {
                tls: tls.as_ref().map(TlsReport::of),
                callers: callers.as_ref().map(CallersReport::of),
                frontend_url: installation.links.frontend_url(),
                secret_key_base_set: keys.signer.is_some(),
                forwarding_addresses: installation.forwarding_enabled,
                secret_files: secret_files
                    .iter()
                    .map(|&(variable, read)| SecretFileReport { variable, read })
                    .collect(),
            },
            accounts: None,
        }
    }
}

impl StoreFacts {
    pub fn set_server(&mut self, inspection: &Inspection) {
        let Server {
            version,
            user,
            is_standby,
            is_read_only,
        } = inspection.server().clone();
        self.ownership = Some(match inspection.ownership() {
            Ownership::Attached => OwnershipName::Attached,
            Ownership::Own => OwnershipName::Own,
        });
        self.server_version = version;
        self.user = user;
        self.standby = is_standby;
        self.read_only = is_read_only;
    }

    pub fn is_attached(&self) -> bool {
        self.ownership == Some(OwnershipName::Attached)
    }
}

impl Tables {
    pub fn of(inspection: &Inspection) -> Self {
        let (rails_version, migration, newest_migration) = match inspection.migrations() {
            Migrations::Rails(version) => (version, None, None),
            Migrations::Own { applied, newest } => (None, applied, Some(newest)),
        };
        let Missing {
            missing,
            not_granted,
            row_security,
        } = inspection.missing().clone();
        let omitted = inspection.omitted();
        Self {
            rails_version,
            migration,
            newest_migration,
            released: inspection.features().released(),
            missing,
            not_granted,
            row_security,
            omitted: OmittedColumns {
                missing: omitted.missing,
                not_granted: omitted.not_granted,
            },
            other_schemas: inspection.other_schemas(),
            completeness: Completeness::default(),
        }
    }

    pub const fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.not_granted.is_empty() && self.row_security.is_empty()
    }

    /// Whether an own database has not all of our migrations.
    pub fn is_old(&self) -> bool {
        self.newest_migration.is_some() && self.migration < self.newest_migration
    }
}

impl Encryption {
    pub fn from_sample(keys_set: bool, sampled: &[Sampled]) -> Self {
        let has_envelopes = |it: &&Sampled| it.opened + it.not_opened > 0;
        // Each key by itself: one may be right and the other wrong.
        let is_useless = [true, false].into_iter().any(|is_deterministic| {
            let mut columns = sampled
                .iter()
                .filter(has_envelopes)
                .filter(|it| it.is_deterministic == is_deterministic)
                .peekable();
            columns.peek().is_some() && columns.all(|it| it.opened == 0)
        });
        let state = match (keys_set, sampled.iter().any(|it| has_envelopes(&it))) {
            (_, false) => KeyState::NothingEncrypted,
            (false, true) => KeyState::Missing,
            (true, true) if is_useless => KeyState::NotUsable,
            (true, true) => KeyState::Usable,
        };
        Self {
            keys_set,
            state,
            sample: sampled
                .iter()
                .filter(has_envelopes)
                .map(|it| SampledColumn {
                    column: format!("{}.{}", it.table, it.column),
                    opened: it.opened,
                    not_opened: it.not_opened,
                })
                .collect(),
            error: None,
        }
    }

    pub fn without_sample(keys_set: bool, error: &impl Display) -> Self {
        Self {
            keys_set,
            state: KeyState::Unknown,
            sample: Vec::new(),
            error: Some(error.to_string()),
        }
    }
}
