//! Which database: a URL, leadchat's parts, or a file.
//!
//! The parts of a URL take precedence over the variables, as in Rails.

mod hosts;
mod url;

use super::{ConfigError, Environment, secret_files::SecretFiles};
use crate::store::{
    Credentials, CredentialsFile, CredentialsFiles, DatabaseSettings, PostgresParts, PostgresPlace,
    PostgresSettings, SearchPath, SecretFileError, TargetSession, TlsFile,
};
use hosts::NamedText;
use url::PostgresUrl;

const DEFAULT_FILE: &str = "leadchat-inbox.db";

pub const URL: &str = "DATABASE_URL";

/// leadchat's variables with leadchat's defaults. Any of them selects PostgreSQL.
const HOST: (&str, &str) = ("POSTGRES_HOST", "localhost");
const PORT: (&str, &str) = ("POSTGRES_PORT", "5432");
const DATABASE: (&str, &str) = ("POSTGRES_DATABASE", "chatwoot_production");
const USERNAME: (&str, &str) = ("POSTGRES_USERNAME", "chatwoot_prod");
const PASSWORD: (&str, &str) = ("POSTGRES_PASSWORD", "chatwoot_prod");
/// The default, empty, is the database's own search path.
const SCHEMA: (&str, &str) = ("POSTGRES_SCHEMA", "");
const PARTS: [(&str, &str); 6] = [HOST, PORT, DATABASE, USERNAME, PASSWORD, SCHEMA];

/// libpq's variable of the password. sqlx reads it, but not its file.
const LIBPQ_PASSWORD: &str = "PGPASSWORD";

/// Rails' names of the search path in a URL.
const SEARCH_PATH: [&str; 2] = ["schema_search_path", "schema_order"];

/// The TLS modes of PostgreSQL's clients.
const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// Files for TLS: the variable, and the parameters of a URL.
const TLS_FILES: [(&str, [&str; 3]); 3] = [
    ("PGSSLROOTCERT", ["sslrootcert", "ssl-root-cert", "ssl-ca"]),
    ("PGSSLCERT", ["sslcert", "ssl-cert", ""]),
    ("PGSSLKEY", ["sslkey", "ssl-key", ""]),
];

