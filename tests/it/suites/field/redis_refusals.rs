//! A Redis that refuses some commands: because of cluster mode, missing rights of the
//! user, or a key of another type. That is no outage.

use std::collections::BTreeSet;

use crate::{
    suites::{
        check::{checking, problems, report},
        reauthorization::{
            INBOX, KEY, NOT_REQUIRED, REQUIRED, State, UNKNOWN, assert_redis_answers, becomes,
            failed_reads_of_flags, known, log_counts, of,
            outages::{no_read_waits, with_flag},
            rendered, served, state, until_redis_answers, with_redis,
        },
    },
    support::{
        Backend, Client,
        cluster::free_port,
        golden, leadchat_versions,
        program::{Server, eventually},
        redis::Redis,
        viewer,
    },
};

on_both_databases!(
    a_cluster_of_one_shard_answers_every_key,
    a_key_that_is_refused_costs_its_own_flag,
);

/// A server in cluster mode, which has these slots of the 16,384.
fn in_cluster_mode(slots: (u16, u16)) -> Redis {
    let bus = format!("cluster-port {}", free_port());
    let redis = Redis::start(&["cluster-enabled yes", &bus]);
    let (first, last) = (slots.0.to_string(), slots.1.to_string());
    redis.run::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
    redis
}

async fn is_ready(cluster: &Redis) {
    eventually("the cluster is ready", || {
        let info: String = cluster.run(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok")
    })
    .await;
}

fn slot(redis: &Redis, key: &str) -> u16 {
    redis.run(&["CLUSTER", "KEYSLOT", key])
}

/// The error replies that the log tells of, each as often as it does.
fn refusals(server: &Server) -> Vec<String> {
    let reply = regex::Regex::new("Redis refuses to read flags.* reply=\"([A-Z]+)\"").unwrap();
    let log = server.log();
    let found = reply.captures_iter(&log);
    found.map(|found| found[1].to_owned()).collect()
}

/// The reauthorization state of each inbox of account 1 that has one. A busy machine may
/// have kept Redis from answering in time; then it is asked for again.
async fn listed(client: &Client, server: &Server) -> Vec<(i64, State)> {
    for _ in 0..5 {
        let before = failed_reads_of_flags(server).await;
        let inboxes = client.all(1, viewer::user(1)).await;
        if failed_reads_of_flags(server).await == before {
            let states = inboxes.iter().map(|inbox| (inbox.id, of(inbox)));
            return states.filter(|(_, state)| state.is_some()).collect();
        }
        until_redis_answers(server).await;
    }
    panic!("Redis was too slow five times");
}

/// An MGET of several keys is refused there; a GET of each is not.
async fn a_cluster_of_one_shard_answers_every_key(backend: Backend) {
    let database = backend.golden();
    leadchat_versions::take_back(&database).await;
    let cluster = in_cluster_mode((0, 16_383));
    is_ready(&cluster).await;
    cluster.load(&golden::redis());
    let slots: BTreeSet<_> = golden::redis()
        .keys()
        .map(|key| slot(&cluster, key))
        .collect();
    assert!(slots.len() > 5);

    let server = with_redis(&database, &cluster).with_admin().start();
    let client = server.client().await;
    assert_eq!(served(&client).await, rendered());
    // Single calls between lists do not find Redis away.
    cluster.run::<()>(&["SET", KEY, "true"]);
    for _ in 0..5 {
        assert_eq!(known(&client).await, REQUIRED);
        listed(&client, &server).await;
    }
    assert_redis_answers(&server).await;
    assert_eq!(refusals(&server), [""; 0]);

    let report = report(checking(&database).env("REDIS_URL", &cluster.url()));
    assert_eq!(report["redis"]["state"], "answers", "{report:#}");
    assert_eq!(problems(&report), [""; 0]);
}

/// Of a value that is no text, Rails cannot read the flag either.
async fn a_key_that_is_refused_costs_its_own_flag(backend: Backend) {
    let database = backend.golden();
    let redis = Redis::start(&[]);
    redis.load(&golden::redis());
    redis.run::<()>(&["DEL", KEY]);
    redis.run::<()>(&["RPUSH", KEY, "true"]);
    let server = with_redis(&database, &redis).with_admin().start();
    let client = server.client().await;
    for _ in 0..3 {
        assert_eq!(state(&client).await, UNKNOWN);
        let unknown = listed(&client, &server).await.into_iter();
        let unknown: Vec<_> = unknown.filter(|(_, state)| *state == UNKNOWN).collect();
        assert_eq!(unknown, [(INBOX, UNKNOWN)]);
    }
    assert_redis_answers(&server).await;
    assert_eq!(refusals(&server), ["WRONGTYPE"]);

    let report = report(checking(&database).env("REDIS_URL", &redis.url()));
    assert_eq!(report["redis"]["state"], "refuses", "{report:#}");
    assert_eq!(report["redis"]["reason"], "it answers WRONGTYPE");
    assert_eq!(problems(&report), ["REDIS_REFUSES"]);

    redis.run::<()>(&["DEL", KEY]);
    assert_eq!(known(&client).await, NOT_REQUIRED);
}

/// leadchat itself does not follow a cluster from shard to shard. Flags on the configured
/// shard are read all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_two_shards_answers_for_one() {
    let database = Backend::Sqlite.golden();
    let shard = in_cluster_mode((0, 8191));
    let other = in_cluster_mode((8192, 16_383));
    let bus: Vec<String> = other.run(&["CONFIG", "GET", "cluster-port"]);
    let port = other.port.to_string();
    shard.run::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus[1]]);
    is_ready(&shard).await;
    is_ready(&other).await;

    let server = with_redis(&database, &shard).with_admin().start();
    let client = server.client().await;
    let states = listed(&client, &server).await;
    let unknown = states.iter().filter(|(_, state)| *state == UNKNOWN).count();
    assert!(unknown > 2 && unknown < states.len() - 2, "{states:?}");
    assert_redis_answers(&server).await;
    assert_eq!(refusals(&server), ["MOVED"]);

    let report = report(checking(&database).env("REDIS_URL", &shard.url()));
    assert_eq!(report["redis"]["reason"], "it answers MOVED");
    assert_eq!(problems(&report), ["REDIS_REFUSES"]);
}

