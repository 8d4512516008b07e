//! Findings: the facts that an operator has to act on or to know.
//!
//! A problem keeps the service from serving, makes many answers wrong, or is a setting
//! that does not work. Settings, grants or a migration solve it. A note is an omission by
//! choice, or a fault of single rows: these are served, and each answer says what is
//! missing.

use std::time::Duration;

use serde::Serialize;

use super::{
    counts::Accounts,
    facts::{DatabaseKind, Facts, KeyState, KeysAge, RedisState, Tables},
};
use crate::leadchat::links::FrontendUrl;

/// From this age on, a file of keys has a note: nothing may fetch it any more.
const KEYS_NOTE_AGE: Duration = Duration::from_hours(30 * 24);

/// One of them.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub code: FindingCode,
    pub text: String,
}

#[derive(Default)]
pub struct Findings {
    pub problems: Vec<Finding>,
    pub notes: Vec<Finding>,
}

/// The code of a finding, for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingCode {
    Stopped,
    StoreUnusable,
    TablesOld,
    ColumnsMissing,
    ColumnsNotGranted,
    OptionalColumnsNotGranted,
    RowSecurityActive,
    RowsNotKnown,
    KeysNotSet,
    KeysNotUsable,
    KeysUnknown,
    ValuesNotOpened,
    RedisAway,
    RedisRefuses,
    RedisNotSet,
    FrontendUrlNotSet,
    FrontendUrlNotUsable,
    FrontendUrlEndsWithSlash,
    SecretKeyBaseNotSet,
    AccountsFailed,
    AccountsNotListed,
    NoAccounts,
    InboxesDegraded,
    CallersInvalid,
    CallersNoted,
    KeysOld,
    TlsInvalid,
    TlsNoted,
}

impl Findings {
    pub fn of(facts: &Facts, is_complete: bool) -> Self {
        let mut findings = Self::default();
        if !is_complete {
            findings.problem(
                FindingCode::Stopped,
                "the check was stopped, and this report is incomplete",
            );
        }
        findings.store(facts);
        findings.encryption(facts);
        findings.redis(facts);
        findings.settings(facts);
        if let Some(accounts) = &facts.accounts {
            findings.accounts(accounts);
            if is_complete && accounts.total == Some(0) {
                findings.no_accounts(facts.tables.as_ref());
            }
        }
        findings
    }

    fn problem(&mut self, code: FindingCode, text: impl Into<String>) {
        let text = text.into();
        self.problems.push(Finding { code, text });
    }

    fn note(&mut self, code: FindingCode, text: impl Into<String>) {
        let text = text.into();
        self.notes.push(Finding { code, text });
    }

    fn store(&mut self, facts: &Facts) {
        if let Some(error) = &facts.store.error {
            self.problem(FindingCode::StoreUnusable, error);
        }
        let Some(tables) = &facts.tables else {
            return;
        };
        self.rows(tables);
        self.migrations(facts.store.database, tables);
        if tables.migration.is_none() && tables.newest_migration.is_some() {
            // Then all tables are missing.
            return;
        }
        if !tables.missing.is_empty() {
            let count = pluralize(
                tables.missing.len(),
                "required table or column is",
                "required tables or columns are",
            );
            self.problem(
                FindingCode::ColumnsMissing,
                format!("{count} missing; is this leadchat's database?"),
            );
        }
        if !tables.not_granted.is_empty() {
            let count = pluralize(
                tables.not_granted.len(),
                "required column is",
                "required columns are",
            );
            self.problem(
                FindingCode::ColumnsNotGranted,
                format!("{count} not granted to this user; run the SQL of `leadchat-inbox grants`"),
            );
        }
        let hidden = &tables.omitted.not_granted;
        if !hidden.is_empty() {
            let count = pluralize(hidden.len(), "optional column is", "optional columns are");
            self.note(
                FindingCode::OptionalColumnsNotGranted,
                format!(
                    "{count} not granted to this user, and omitted: {}; run the SQL of \
                     `leadchat-inbox grants`",
                    hidden.join(", ")
                ),
            );
        }
    }

    fn rows(&mut self, tables: &Tables) {
        if !tables.row_security.is_empty() {
            let count = pluralize(tables.row_security.len(), "table is", "tables are");
            self.problem(
                FindingCode::RowSecurityActive,
                format!(
                    "{count} under row-level security, which may hide rows from this user: \
                     a superuser lifts it by ALTER ROLE ... BYPASSRLS"
                ),
            );
        }
        let completeness = &tables.completeness;
        if !completeness.partial.is_empty() {
            let found = match completeness.references() {
                none if none.is_empty() => "no row refers to a missing one".to_owned(),
                references => format!("references to missing rows: {references}"),
            };
            self.note(
                FindingCode::RowsNotKnown,
                format!(
                    "these tables may hide rows: {}; {found}",
                    completeness.tables()
                ),
            );
        }
    }

    fn migrations(&mut self, database: DatabaseKind, tables: &Tables) {
        if !tables.is_old() {
            return;
        }
        if tables.migration.is_none() {
            let text = "the database has none of leadchat's tables; create them with \
                        `leadchat-inbox migrate`";
            self.problem(FindingCode::TablesOld, text);
        } else if database == DatabaseKind::Sqlite && tables.is_complete() {
            let text = "the tables are older than this program; `serve` brings them up to date";
            self.note(FindingCode::TablesOld, text);
        } else {
            let text = "the tables are older than this program; bring them up to date with \
                        `leadchat-inbox migrate`";
            self.problem(FindingCode::TablesOld, text);
        }
    }

