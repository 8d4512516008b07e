//! Any text as an address of a database or to listen on.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::{prelude::*, sample::select};

use super::*;
use crate::tests::{MARK, damaged_one_of, for_all, text};

/// The parts of an address that holds a password, most of them sound.
fn address_with_password() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![
        6 => select(&["postgres://", "postgresql://"][..]),
        2 => select(&["", "//", "postgres:/", "postgres:", "POSTGRES://", "mysql://", "p?://"][..]),
    ];
    let user = select(&["me", "", "me%40x", "m:e", "m/e", "@"][..]);
    let host = select(
        &[
            "db",
            "db:5432",
            "db:x",
            "[::1]",
            "[",
            "%2Frun",
            "",
            "127.0.0.1:99",
        ][..],
    );
    let end = select(
        &[
            "",
            "/",
            "/name",
            "/a/b",
            "/n?sslmode=x",
            "?port=x",
            "?host=@",
            "#",
        ][..],
    );
    (scheme, user, password(), host, end, any::<bool>()).prop_map(
        |(scheme, user, password, host, end, in_query)| {
            if in_query {
                format!("{scheme}{user}@{host}/name?password={password}")
            } else {
                format!("{scheme}{user}:{password}@{host}{end}")
            }
        },
    )
}

/// As it is, which breaks an address at times, or escaped.
fn password() -> impl Strategy<Value = String> {
    let odd = || "[a1:/?#@%&=+ \\\\\\[\\]\"\n\t\0é]{0,4}";
    (odd(), odd(), any::<bool>()).prop_map(|(before, behind, is_escaped)| {
        let password = format!("{before}{MARK}{behind}");
        if is_escaped {
            utf8_percent_encode(&password, NON_ALPHANUMERIC).to_string()
        } else {
            password
        }
    })
}

/// The text of an error about a setting.
fn display(setting: Result<impl fmt::Debug, ConfigError>) -> String {
    match setting {
        Ok(setting) => format!("{setting:?}"),
        Err(ConfigError::Usage(error)) => arguments::describe_error(&error),
        Err(error) => error.to_string(),
    }
}

fn read_database(
    flag: Option<String>,
    environment: Environment<'_>,
) -> Result<Option<DatabaseSettings>, ConfigError> {
    database::read(flag, environment, &SecretFiles::default())
}

fn database(flag: Option<String>, url: Option<&str>) -> Result<impl fmt::Debug, ConfigError> {
    read_database(flag, &|name| {
        url.filter(|_| name == "DATABASE_URL").map(str::to_owned)
    })
}

#[test]
fn no_address_of_a_database_shows_its_password() {
    for_all(1000, address_with_password(), |address| {
        let shown = display(database(None, Some(&address)));
        assert!(!shown.contains(MARK), "{shown}");
    });
}

/// Of Redis the same, and of sentinels.
#[test]
fn no_address_of_redis_shows_its_password() {
    let address = address_with_password().prop_map(|address| {
        let address = address.replace("postgresql", "rediss");
        address.replace("postgres", "redis").replace("/name", "/1")
    });
    let of_redis = (address, password(), any::<bool>());
    for_all(1000, of_redis, |(address, password, is_sentinels)| {
        let variables = [
            ("REDIS_URL", &address),
            ("REDIS_SENTINELS", &address),
            ("REDIS_PASSWORD", &password),
            ("REDIS_SENTINEL_PASSWORD", &password),
        ];
        let environment = |name: &str| {
            let is_read = is_sentinels || name != "REDIS_SENTINELS";
            let variable = variables.iter().find(|(variable, _)| *variable == name);
            variable
                .filter(|_| is_read)
                .map(|(_, value)| (*value).clone())
        };
        let shown = display(super::super::redis::read(
            &environment,
            &environment,
            &SecretFiles::default(),
        ));
        assert!(!shown.contains(MARK), "{shown}");
    });
}

#[test]
fn no_address_with_a_password_is_taken_as_a_flag() {
    for_all(1000, address_with_password(), |address| {
        let refused = database(Some(address), None)
            .err()
            .map(|error| error.to_string());
        assert!(refused.is_some_and(|refused| !refused.contains(MARK)));
    });
}

#[test]
fn no_misplaced_address_shows_its_password() {
    let flags = select(&["", "--nope", "--listen", "--local-role", "--demo", "-d"][..]);
    let arguments = (flags, any::<bool>(), address_with_password(), any::<bool>());
    for_all(400, arguments, |(flag, is_joined, address, in_serve)| {
        let mut arguments = vec![];
        if in_serve {
            arguments.push("serve");
        }
        let joined = format!("{flag}={address}");
        match flag {
            "" => arguments.push(&address),
            _ if is_joined => arguments.push(&joined),
            flag => arguments.extend([flag, &address]),
        }
        let shown = display(read_settings(&arguments, &[]));
        assert!(!shown.contains(MARK), "{shown}");
        let shown = self::display(ListenAddress::parse("LISTEN_ADDR", &address));
        assert!(!shown.contains(MARK), "{shown}");
    });
}