/// A slot that no server has costs the keys in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_is_not_served_costs_its_flags() {
    let database = Backend::Sqlite.golden();
    let cluster = in_cluster_mode((0, 16_383));
    cluster.run::<()>(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    is_ready(&cluster).await;
    cluster.run::<()>(&["SET", KEY, "true"]);
    let server = with_redis(&database, &cluster).with_admin().start();
    let client = server.client().await;
    assert_eq!(known(&client).await, REQUIRED);
    let of_key = slot(&cluster, KEY).to_string();
    cluster.run::<()>(&["CLUSTER", "DELSLOTS", &of_key]);
    let unknown = listed(&client, &server).await.into_iter();
    let unknown: Vec<_> = unknown.filter(|(_, state)| *state == UNKNOWN).collect();
    assert_eq!(unknown, [(INBOX, UNKNOWN)]);
    assert_eq!(refusals(&server), ["CLUSTERDOWN"]);
    assert_redis_answers(&server).await;
}

/// Reads of those keys, or all reads, are refused at once. So none waits, and the first after
/// the right is given is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_a_user_may_not_read_are_unknown_until_granted() {
    let database = Backend::Sqlite.golden();
    let redis = with_flag(&[]);
    let server = with_redis(&database, &redis).start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    let before = log_counts(&server);
    let only_mail = [
        "ACL",
        "SETUSER",
        "default",
        "resetkeys",
        "~alfred:*:channel_email:*",
    ];
    for (takes, gives) in [
        (
            only_mail.as_slice(),
            ["ACL", "SETUSER", "default", "allkeys"],
        ),
        (
            &["ACL", "SETUSER", "default", "-get"],
            ["ACL", "SETUSER", "default", "+get"],
        ),
    ] {
        redis.run::<()>(takes);
        let report = report(checking(&database).env("REDIS_URL", &redis.url()));
        assert_eq!(report["redis"]["reason"], "it answers NOPERM", "{report:#}");
        assert_eq!(problems(&report), ["REDIS_REFUSES"]);
        no_read_waits(&client).await;
        redis.run::<()>(&gives);
        assert_eq!(known(&client).await, REQUIRED);
    }
    assert_eq!(log_counts(&server), before);
    assert_eq!(refusals(&server), ["NOPERM"]);
}

/// An error for all keys counts like an unreachable server, until it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loading_redis_delays_no_call() {
    let database = Backend::Sqlite.golden();
    // A hundred microseconds and more for each key: ten seconds in all, or until they are no longer
    // needed.
    let redis = with_flag(&["key-load-delay 100"]);
    let fill = "for i = 1, 100000 do redis.call('SET', 'k' .. i, i) end";
    redis.run::<()>(&["EVAL", fill, "0"]);
    redis.kill();
    redis.start_again();
    let server = with_redis(&database, &redis).start();
    let client = server.client().await;
    no_read_waits(&client).await;
    eventually("it is heard that Redis is loading", || {
        server.log().contains("it answers LOADING")
    })
    .await;
    redis.run::<()>(&["CONFIG", "SET", "key-load-delay", "0"]);
    becomes(&client, REQUIRED).await;
    assert_eq!(log_counts(&server), (1, 1));
    assert_eq!(refusals(&server), [""; 0]);
}