    fn encryption(&mut self, facts: &Facts) {
        let encryption = &facts.encryption;
        let not_opened: u64 = encryption.sample.iter().map(|it| it.not_opened).sum();
        match encryption.state {
            KeyState::Missing => self.problem(
                FindingCode::KeysNotSet,
                "leadchat has encrypted values, and no keys are set; set its three variables \
                 ACTIVE_RECORD_ENCRYPTION_*",
            ),
            KeyState::NotUsable => self.problem(
                FindingCode::KeysNotUsable,
                "none of leadchat's encrypted values can be decrypted with these keys; check that \
                 the keys and the digest are those of this database",
            ),
            KeyState::Usable if not_opened > 0 => self.note(
                FindingCode::ValuesNotOpened,
                format!(
                    "the keys are right, but {not_opened} of the values tried cannot be decrypted: \
                     they are damaged, or older than the keys"
                ),
            ),
            KeyState::Unknown => {
                if let Some(error) = &encryption.error {
                    self.problem(
                        FindingCode::KeysUnknown,
                        format!("the keys could not be tried: {error}"),
                    );
                }
            }
            KeyState::Usable | KeyState::NothingEncrypted => {}
        }
    }

    fn redis(&mut self, facts: &Facts) {
        let reason = facts.redis.reason.as_deref().unwrap_or_default();
        match facts.redis.state {
            RedisState::Refuses => self.problem(
                FindingCode::RedisRefuses,
                format!(
                    "Redis refuses reads: {reason}; whether these channels must be authorized \
                     again is unknown"
                ),
            ),
            RedisState::Away => self.problem(
                FindingCode::RedisAway,
                format!(
                    "Redis cannot be read: {reason}; which channels must be authorized \
                     again is unknown"
                ),
            ),
            RedisState::NotSet if facts.store.is_attached() => self.note(
                FindingCode::RedisNotSet,
                "neither REDIS_URL nor REDIS_SENTINELS is set: which channels must be authorized \
                 again is unknown",
            ),
            RedisState::NotSet | RedisState::Answers | RedisState::Unknown => {}
        }
    }

    fn settings(&mut self, facts: &Facts) {
        if let Some(file) = &facts.settings.callers {
            for problem in &file.problems {
                self.problem(FindingCode::CallersInvalid, problem);
            }
            for note in &file.notes {
                self.note(FindingCode::CallersNoted, note);
            }
            for KeysAge {
                issuer,
                age_seconds,
            } in &file.keys
            {
                let age = age_seconds.map(Duration::from_secs);
                if age.is_some_and(|age| age >= KEYS_NOTE_AGE) {
                    let text = format!(
                        "the file of keys of issuer {issuer:?} has not changed for 30 days or more: \
                         check that it is fetched; tokens with keys that it lacks are refused"
                    );
                    self.note(FindingCode::KeysOld, text);
                }
            }
        }
        if let Some(tls) = &facts.settings.tls {
            for problem in &tls.problems {
                self.problem(FindingCode::TlsInvalid, problem);
            }
            for note in &tls.notes {
                self.note(FindingCode::TlsNoted, note);
            }
        }
        match &facts.settings.frontend_url {
            FrontendUrl::NotSet => {
                const TEXT: &str = "FRONTEND_URL is not set: callback URLs and widget scripts \
                                    lack their host, and avatars and voice calls have no URL";
                // Every leadchat has this setting; an own database may do without.
                if facts.store.is_attached() {
                    self.problem(FindingCode::FrontendUrlNotSet, TEXT);
                } else {
                    self.note(FindingCode::FrontendUrlNotSet, TEXT);
                }
            }
            FrontendUrl::NotUsable => self.problem(
                FindingCode::FrontendUrlNotUsable,
                "FRONTEND_URL is no http:// or https:// URL: the URLs and widget scripts made of \
                 it do not work",
            ),
            FrontendUrl::Usable {
                ends_with_slash: true,
                ..
            } => self.note(
                FindingCode::FrontendUrlEndsWithSlash,
                "FRONTEND_URL ends with a slash: URLs made of it have two slashes, as in leadchat \
                 itself",
            ),
            FrontendUrl::Usable { .. } => {}
        }
        if !facts.settings.secret_key_base_set {
            self.note(
                FindingCode::SecretKeyBaseNotSet,
                "SECRET_KEY_BASE is not set: avatars have no URL, and etags of administrators are \
                 valid for one process only",
            );
        }
    }

    fn accounts(&mut self, accounts: &Accounts) {
        let failures = accounts.failures();
        if failures > 0 {
            let count = pluralize(failures, "account", "accounts");
            self.problem(
                FindingCode::AccountsFailed,
                format!("{count} could not be read"),
            );
        }
        if let Some(error) = &accounts.error {
            self.problem(
                FindingCode::AccountsNotListed,
                format!("not all accounts could be listed: {error}"),
            );
        }
        let degraded = accounts.inboxes.degraded;
        if degraded > 0 {
            let count = pluralize(degraded, "inbox has", "inboxes have");
            self.note(
                FindingCode::InboxesDegraded,
                format!("{count} fields that are omitted, rounded or shown as stored"),
            );
        }
    }

    fn no_accounts(&mut self, tables: Option<&Tables>) {
        match tables.map(|tables| tables.other_schemas.as_slice()) {
            None | Some([]) => self.note(FindingCode::NoAccounts, "there are no accounts"),
            Some(others) => self.problem(
                FindingCode::NoAccounts,
                format!(
                    "there are no accounts here, but leadchat's or Rails' tables are also in \
                     other schemas of the database: {}; set schema_search_path in the URL or \
                     POSTGRES_SCHEMA",
                    others.join(", ")
                ),
            ),
        }
    }
}

/// `1 column is`, `2 columns are`.
fn pluralize(count: impl TryInto<u64>, one: &str, many: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}