/// A URL with the setting that holds it.
type NamedUrl = (&'static str, PostgresUrl);

pub fn read(
    flag: Option<String>,
    environment: Environment<'_>,
    files: &SecretFiles,
) -> Result<Option<DatabaseSettings>, ConfigError> {
    let (setting, url) = match flag {
        Some(url) if has_password(&url) => {
            return Err(ConfigError::setting(
                "--database-url",
                "a password on the command line is there for every process to read; \
                 put the URL into the environment as DATABASE_URL",
            ));
        }
        Some(url) => ("--database-url", url),
        None => match environment(URL) {
            Some(url) => (URL, url),
            None if PARTS.iter().any(|(name, _)| environment(name).is_some()) => {
                return postgres(None, environment, files).map(Some);
            }
            None => return Ok(None),
        },
    };
    if let Some(path) = sqlite_path(&url) {
        return if path.is_empty() || path.starts_with(':') || path.contains('?') {
            Err(ConfigError::setting(
                setting,
                "sqlite:// needs the path of a file, and no more",
            ))
        } else {
            Ok(Some(DatabaseSettings::Sqlite(path.into())))
        };
    }
    // Never quoted: it may hold a password.
    let Some(url) = PostgresUrl::parse(&url) else {
        return Err(ConfigError::setting(
            setting,
            "must be postgres://HOST/NAME, with special characters of a password escaped, \
             or sqlite://PATH",
        ));
    };
    postgres(Some((setting, url)), environment, files).map(Some)
}

/// The same database, reached through PgBouncer.
pub fn with_pgbouncer(database: DatabaseSettings) -> DatabaseSettings {
    match database {
        DatabaseSettings::Postgres(settings) => DatabaseSettings::Postgres(PostgresSettings {
            pgbouncer: true,
            ..settings
        }),
        file @ DatabaseSettings::Sqlite(_) => file,
    }
}

/// Merges a URL with the variables. For a missing part, libpq's variable or default
/// counts.
fn postgres(
    url: Option<NamedUrl>,
    environment: Environment<'_>,
    files: &SecretFiles,
) -> Result<DatabaseSettings, ConfigError> {
    // With a URL, a schema alone does not bring leadchat's defaults for the other parts.
    let is_counted = |part: &&(&str, &str)| url.is_none() || **part != SCHEMA;
    let mut parts = PARTS.iter().filter(is_counted);
    let has_parts = parts.any(|(name, _)| environment(name).is_some());
    let part = |(name, default): (&str, &str)| {
        has_parts.then(|| environment(name).unwrap_or_else(|| default.to_owned()))
    };
    // sqlx reads the other PG* variables in `PostgresParts::options`; these may be lists.
    let host_list = |of_leadchat: (&'static str, &str), of_libpq: &[&'static str]| {
        let given = |setting, text| NamedText { setting, text };
        let mut of_libpq = of_libpq.iter().filter(|_| !has_parts);
        let of_libpq = of_libpq.find_map(|name| Some(given(*name, environment(name)?)));
        part(of_leadchat).map_or(of_libpq, |text| Some(given(of_leadchat.0, text)))
    };
    let tls_files = tls_files(url.as_ref(), environment)?;
    let search_path = search_path(url.as_ref(), environment)?;
    let target = target(url.as_ref())?;
    let password_variable = if has_parts {
        PASSWORD.0
    } else {
        LIBPQ_PASSWORD
    };
    let credentials_files = credentials_files(url.as_ref(), password_variable, files);
    let mut host = host_list(HOST, &["PGHOSTADDR", "PGHOST"]);
    let mut port = host_list(PORT, &["PGPORT"]);
    let mut parts = PostgresParts {
        hosts: Vec::new(),
        database: part(DATABASE),
        username: part(USERNAME),
        password: part(PASSWORD)
            .or_else(|| files.secret(password_variable))
            .map(Into::into),
        parameters: Vec::new(),
    };
    let mut named = ("POSTGRES_HOST", "POSTGRES_HOST");
    if let Some((setting, url)) = url {
        named = (setting, "DATABASE_URL (--database-url)");
        let given = |text| NamedText { setting, text };
        host = url.host.map(given).or(host);
        port = url.port.map(given).or(port);
        parts.database = url.database.or(parts.database);
        parts.username = url.username.or(parts.username);
        parts.password = url.password.or(parts.password);
        parts.parameters = url.parameters;
    }
    parts.hosts = hosts::parse(host, port)?;
    let place = PostgresPlace::new(named.1, &parts)
        .ok_or_else(|| ConfigError::setting(named.0, "has a part that cannot be used"))?;
    Ok(DatabaseSettings::Postgres(PostgresSettings {
        place,
        credentials_files,
        target,
        search_path,
        pgbouncer: pgbouncer(environment)?,
        tls_files,
        connection_retry_interval: PostgresSettings::CONNECTION_RETRY_INTERVAL,
    }))
}

/// The files of the user and of the password that counts, if these come from files.
fn credentials_files(
    url: Option<&NamedUrl>,
    password_variable: &str,
    files: &SecretFiles,
) -> CredentialsFiles {
    let of_url = url.and_then(|(setting, url)| {
        let is_in_file = *setting == URL;
        is_in_file.then(|| of_url(url.clone(), files)).flatten()
    });
    // A password in the URL takes precedence, also one that is added later.
    let has_password = url.is_some_and(|(_, url)| url.password.is_some());
    let of_password = (!has_password).then(|| files.password(password_variable));
    of_url.into_iter().chain(of_password.flatten()).collect()
}

/// The file of a URL. Another place, or the lack of a part, is no rotation.
fn of_url(first: PostgresUrl, files: &SecretFiles) -> Option<CredentialsFile> {
    files.credentials(URL, move |text| {
        let url = PostgresUrl::parse(text).ok_or(SecretFileError::Invalid)?;
        if !url.is_same_place(&first) {
            return Err(SecretFileError::OtherPlace);
        }
        Credentials {
            username: url.username,
            password: url.password,
        }
        .with_parts_of(first.username.is_some(), first.password.is_some())
    })
}

/// The kind of server to connect to.
fn target(url: Option<&NamedUrl>) -> Result<TargetSession, ConfigError> {
    let named =
        url.and_then(|(setting, url)| Some((setting, url.parameter(&["target_session_attrs"])?)));
    let Some((setting, name)) = named else {
        return Ok(TargetSession::default());
    };
    TargetSession::parse(name).ok_or_else(|| {
        let names = TargetSession::NAMES.map(|(name, _)| name).join(", ");
        ConfigError::setting(
            setting,
            format!("target_session_attrs must be one of {names}"),
        )
    })
}

fn search_path(
    url: Option<&NamedUrl>,
    environment: Environment<'_>,
) -> Result<Option<SearchPath>, ConfigError> {
    const REASON: &str = "must be names of schemas, with commas between them";
    let in_url = url.and_then(|(setting, url)| Some((setting, url.parameter(&SEARCH_PATH)?)));
    if let Some((setting, list)) = in_url {
        let invalid = || ConfigError::setting(setting, format!("schema_search_path {REASON}"));
        return SearchPath::parse(list).ok_or_else(invalid).map(Some);
    }
    let parse = |list: String| {
        SearchPath::parse(&list).ok_or_else(|| ConfigError::setting(SCHEMA.0, REASON))
    };
    environment(SCHEMA.0).map(parse).transpose()
}

fn pgbouncer(environment: Environment<'_>) -> Result<bool, ConfigError> {
    match environment("PGBOUNCER").as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(ConfigError::setting("PGBOUNCER", "must be true or false")),
    }
}