#[test]
fn no_part_of_a_database_shows_the_password() {
    let parts = (
        text(6),
        prop_oneof!["[0-9]{1,6}", text(3)],
        text(6),
        text(6),
        password(),
    );
    for_all(400, parts, |(host, port, database, username, password)| {
        let parts = [
            ("POSTGRES_HOST", host),
            ("POSTGRES_PORT", port),
            ("POSTGRES_DATABASE", database),
            ("POSTGRES_USERNAME", username),
            ("POSTGRES_PASSWORD", password),
        ];
        let read = read_database(None, &|name| {
            let part = parts.iter().find(|(part, _)| *part == name);
            part.map(|(_, value)| value.clone())
        });
        // Hosts and ports may be lists.
        let (hosts, port) = (&parts[0].1, &parts[1].1);
        match port.trim().parse::<u16>() {
            Ok(_) => assert_eq!(read.is_ok(), is_list_of_hosts(hosts)),
            Err(_) => assert!(read.is_err() || port.contains(',') || port.trim().is_empty()),
        }
        let shown = display(read);
        assert!(!shown.contains(MARK), "{shown}");
    });
}

fn is_list_of_hosts(text: &str) -> bool {
    let mut hosts = text.split(',').map(str::trim);
    !text.contains(',') || hosts.all(|host| !host.is_empty() && host != "[]")
}

#[test]
fn any_text_is_a_database_or_rejected() {
    const ADDRESSES: [&str; 10] = [
        "postgres://me@a:1,[::1]:2,c/name?target_session_attrs=primary&schema_search_path=a,%22b%22",
        "postgres://me:pw@db:5432/name?sslmode=require&options[a]=b&options[=c&pool=5",
        "postgresql://[::1]/name?statement-cache-capacity=7&port=1&dbname=x",
        "postgres://%2Frun%2Fpostgresql/name?hostaddr=127.0.0.1&user=é",
        "postgres:///?host=/tmp&password=x&application_name=%ff",
        "postgres://me@/?options=-c%20a=b",
        "sqlite:///tmp/x",
        "sqlite:x?mode=ro",
        "sqlite::memory:",
        "mysql://x",
    ];
    let texts = prop_oneof![4 => damaged_one_of(&ADDRESSES), 1 => text(30)];
    for_all(1000, texts, |text| {
        let is_sqlite = text.starts_with("sqlite:");
        match read_database(None, &|name| (name == "DATABASE_URL").then(|| text.clone())) {
            Ok(Some(DatabaseSettings::Sqlite(path))) => {
                assert!(is_sqlite && text.ends_with(path.to_str().unwrap()));
                assert!(!path.as_os_str().is_empty());
            }
            Ok(Some(DatabaseSettings::Postgres(settings))) => {
                assert!(is_postgres_url(&text));
                assert!(!settings.to_string().is_empty());
            }
            Ok(None) => panic!("it was set"),
            Err(error) => assert!(error.to_string().starts_with("DATABASE_URL: ")),
        }
    });
}

/// Spaces around a URL do not count. Controls around it, and tabs and newlines in it, do not,
/// either, as the URL standard says.
fn is_postgres_url(text: &str) -> bool {
    let text = text
        .trim()
        .trim_matches(|c: char| c <= ' ')
        .replace(['\t', '\n', '\r'], "")
        .to_lowercase();
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

#[test]
fn any_text_is_a_loopback_address_or_rejected() {
    const ADDRESSES: [&str; 10] = [
        "127.0.0.1:50051",
        "localhost:0",
        "localhost:localhost:1",
        "[::1]:65535",
        "[::ffff:127.0.0.1]:1",
        "0.0.0.0:1",
        "[fe80::1%1]:1",
        "unix:/run/leadchat/inbox.sock",
        "unix:",
        "tls:0.0.0.0:50052",
    ];
    let texts = prop_oneof![4 => damaged_one_of(&ADDRESSES), 1 => text(30)];
    for_all(1000, texts, |text| {
        match ListenAddress::parse("LISTEN_ADDR", &text) {
            Ok(address) => {
                match &address {
                    ListenAddress::Tcp(address) => assert!(address.ip().is_loopback()),
                    ListenAddress::Tls(_) => assert!(text.starts_with("tls:")),
                    ListenAddress::Unix(path) => {
                        assert_eq!(path.to_str(), text.strip_prefix("unix:"));
                    }
                }
                let again = ListenAddress::parse("LISTEN_ADDR", &address.to_string());
                assert_eq!(again.ok(), Some(address));
            }
            Err(error) => assert!(error.to_string().starts_with("LISTEN_ADDR: ")),
        }
    });
}
