//! Redis cannot be reached, for every possible reason. No read fails or waits for long,
//! and the log says it once.

use super::*;
use crate::support::{canary, cluster::free_port};

/// How many reads are made while Redis is known to be away.
const READS: u32 = 20;

pub(in crate::suites) fn with_flag(lines: &[&str]) -> Redis {
    let redis = Redis::start(lines);
    redis.run::<()>(&["SET", KEY, "true"]);
    redis
}

/// Nobody waits any more: the reads take less than if each waited.
pub(in crate::suites) async fn no_read_waits(client: &Client) {
    let mut waits = Vec::new();
    for _ in 0..READS {
        let (state, took) = timed(client).await;
        assert_eq!(state, UNKNOWN);
        waits.push(took);
    }
    waits.sort();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("reauthorization: reads take {median:?} at the median, {longest:?} at most");
    // If they waited, none would be quicker.
    assert!(median < READ_TIMEOUT, "{waits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unresponsive_redis_delays_one_read() {
    let database = Backend::Sqlite.golden();
    let redis = with_flag(&[]);
    let server = with_redis(&database, &redis).start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    let before = log_counts(&server);
    redis.freeze();
    let (state, took) = timed(&client).await;
    println!("reauthorization: the first read of a frozen Redis takes {took:?}");
    assert_eq!(state, UNKNOWN);
    assert!(took >= READ_TIMEOUT && took < 2 * READ_TIMEOUT, "{took:?}");
    no_read_waits(&client).await;
    assert_eq!(log_counts(&server), (before.0 + 1, before.1));

    redis.thaw();
    let took = becomes(&client, REQUIRED).await;
    println!("reauthorization: known {took:?} after Redis is back");
    eventually("it is logged", || {
        log_counts(&server) == (before.0 + 1, before.1 + 1)
    })
    .await;
}

/// As a client sees it that may still connect: `CLIENT PAUSE`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_of_a_pausing_redis_wait_together() {
    /// A busy machine may need more time than the wait in some of them.
    const MAX_ROUNDS: usize = 4;

    let database = Backend::Sqlite.golden();
    let redis = with_flag(&[]);
    let server = with_redis(&database, &redis)
        .args(["--max-concurrent-reads", "4"])
        .args(["--max-queue-timeout", "1h"])
        .start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    let together = async || {
        let began = Instant::now();
        let callers: Vec<_> = (0..32)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { state(&client).await })
            })
            .collect();
        let mut states = Vec::new();
        for caller in callers {
            states.push(caller.await.unwrap());
        }
        (states, began.elapsed())
    };
    let (_, usual) = together().await;
    let mut quickest = Duration::MAX;
    for _ in 0..MAX_ROUNDS {
        becomes(&client, REQUIRED).await;
        let before = log_counts(&server);
        redis.run::<()>(&["CLIENT", "PAUSE", "6000", "ALL"]);
        let (states, took) = together().await;
        println!("reauthorization: 32 callers take {usual:?}, of a pausing Redis {took:?}");
        assert_eq!(states, [UNKNOWN; 32]);
        assert_eq!(log_counts(&server), (before.0 + 1, before.1));
        becomes(&client, REQUIRED).await;
        eventually("it is logged", || {
            log_counts(&server) == (before.0 + 1, before.1 + 1)
        })
        .await;
        quickest = quickest.min(took);
        if quickest < 2 * READ_TIMEOUT {
            return;
        }
    }
    // A read has given its permit back when Redis is asked, so that all wait at the same time.
    // One that kept it would wait with three others, and the eight groups one after the other.
    panic!("32 callers take {quickest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_detected_and_reconnected() {
    let database = Backend::Sqlite.golden();
    let redis = with_flag(&[]);
    let server = with_redis(&database, &redis).start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    let before = log_counts(&server);
    redis.kill();
    no_read_waits(&client).await;
    assert_eq!(log_counts(&server), (before.0 + 1, before.1));
    until_caused(&server, "connection refused").await;

    redis.start_again();
    let took = becomes(&client, REQUIRED).await;
    println!("reauthorization: known {took:?} after Redis is started again");
    eventually("it is logged", || {
        log_counts(&server) == (before.0 + 1, before.1 + 1)
    })
    .await;
}

