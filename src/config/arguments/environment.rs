//! The variables of each command, as its help lists them.

macro_rules! database_environment {
    () => {
        "\
Environment:
  DATABASE_URL                 the database, as for --database-url
  POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DATABASE, POSTGRES_USERNAME, POSTGRES_PASSWORD
                               the database in parts; DATABASE_URL is laid over them
  POSTGRES_SCHEMA              the schemas that tables are searched in, as
                               schema_search_path in the URL
  DATABASE_URL_FILE, POSTGRES_PASSWORD_FILE, PGPASSWORD_FILE
                               files with the values of DATABASE_URL and so on; the password
                               is read anew for each connection"
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
                               the same by way of sentinels, which count before the URL
  REDIS_URL_FILE, REDIS_PASSWORD_FILE, REDIS_SENTINEL_PASSWORD_FILE
                               files with the values of REDIS_URL and so on; the password
                               is read anew for each connection"
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
                               SHA1 or SHA256, as for --encryption-digest
  SECRET_KEY_BASE_FILE
  ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY_FILE
  ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY_FILE
  ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT_FILE
                               files with the values of SECRET_KEY_BASE and so on, which are
                               read at the start"
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

pub const ENVIRONMENT: &str = concat!(
    database_environment!(),
    data_environment!(),
    "
  LISTEN_ADDR                  where to listen, as for --listen, separated by commas
  REFLECTION, AUDIT            on or off, as for the flags of these names
  CALLERS_FILE                 the callers file, as for --callers
  TLS_CERTIFICATE_FILE, TLS_KEY_FILE
                               as for --tls-certificate and --tls-key
  MAX_CONCURRENT_READS         as for --max-concurrent-reads
  MAX_STALENESS, CACHE_BYTES, MAX_WATCHES
                               as for the flags of these names
  MAX_CONNECTION_AGE, DRAIN_WAIT, DRAIN_TIMEOUT
                               as for the flags of these names
  MAX_RESPONSE_BYTES           as for --max-response-bytes
  ADMIN_LISTEN, ACCESS_LOG     as for the flags of these names
  OTEL_EXPORTER_OTLP_ENDPOINT  a collector that takes traces by OTLP over gRPC, such as
                               http://127.0.0.1:4317; without it, none are sent
  TRACE_RATIO                  as for --trace-ratio",
    installation_environment!(),
    log_environment!(),
    precedence!(),
    "

A duration is a number with a unit, 500ms, 2s or 15m; without one it is seconds, as 0.5.

Exit code: 0 after a stop by signal, 1 when it cannot serve, 2 for a wrong setting."
);

pub const CALLERS_ENVIRONMENT: &str = "\
Environment:
  CALLERS_FILE                 the callers file, as for --callers

Exit code: 0 when the file is well, or the answer is yes; 1 when it is no, or a credential is that
of no caller; 2 for mistakes in the file, which are listed, or a wrong setting.";

pub const CHECK_ENVIRONMENT: &str = concat!(
    database_environment!(),
    data_environment!(),
    "
  CALLERS_FILE                 the callers file, as for --callers
  TLS_CERTIFICATE_FILE, TLS_KEY_FILE
                               as for --tls-certificate and --tls-key",
    installation_environment!(),
    log_environment!(),
    precedence!(),
    "
Only errors are logged unless RUST_LOG asks for more, and then no progress bar is shown.

Exit code: 0 when it would serve well, 1 when there are problems or the check was stopped, 2 for
a wrong setting."
);

pub const MIGRATE_ENVIRONMENT: &str = concat!(
    database_environment!(),
    log_environment!(),
    "

Exit code: 0 when the tables are up to date, 1 when they cannot be, 2 for a wrong setting."
);

pub const GRANTS_ENVIRONMENT: &str = concat!(
    database_environment!(),
    "
  PGBOUNCER                    true where PgBouncer stands before the PostgreSQL",
    log_environment!(),
    "

Exit code: 0 when the SQL is printed, 1 when the tables cannot be read, 2 for a wrong setting."
);

pub const HEALTH_ENVIRONMENT: &str = "\
Environment:
  LISTEN_ADDR                  the addresses of `serve`; the first one is asked";
