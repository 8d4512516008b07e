//! Which database: a URL, leadchat's parts, or a file.

use url::Url;

use super::{ConfigError, Environment};
use crate::store::{DatabaseSettings, PostgresPlace, PostgresSettings, TlsFile};

const DEFAULT_FILE: &str = "leadchat-inbox.db";

/// leadchat's variables; any of them means PostgreSQL.
const PARTS: [&str; 5] = [
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_DATABASE",
    "POSTGRES_USERNAME",
    "POSTGRES_PASSWORD",
];

/// What a connection may do about TLS, as PostgreSQL's clients name it.
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

pub fn read(
    flag: Option<String>,
    environment: Environment<'_>,
) -> Result<Option<DatabaseSettings>, ConfigError> {
    if let Some(url) = flag {
        if has_password(&url) {
            return Err(ConfigError::setting(
                "--database-url",
                "a password on the command line is there for every process to read; \
                 put the URL into the environment as DATABASE_URL",
            ));
        }
        return parse("--database-url", &url, environment).map(Some);
    }
    if let Some(url) = environment("DATABASE_URL") {
        return parse("DATABASE_URL", &url, environment).map(Some);
    }
    if PARTS.iter().any(|name| environment(name).is_some()) {
        return reached(parts(environment)?, None, environment).map(Some);
    }
    Ok(None)
}

/// The same database, by way of PgBouncer.
pub fn through_pgbouncer(database: DatabaseSettings) -> DatabaseSettings {
    match database {
        DatabaseSettings::Postgres(settings) => DatabaseSettings::Postgres(PostgresSettings {
            pgbouncer: true,
            ..settings
        }),
        file @ DatabaseSettings::Sqlite(_) => file,
    }
}

/// How a PostgreSQL is reached, beside where it is.
fn reached(
    place: PostgresPlace,
    url: Option<&Url>,
    environment: Environment<'_>,
) -> Result<DatabaseSettings, ConfigError> {
    // Any other would be taken for none, which verifies nothing.
    if environment("PGSSLMODE").is_some_and(|mode| !SSL_MODES.contains(&mode.as_str())) {
        let reason = format!("must be one of {}", SSL_MODES.join(", "));
        return Err(ConfigError::setting("PGSSLMODE", reason));
    }
    let pgbouncer = match environment("PGBOUNCER").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(ConfigError::setting("PGBOUNCER", "must be true or false")),
    };
    let tls_files = TLS_FILES.into_iter().filter_map(|(variable, parameters)| {
        let [name, ..] = parameters;
        let is_named = |(key, _): &(_, _)| parameters.contains(&AsRef::<str>::as_ref(key));
        // The last one counts.
        let given = url.and_then(|url| url.query_pairs().filter(is_named).last());
        let (setting, path) = match given {
            Some((_, path)) => (name, Some(path.into_owned())),
            // It may hold the text of a certificate as well.
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
    Ok(DatabaseSettings::Postgres(PostgresSettings {
        place,
        pgbouncer,
        tls_files: tls_files.collect(),
    }))
}

/// What is served where no database is named.
pub fn default() -> DatabaseSettings {
    DatabaseSettings::Sqlite(DEFAULT_FILE.into())
}

/// Never quotes the URL: it may hold a password.
fn parse(
    setting: &'static str,
    url: &str,
    environment: Environment<'_>,
) -> Result<DatabaseSettings, ConfigError> {
    if let Some(path) = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))
    {
        return if path.is_empty() || path.starts_with(':') || path.contains('?') {
            Err(ConfigError::setting(
                setting,
                "sqlite:// needs the path of a file, and no more",
            ))
        } else {
            Ok(DatabaseSettings::Sqlite(path.into()))
        };
    }
    let Some(parsed) = postgres_url(url) else {
        return Err(ConfigError::setting(
            setting,
            "must be postgres://HOST/NAME, with special characters of a password escaped, \
             or sqlite://PATH",
        ));
    };
    let place = PostgresPlace::from_url(&parsed)
        .ok_or_else(|| ConfigError::setting(setting, "has a part that cannot be used"))?;
    reached(place, Some(&parsed), environment)
}

/// A URL whose parts are where they belong. An `@` behind the host tells of a
/// password that was not escaped, and would be taken for a host or a name.
fn postgres_url(url: &str) -> Option<Url> {
    let (scheme, rest) = url.split_once("://")?;
    let behind_host = rest.find(['/', '?', '#']).and_then(|end| rest.get(end..));
    let sound = matches!(scheme, "postgres" | "postgresql")
        && !behind_host.is_some_and(|rest| rest.contains(['@', '#']));
    Url::parse(url).ok().filter(|_| sound)
}

/// With leadchat's defaults for what is not set.
fn parts(environment: Environment<'_>) -> Result<PostgresPlace, ConfigError> {
    let part = |name, default: &str| environment(name).unwrap_or_else(|| default.to_owned());
    let port = part("POSTGRES_PORT", "5432");
    Ok(PostgresPlace::Parts {
        host: part("POSTGRES_HOST", "localhost"),
        port: port.parse().map_err(|_| {
            ConfigError::setting("POSTGRES_PORT", format!("{port:?} is not a port"))
        })?,
        database: part("POSTGRES_DATABASE", "chatwoot_production"),
        username: part("POSTGRES_USERNAME", "chatwoot_prod"),
        password: part("POSTGRES_PASSWORD", "chatwoot_prod").into(),
    })
}

/// A URL that cannot be read may hold one.
fn has_password(url: &str) -> bool {
    if url.starts_with("sqlite:") {
        return false;
    }
    let sound = postgres_url(url).filter(|url| {
        url.password().is_none() && !url.query_pairs().any(|(key, _)| key.contains("password"))
    });
    sound.is_none() && url.contains(['@', '?'])
}