/// The files of certificates and keys for TLS.
fn tls_files(
    url: Option<&NamedUrl>,
    environment: Environment<'_>,
) -> Result<Vec<TlsFile>, ConfigError> {
    // sqlx takes an unknown mode for the default, which verifies nothing.
    if environment("PGSSLMODE").is_some_and(|mode| !SSL_MODES.contains(&mode.as_str())) {
        let reason = format!("must be one of {}", SSL_MODES.join(", "));
        return Err(ConfigError::setting("PGSSLMODE", reason));
    }
    let tls_files = TLS_FILES.into_iter().filter_map(|(variable, parameters)| {
        let [name, ..] = parameters;
        let (setting, path) = match url.and_then(|(_, url)| url.parameter(&parameters)) {
            Some(path) => (name, Some(path.to_owned())),
            // The setting may hold a certificate in place of a path.
            None => {
                let path = environment(variable)?;
                (variable, Some(path).filter(|it| !it.contains("-----BEGIN")))
            }
        };
        Some(TlsFile {
            setting,
            path: path.map(Into::into),
            is_authority: variable == "PGSSLROOTCERT",
        })
    });
    Ok(tls_files.collect())
}

/// The database that is served if none is set.
pub fn default() -> DatabaseSettings {
    DatabaseSettings::Sqlite(DEFAULT_FILE.into())
}

fn sqlite_path(url: &str) -> Option<&str> {
    url.strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))
}

/// Whether a URL has a password, or may have one because it cannot be parsed.
fn has_password(url: &str) -> bool {
    if sqlite_path(url).is_some() {
        return false;
    }
    match PostgresUrl::parse(url) {
        Some(url) => {
            let mut parameters = url.parameters.iter();
            url.password.is_some() || parameters.any(|(key, _)| key.contains("password"))
        }
        None => url.contains(['@', '?']),
    }
}
