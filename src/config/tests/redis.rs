//! Where Redis is, as leadchat's variables say it.

use super::*;
use crate::store::{RedisAddress, RedisSettings};
use secrecy::ExposeSecret;

fn redis(variables: &[(&str, &str)]) -> Option<RedisSettings> {
    serve_settings(&[], variables).redis
}

/// User and password of what is at an address.
fn credentials(variables: &[(&str, &str)]) -> (Option<String>, Option<String>) {
    let settings = redis(variables).unwrap();
    let password = settings.password.as_ref();
    (
        settings.username,
        password.map(|password| password.expose_secret().to_owned()),
    )
}

fn texts(user: Option<&str>, password: Option<&str>) -> (Option<String>, Option<String>) {
    (user.map(str::to_owned), password.map(str::to_owned))
}

#[test]
fn none_is_used_unless_it_is_named() {
    for variables in [
        &[][..],
        &[("REDIS_PASSWORD", "x")],
        &[("REDIS_SENTINEL_PASSWORD", "x")],
        &[("REDIS_SENTINEL_MASTER_NAME", "x")],
        &[("REDIS_URL", ""), ("REDIS_SENTINELS", " ")],
        &[("REDIS_URL", " ")],
    ] {
        assert!(redis(variables).is_none(), "{variables:?}");
    }
    // The demonstration takes no notice.
    assert!(
        serve_settings(&["--demo"], &[("REDIS_URL", "nonsense")])
            .redis
            .is_none()
    );
}

#[test]
fn a_url_says_where() {
    for (url, shown) in [
        ("redis://", "localhost:6379/0"),
        ("redis://db", "db:6379/0"),
        ("redis://db/", "db:6379/0"),
        ("redis://db:7000/12", "db:7000/12"),
        ("rediss://user:pw@db", "db:6379/0 with TLS"),
        ("redis://[::1]:7000", "::1:7000/0"),
        ("redis://127.0.0.1:7000?timeout=5", "127.0.0.1:7000/0"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("unix:/run/redis.sock", "/run/redis.sock"),
    ] {
        let settings = redis(&[("REDIS_URL", url)]).unwrap();
        assert_eq!(settings.to_string(), shown, "{url}");
        assert_eq!(format!("{settings:?}"), shown, "{url}");
    }
    for url in [
        "db:6379",
        "http://db",
        "redis:db",
        "redis:///x",
        "redis://db/-1",
        "redis://db/0/",
        "redis://db:x",
        "redis://:a/b@db",
        "redis://:a?b@db",
        "redis://:a#b@db",
        "redis://:%ff@db",
        "unix:",
        "unix://run/redis.sock",
        "unix:///run/redis.sock?password=hunter2",
        "unix:///run/redis.sock#hunter2",
        "unix:///:hunter2@run/redis.sock",
    ] {
        let error = rejection(&[], &[("REDIS_URL", url)]);
        assert!(error.starts_with("REDIS_URL: must be"), "{url}: {error}");
    }
}

#[test]
fn a_password_is_read_as_leadchat_reads_it() {
    for (url, wanted) in [
        ("redis://db", texts(None, None)),
        ("redis://:pw@db", texts(None, Some("pw"))),
        ("redis://user:pw@db", texts(Some("user"), Some("pw"))),
        // Without a password, what stands there is one.
        ("redis://pw@db", texts(None, Some("pw"))),
        // Decoded as a form is.
        ("redis://:a%40b+c%2B@db", texts(None, Some("a@b c+"))),
    ] {
        assert_eq!(credentials(&[("REDIS_URL", url)]), wanted, "{url}");
    }
    let beside = |url| credentials(&[("REDIS_URL", url), ("REDIS_PASSWORD", "b+%20")]);
    assert_eq!(beside("redis://db"), texts(None, Some("b+%20")));
    assert_eq!(beside("redis://default@db"), texts(None, Some("b+%20")));
    assert_eq!(
        beside("redis://user:pw@db"),
        texts(Some("user"), Some("b+%20"))
    );
    assert_eq!(beside("unix:///s"), texts(None, Some("b+%20")));
    let blank = [("REDIS_URL", "redis://:pw@db"), ("REDIS_PASSWORD", " ")];
    assert_eq!(credentials(&blank), texts(None, Some("pw")));
}

#[test]
fn sentinels_count_before_a_url() {
    let variables = [
        ("REDIS_URL", "nonsense"),
        ("REDIS_SENTINELS", "one:1, two ,three:,"),
        ("REDIS_SENTINEL_MASTER_NAME", ""),
    ];
    let settings = redis(&variables).unwrap();
    assert_eq!(
        settings.to_string(),
        "mymaster by one:1 two:26379 three:26379"
    );
    let named = [
        ("REDIS_SENTINELS", "one"),
        ("REDIS_SENTINEL_MASTER_NAME", "chief"),
    ];
    let settings = redis(&named).unwrap();
    assert_eq!(settings.to_string(), "chief by one:26379");

    for sentinels in [
        ",",
        "one,,two",
        "one:x",
        "one:99999",
        "one:1:2",
        "redis://one:1",
        ":hunter2@one:1",
    ] {
        let error = rejection(&[], &[("REDIS_SENTINELS", sentinels)]);
        assert!(error.starts_with("REDIS_SENTINELS: must be"), "{error}");
        assert!(!error.contains("one"), "{error}");
    }
}

#[test]
fn sentinels_have_the_password_of_redis_unless_they_have_their_own_or_none() {
    let passwords = |more: &[(&str, &str)]| {
        let variables = [&[("REDIS_SENTINELS", "one")], more].concat();
        let settings = redis(&variables).unwrap();
        let RedisAddress::Sentinels(sentinels) = settings.address else {
            panic!()
        };
        let exposed = [settings.password, sentinels.password]
            .map(|password| password.map(|password| password.expose_secret().to_owned()));
        exposed.map(Option::unwrap_or_default)
    };
    let redis = ("REDIS_PASSWORD", "r");
    let of_sentinels = |password| ("REDIS_SENTINEL_PASSWORD", password);
    assert_eq!(passwords(&[]), ["", ""]);
    assert_eq!(passwords(&[redis]), ["r", "r"]);
    assert_eq!(passwords(&[redis, of_sentinels("s")]), ["r", "s"]);
    assert_eq!(passwords(&[redis, of_sentinels("")]), ["r", ""]);
    assert_eq!(passwords(&[of_sentinels("s")]), ["", "s"]);
}
