//! Whether a channel must be connected again: Rails' flags in Redis, which may
//! be away, and what is said then.

pub(super) mod outages;
mod places;
mod round_trips;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    Backend, Client, Database, Program,
    cluster::Cluster,
    get_as_user, golden, leadchat_versions,
    pb::{self, Reauthorization, inbox::Channel},
    program::{Server, WAIT_TIMEOUT, eventually},
    proxy::Proxy,
    redis::Redis,
    viewer,
    watch::{Watch, summary, watch},
};

on_both_databases!(
    flags_are_those_that_rails_shows,
    a_flag_is_any_value_that_is_not_blank,
    without_redis_our_own_table_is_read,
    flags_are_sent_to_an_open_watch,
);

/// A TikTok inbox of account 1 and its flag.
pub(super) const INBOX: i64 = 121;
pub(super) const KEY: &str = "alfred:REAUTHORIZATION_REQUIRED:channel_tiktok:121";

/// The reauthorization state of an inbox, if it has one.
pub(super) type State = Option<&'static str>;

pub(super) const REQUIRED: State = Some("REAUTHORIZATION_REQUIRED");
pub(super) const NOT_REQUIRED: State = Some("REAUTHORIZATION_NOT_REQUIRED");
pub(super) const UNKNOWN: State = Some("REAUTHORIZATION_UNKNOWN");

/// The longest delay of a read in these tests: far longer than a busy machine needs for
/// an answer of Redis.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn with_redis(database: &Database, redis: &Redis) -> Program {
    with_redis_at(database, &redis.url())
}

fn with_redis_at(database: &Database, url: &str) -> Program {
    Program::serving(database)
        .env("REDIS_URL", url)
        .arg(&format!("--redis-timeout={}s", READ_TIMEOUT.as_secs()))
}

pub(super) fn of(inbox: &pb::Inbox) -> State {
    let number = match inbox.channel.as_ref()? {
        Channel::Email(channel) => channel.reauthorization,
        Channel::FacebookPage(channel) => channel.reauthorization,
        Channel::Instagram(channel) => channel.reauthorization,
        Channel::Tiktok(channel) => channel.reauthorization,
        Channel::Whatsapp(channel) => channel.reauthorization,
        _ => None,
    };
    number.map(|number| Reauthorization::try_from(number).unwrap().as_str_name())
}

pub(super) fn get(inbox_id: i64) -> pb::GetInboxRequest {
    get_as_user(1, inbox_id, 1)
}

pub(super) async fn state(client: &Client) -> State {
    let answer = client.get(get(INBOX)).await.unwrap();
    of(&answer.message.inbox.unwrap())
}

/// The same, and how long it took.
async fn timed(client: &Client) -> (State, Duration) {
    let began = Instant::now();
    let state = state(client).await;
    (state, began.elapsed())
}

