//! Where a PostgreSQL is and how it is reached, as settings say it.

use std::{fmt, path::PathBuf, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{SESSION_MARK, SearchPath};
use crate::store::credentials::{Credentials, CredentialsFiles};

/// Parameters of a URL that are meant for a connection. Other parameters are meant for
/// Rails (`pool`, `prepared_statements`), and would be logged with their values.
const PARAMETERS: [&str; 12] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "application_name",
    "options",
];

/// Where PostgreSQL is, and how it is reached.
#[derive(Clone)]
pub struct PostgresSettings {
    pub place: PostgresPlace,
    /// The files of user and password, if they come from files.
    pub credentials_files: CredentialsFiles,
    /// The kind of server to connect to.
    pub target: TargetSession,
    /// The schemas of the tables; `None` for the database's own search path.
    pub search_path: Option<SearchPath>,
    /// Whether PgBouncer stands before it.
    pub pgbouncer: bool,
    /// The files of certificates and keys, as in the settings of the host.
    pub tls_files: Vec<TlsFile>,
    /// After this time, the database is asked for more connections than it gave.
    pub connection_retry_interval: Duration,
}

/// A file that a setting names.
#[derive(Clone)]
pub struct TlsFile {
    pub setting: &'static str,
    /// `None` where the setting holds what would be in it.
    pub path: Option<PathBuf>,
    pub is_authority: bool,
}

/// Where PostgreSQL is.
#[derive(Clone)]
pub struct PostgresPlace {
    /// The setting that an error names.
    setting: &'static str,
    /// One for each host, in the order in which they are tried.
    hosts: Vec<PgConnectOptions>,
}

/// A host; a part that is not given is libpq's default.
#[derive(Default)]
pub struct PostgresHost {
    pub name: Option<String>,
    pub port: Option<u16>,
}

/// The parts of a place. One that is not given is as with libpq: PGUSER, PGPASSWORD and so
/// on, a `.pgpass`, or a default.
#[derive(Default)]
pub struct PostgresParts {
    pub hosts: Vec<PostgresHost>,
    pub database: Option<String>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// The parameters of a URL.
    pub parameters: Vec<(String, String)>,
}

impl PostgresPlace {
    /// `None` where a part cannot be used. Why is not said: it may hold a password.
    pub fn new(setting: &'static str, parts: &PostgresParts) -> Option<Self> {
        let hosts = parts.hosts.iter().map(|host| parts.options(host));
        Some(Self {
            setting,
            hosts: hosts.collect::<Option<_>>()?,
        })
    }

    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

impl PostgresParts {
    fn options(&self, host: &PostgresHost) -> Option<PgConnectOptions> {
        let port = host.port.map(|port| port.to_string());
        let password = self.password.as_ref().map(ExposeSecret::expose_secret);
        let named = [
            ("host", host.name.as_deref()),
            ("port", port.as_deref()),
            ("dbname", self.database.as_deref()),
            ("user", self.username.as_deref()),
            ("password", password),
        ];
        let named = named
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        let parameters = self.parameters.iter();
        let parameters = parameters
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .filter(|(_, value)| !value.is_empty())
            .filter(|(key, _)| PARAMETERS.contains(key) || key.starts_with("options["));
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let pairs = named
            .chain(parameters)
            .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)));
        let url = format!("postgres:///?{}", pairs.collect::<Vec<_>>().join("&"));
        url.parse().ok()
    }
}

/// Hosts, ports and database; never the password.
impl fmt::Display for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts.iter().map(address).collect::<Vec<_>>();
        let database = self.hosts.first().map_or("", |options| {
            options
                .get_database()
                .unwrap_or_else(|| options.get_username())
        });
        write!(f, "{}/{database}", hosts.join(","))
    }
}

impl fmt::Debug for PostgresPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PostgresSettings {
    /// Where a test sets no other.
    pub const CONNECTION_RETRY_INTERVAL: Duration = Duration::from_secs(30);

    /// For each host.
    pub(super) fn options(&self) -> Vec<PgConnectOptions> {
        let hosts = self.place.hosts.iter().cloned();
        hosts.map(|host| self.with_all(host)).collect()
    }

    fn with_all(&self, host: PgConnectOptions) -> PgConnectOptions {
        // PgBouncer refuses the digits; those of PostgreSQL's own are as many.
        let mut options = host
            .application_name("leadchat-inbox")
            .extra_float_digits(None::<i8>);
        if !self.pgbouncer {
            options = options.options(SESSION_MARK);
            if let Some(path) = &self.search_path {
                options = options.options([("search_path", path)]);
            }
        }
        // As with libpq and Rails, a named authority is verified.
        let is_authority_named = self.tls_files.iter().any(|file| file.is_authority);
        match options.get_ssl_mode() {
            PgSslMode::Require if is_authority_named => options.ssl_mode(PgSslMode::VerifyCa),
            _ => options,
        }
    }
}

impl fmt::Display for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let through = if self.pgbouncer { ", PgBouncer" } else { "" };
        write!(f, "{}{through}", self.place)
    }
}

/// The kind of server to use: `target_session_attrs`.
///
/// Unlike libpq, `read-write` ignores `default_transaction_read_only`, which is on for
/// the user of `grants` on every server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetSession {
    #[default]
    Any,
    Primary,
    Standby,
    PreferStandby,
}

impl TargetSession {
    /// As libpq names them.
    pub const NAMES: [(&str, Self); 6] = [
        ("any", Self::Any),
        ("read-write", Self::Primary),
        ("read-only", Self::Standby),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];

    pub fn parse(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.into_iter();
        names.find(|(known, _)| *known == name).map(|(_, it)| it)
    }

    /// The requirements that hosts are tried for, in order.
    pub(super) const fn passes(self) -> &'static [Self] {
        match self {
            Self::Any => &[Self::Any],
            Self::Primary => &[Self::Primary],
            Self::Standby => &[Self::Standby],
            Self::PreferStandby => &[Self::Standby, Self::Any],
        }
    }

    pub(super) const fn mismatch(self) -> &'static str {
        match self {
            Self::Standby => "it is not a standby, which target_session_attrs requires",
            _ => "it is a standby, but target_session_attrs requires a primary",
        }
    }
}

/// A host with the credentials that are in their file now.
pub(super) fn with_credentials(
    host: &PgConnectOptions,
    credentials: &Credentials,
) -> PgConnectOptions {
    let Credentials { username, password } = credentials;
    let mut options = host.clone();
    if let Some(username) = username {
        options = options.username(username);
    }
    if let Some(password) = password {
        options = options.password(password.expose_secret());
    }
    options
}

/// Host and port, or the folder of a socket.
pub(super) fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}
