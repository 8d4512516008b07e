//! Numbers and durations.

use super::*;

#[test]
fn durations_have_a_unit_or_are_seconds() {
    let wait = |text| serve_settings(&["--drain-wait", text], &[]).drain_wait;
    for (text, milliseconds) in [
        ("0", 0),
        ("0s", 0),
        ("500ms", 500),
        ("2s", 2_000),
        ("7", 7_000),
        ("0.25", 250),
        ("1.5", 1_500),
        ("1m 30s", 90_000),
        ("15m", 900_000),
        ("1h", 3_600_000),
    ] {
        assert_eq!(wait(text), Duration::from_millis(milliseconds), "{text}");
    }
    let serve = serve_settings(&[], &[]);
    assert_eq!(serve.max_connection_age, Duration::from_mins(15));
    assert_eq!(serve.drain_wait, Duration::ZERO);
    assert_eq!(serve.drain_timeout, Duration::from_secs(10));
    let variables = [("MAX_CONNECTION_AGE", "2s"), ("DRAIN_TIMEOUT", "1m")];
    let serve = serve_settings(&["--drain-timeout", "3"], &variables);
    assert_eq!(serve.max_connection_age, Duration::from_secs(2));
    assert_eq!(serve.drain_timeout, Duration::from_secs(3));
}

#[test]
fn invalid_durations_are_rejected() {
    for wrong in [
        "x",
        "-1",
        "1.5.5",
        ".",
        "1e3",
        "5 parsecs",
        "2h",
        "99999999999999999999s",
    ] {
        let refused = rejection(&[], &[("DRAIN_WAIT", wrong)]);
        let expected = "DRAIN_WAIT: must be a duration up to 1h, such as 5s";
        assert_eq!(refused, expected, "{wrong}");
    }
    for wrong in ["0", "500ms", "25h"] {
        let refused = rejection(&["--max-connection-age", wrong], &[]);
        let expected = "--max-connection-age: must be a duration from 1s to 24h, such as 15m";
        assert_eq!(refused, expected, "{wrong}");
    }
}

#[test]
fn numbers_are_within_bounds() {
    let serve = serve_settings(&[], &[]);
    assert_eq!(serve.database_connections.get(), 16);
    assert_eq!(serve.max_concurrent_reads, None);
    let variables = [("DATABASE_CONNECTIONS", "1"), ("MAX_CONCURRENT_READS", "5")];
    let serve = serve_settings(&["--max-concurrent-reads", "1000"], &variables);
    assert_eq!(serve.database_connections.get(), 1);
    assert_eq!(
        serve.max_concurrent_reads.map(NonZeroUsize::get),
        Some(1000)
    );
    for (setting, variable) in [
        ("--database-connections", "DATABASE_CONNECTIONS"),
        ("--max-concurrent-reads", "MAX_CONCURRENT_READS"),
    ] {
        for wrong in ["0", "-1", "1001", "4x", "1.0"] {
            let expected = "must be a number from 1 to 1000";
            let by_flag = rejection(&[&format!("{setting}={wrong}")], &[]);
            assert_eq!(by_flag, format!("{setting}: {expected}"));
            let by_variable = rejection(&[], &[(variable, wrong)]);
            assert_eq!(by_variable, format!("{variable}: {expected}"));
        }
    }
}

/// As docs/limits.md says them. The flags are for tests; the help does not show them.
#[test]
fn hidden_time_outs_have_their_defaults_and_bounds() {
    let variables = [
        ("DATABASE_URL", "postgres://h/d"),
        ("REDIS_URL", "redis://h"),
    ];
    let serve = serve_settings(&[], &variables);
    let seconds = Duration::from_secs;
    assert_eq!(serve.timeouts.preface_timeout, seconds(10));
    assert_eq!(serve.timeouts.idle_timeout, seconds(30));
    assert_eq!(serve.timeouts.write_timeout, seconds(30));
    assert_eq!(serve.timeouts.keepalive_interval, seconds(20));
    assert_eq!(serve.timeouts.keepalive_timeout, seconds(10));
    assert_eq!(serve.timeouts.max_queue_timeout, seconds(3));
    assert_eq!(serve.timeouts.flush_timeout, Duration::from_millis(500));
    assert_eq!(postgres(&serve).connection_retry_interval, seconds(30));
    assert_eq!(serve.redis.unwrap().timeout, Duration::from_millis(200));
    let flags = ["--connection-retry-interval=1s", "--redis-timeout=2s"];
    let serve = serve_settings(&flags, &variables);
    assert_eq!(postgres(&serve).connection_retry_interval, seconds(1));
    assert_eq!(serve.redis.unwrap().timeout, seconds(2));
    for flag in [
        "--preface-timeout",
        "--idle-timeout",
        "--write-timeout",
        "--keepalive-interval",
        "--keepalive-timeout",
        "--max-queue-timeout",
        "--flush-timeout",
        "--redis-timeout",
        "--connection-retry-interval",
    ] {
        for wrong in ["0s", "2h", "x"] {
            let expected = format!("{flag}: must be a duration from 1ms to 1h, such as 10s");
            assert_eq!(
                rejection(&[&format!("{flag}={wrong}")], &variables),
                expected
            );
        }
    }
}

#[test]
fn a_memory_has_an_age_and_a_size() {
    let serve = serve_settings(&[], &[]);
    assert_eq!(serve.max_staleness, Duration::from_secs(2));
    assert_eq!(serve.cache_bytes, 256 << 20);
    let variables = [("MAX_STALENESS", "0.5"), ("CACHE_BYTES", "16777216")];
    let serve = serve_settings(&["--max-staleness", "60"], &variables);
    assert_eq!(serve.max_staleness, Duration::from_mins(1));
    assert_eq!(serve.cache_bytes, 16 << 20);
    assert_eq!(
        serve_settings(&["--cache-bytes", "1GiB"], &[]).cache_bytes,
        1 << 30
    );
    for wrong in ["61", "-1", "61s", "x"] {
        let expected = "MAX_STALENESS: must be a duration up to 60s, such as 2s or 0.5";
        assert_eq!(rejection(&[], &[("MAX_STALENESS", wrong)]), expected);
    }
    for wrong in ["0", "15MiB", "16777215", "1TiB"] {
        let expected =
            "--cache-bytes: must be a size of at least 16MiB, such as 256MiB or 268435456";
        assert_eq!(rejection(&["--cache-bytes", wrong], &[]), expected);
    }
}