/// The answer of a read once Redis answers. A busy machine may keep it from that in time;
/// then it is asked again.
pub(super) async fn known(client: &Client) -> State {
    let end = Instant::now() + WAIT_TIMEOUT;
    loop {
        let state = state(client).await;
        if state != UNKNOWN {
            return state;
        }
        assert!(Instant::now() < end, "it stays unknown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a read says this; gives the time that it took.
pub(super) async fn becomes(client: &Client, wanted: State) -> Duration {
    let began = Instant::now();
    loop {
        let state = state(client).await;
        if state == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < WAIT_TIMEOUT, "{state:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const AWAY: &str = "Redis cannot be reached";

/// How often the log says that Redis is away, and that it is back.
pub(super) fn log_counts(server: &Server) -> (usize, usize) {
    let log = server.log();
    let count = |text: &str| log.matches(text).count();
    (count(AWAY), count("Redis answers again"))
}

/// How many reads of flags have had no answer so far.
pub(super) async fn failed_reads_of_flags(server: &Server) -> u64 {
    let failed = [("result", "failed")];
    let scrape = server.scrape().await;
    scrape.count("leadchat_inbox_redis_reads_total", &failed)
}

/// Waits until Redis answers.
pub(super) async fn until_redis_answers(server: &Server) {
    let name = "leadchat_inbox_redis_up";
    server.eventually_scraped(name, &[], |it| it > 0.5).await;
}

pub(super) async fn assert_redis_answers(server: &Server) {
    let scrape = server.scrape().await;
    assert_eq!(scrape.count("leadchat_inbox_redis_up", &[]), 1);
}

/// Waits until the log says that it is away for this cause. A busy machine may have another one
/// first, which says that nothing was heard in time.
async fn until_caused(server: &Server, cause: &str) {
    let is_of_it = |line: &str| line.contains(AWAY) || line.contains("cannot connect to Redis");
    eventually(cause, || {
        let log = server.log();
        let mut causes = log.lines().filter(|line| is_of_it(line));
        causes.any(|line| line.contains(cause))
    })
    .await;
}

/// The states in the oracle's view, of every inbox that it shows.
pub(super) fn rendered() -> BTreeMap<i64, State> {
    let views = golden::rendered("full", "administrator").into_iter();
    views
        .filter(|rendered| !rendered.view.contains_key("__raises__"))
        .map(|rendered| {
            let state = match rendered.view.get("reauthorization_required") {
                Some(Value::Bool(true)) => REQUIRED,
                Some(Value::Bool(false)) => NOT_REQUIRED,
                Some(Value::Null) | None => None,
                other => panic!("{other:?}"),
            };
            (rendered.inbox_id, state)
        })
        .collect()
}

/// The served states of the inboxes that the oracle shows. A busy machine may have kept
/// Redis from answering in time; then they are asked for again.
pub(super) async fn served(client: &Client) -> BTreeMap<i64, State> {
    let rendered = rendered();
    for _ in 0..5 {
        let mut served = BTreeMap::new();
        for (account, administrator) in [(1, 1), (2, 5), (3, 9)] {
            let inboxes = client.all(account, viewer::user(administrator)).await;
            let inboxes = inboxes.iter().map(|inbox| (inbox.id, of(inbox)));
            served.extend(inboxes.filter(|(id, _)| rendered.contains_key(id)));
        }
        if !served.values().any(|state| *state == UNKNOWN) {
            return served;
        }
        becomes(client, NOT_REQUIRED).await;
    }
    panic!("Redis was too slow five times");
}

/// Our own table would say the opposite.
async fn flags_are_those_that_rails_shows(backend: Backend) {
    let database = backend.golden();
    leadchat_versions::take_back(&database).await;
    let opposite = "UPDATE channel_reauthorizations SET required = NOT required";
    database.execute(opposite).await;
    let server = with_redis(&database, Redis::golden()).with_admin().start();
    let rendered = rendered();
    let of_state = |wanted| rendered.values().filter(|state| **state == wanted).count();
    assert!(of_state(REQUIRED) > 8 && of_state(NOT_REQUIRED) > 5);
    assert_eq!(served(&server.client().await).await, rendered);
    assert_redis_answers(&server).await;
}

async fn a_flag_is_any_value_that_is_not_blank(backend: Backend) {
    let database = backend.golden();
    let redis = Redis::start(&[]);
    let server = with_redis(&database, &redis).start();
    let client = server.client().await;
    becomes(&client, NOT_REQUIRED).await;
    for (value, wanted) in [
        ("true", REQUIRED),
        ("false", REQUIRED),
        ("0", REQUIRED),
        ("", NOT_REQUIRED),
        (" x", REQUIRED),
        (" \t\u{a0}", NOT_REQUIRED),
        ("\0", REQUIRED),
    ] {
        redis.run::<()>(&["SET", KEY, value]);
        // The value is read anew with every read.
        assert_eq!(known(&client).await, wanted, "{value:?}");
    }
    redis.run::<()>(&["DEL", KEY]);
    assert_eq!(known(&client).await, NOT_REQUIRED);
}

async fn without_redis_our_own_table_is_read(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for (required, wanted) in [(true, REQUIRED), (false, NOT_REQUIRED)] {
        let sql = format!(
            "INSERT INTO channel_reauthorizations (channel_type, channel_id, required)
                VALUES ('Channel::Tiktok', {INBOX}, {required})
                ON CONFLICT (channel_type, channel_id) DO UPDATE SET required = {required}"
        );
        database.execute(&sql).await;
        assert_eq!(state(&client).await, wanted);
    }
}

/// A flag is no row, and is read again all the same.
async fn flags_are_sent_to_an_open_watch(backend: Backend) {
    let database = backend.golden();
    let redis = Redis::start(&[]);
    let server = with_redis(&database, &redis)
        .env("MAX_STALENESS", "0.5")
        .start();
    let client = server.client().await;
    let mut watch = client.watch(watch(viewer::user(1))).await.unwrap();
    watch.batch().await.unwrap();
    let state = |watch: &Watch| of(&watch.held[&INBOX]);
    assert_eq!(state(&watch), NOT_REQUIRED);
    let subject = format!("+{INBOX}");
    for (command, wanted) in [
        (&["SET", KEY, "true"][..], REQUIRED),
        (&["DEL", KEY], NOT_REQUIRED),
    ] {
        redis.run::<()>(command);
        assert_eq!(summary(&watch.batch().await.unwrap()), [&*subject]);
        assert_eq!(state(&watch), wanted);
    }
    redis.freeze();
    while state(&watch) != UNKNOWN {
        watch.batch().await.unwrap();
    }
    redis.thaw();
    while state(&watch) != NOT_REQUIRED {
        watch.batch().await.unwrap();
    }
}

/// Rails' own database, with and without its Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_rails_database_flags_come_from_redis_alone() {
    let cluster = Cluster::shared();
    cluster.create_database("attached", None);
    cluster.psql("attached", include_str!("../../golden/leadchat_tables.sql"));
    cluster.psql("attached", include_str!("../../golden/rows.sql"));
    let attached = || {
        Program::new(&["serve", "--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", &cluster.url("attached"))
            .args(["--redis-timeout", "3s"])
    };
    let server = attached().env("REDIS_URL", &Redis::golden().url()).start();
    assert_eq!(served(&server.client().await).await, rendered());

    let server = attached().env("REDIS_PASSWORD", "unused").start();
    assert_eq!(state(&server.client().await).await, UNKNOWN);
    let warned = server
        .log()
        .matches("neither REDIS_URL nor REDIS_SENTINELS is set")
        .count();
    assert_eq!(warned, 1);
}