/// That the connection has ended says nothing of Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_two_reads_is_not_noticed() {
    let database = Backend::Sqlite.golden();
    let redis = with_flag(&[]);
    let server = with_redis(&database, &redis).start();
    let client = server.client().await;
    let mut unnoticed = 0;
    for number in 0..6 {
        becomes(&client, REQUIRED).await;
        let before = log_counts(&server);
        if number % 2 == 0 {
            redis.restart();
        } else {
            redis.run::<()>(&["CLIENT", "KILL", "TYPE", "NORMAL"]);
        }
        let is_unnoticed = state(&client).await == REQUIRED && log_counts(&server) == before;
        unnoticed += usize::from(is_unnoticed);
    }
    // A busy machine may need more than the second that a connection has.
    assert!(unnoticed >= 4, "{unnoticed} of 6");
}

/// A line that is cut: nothing comes back, and nothing says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_connection_is_replaced() {
    let database = Backend::Sqlite.golden();
    let redis = with_flag(&[]);
    let proxy = Proxy::to(redis.port).await;
    let server = with_redis_at(&database, &proxy.url()).start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    let before = log_counts(&server);
    proxy.cut();
    let (state, took) = timed(&client).await;
    assert_eq!(state, UNKNOWN);
    assert!(took < 2 * READ_TIMEOUT, "{took:?}");
    becomes(&client, REQUIRED).await;
    assert_eq!(log_counts(&server), (before.0 + 1, before.1 + 1));
}

/// Whatever Redis does, the database waits for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_transaction_is_open_while_redis_is_waited_for() {
    let database = Backend::Postgres.golden();
    let redis = with_flag(&[]);
    let proxy = Proxy::to(redis.port).await;
    let server = with_redis_at(&database, &proxy.url()).start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    proxy.cut();
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { state(&client).await })
    };
    // Redis has been asked by then, and does not answer.
    proxy.has_swallowed().await;
    assert_eq!(database.sessions("state <> 'idle'").await, 0);
    assert_eq!(waiting.await.unwrap(), UNKNOWN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_does_not_need_redis() {
    let database = Backend::Sqlite.golden();
    let port = free_port();
    let server = with_redis_at(&database, &format!("redis://127.0.0.1:{port}")).start();
    no_read_waits(&server.client().await).await;
    assert_eq!(log_counts(&server), (1, 0));
    // Not even one that is neither there nor gone.
    let redis = Redis::start(&[]);
    redis.freeze();
    let began = Instant::now();
    let server = with_redis(&database, &redis).start();
    println!(
        "reauthorization: a start with a frozen Redis takes {:?}",
        began.elapsed()
    );
    no_read_waits(&server.client().await).await;
    assert_eq!(log_counts(&server), (1, 0));
}

/// A password that is wrong or missing, and one that is none of Redis'. They are
/// in no log, which is searched for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_an_outage_too() {
    let database = Backend::Sqlite.golden();
    let redis = with_flag(&[&format!("requirepass {}", canary::REDIS_PASSWORD)]);
    let open = Redis::start(&[]);
    let wrong = canary::REDIS_SENTINEL_PASSWORD;
    for (program, cause) in [
        (with_redis(&database, &redis), "NOAUTH"),
        (
            with_redis(&database, &redis).env("REDIS_PASSWORD", wrong),
            "it refuses the user or the password",
        ),
        (
            with_redis(&database, &open).env("REDIS_PASSWORD", wrong),
            "it refuses the user or the password",
        ),
    ] {
        let server = program.start();
        no_read_waits(&server.client().await).await;
        assert_eq!(log_counts(&server), (1, 0));
        until_caused(&server, cause).await;
    }

    let server = with_redis(&database, &redis)
        .env("REDIS_PASSWORD", canary::REDIS_PASSWORD)
        .start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    // Another one from now on; who is there already is not asked again.
    redis.run::<()>(&["CONFIG", "SET", "requirepass", "another-one"]);
    assert_eq!(state(&client).await, REQUIRED);
}
