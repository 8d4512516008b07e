//! Where Redis may be, and what is wrong with a place that cannot be.

use super::*;
use crate::support::{
    canary::{REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, REDIS_URL_PASSWORD},
    cluster::free_port,
    redis::Certificates,
};

/// As it is written in a URL.
const ESCAPED: &str = "p%40ssword%2Fof%2Ban%3Aurl";

/// How often the log may say that Redis is away while its master changes.
const MAX_LOGGED_OUTAGES: usize = 3;

fn set(redis: &Redis) {
    redis.run::<()>(&["SET", KEY, "true"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_may_stand_in_the_url_or_beside_it() {
    let database = Backend::Sqlite.golden();
    let redis = Redis::start(&[&format!("requirepass {REDIS_URL_PASSWORD}")]);
    redis.run::<()>(&[
        "ACL",
        "SETUSER",
        "leadchat",
        "on",
        "+get",
        "+select",
        "~alfred:*",
        &format!(">{REDIS_PASSWORD}"),
    ]);
    let port = redis.port;
    for (url, password) in [
        (format!("redis://:{ESCAPED}@127.0.0.1:{port}"), None),
        // A user alone is a password.
        (format!("redis://{ESCAPED}@127.0.0.1:{port}/0"), None),
        (
            format!("redis://default:{ESCAPED}@127.0.0.1:{port}/0"),
            None,
        ),
        // The variable counts before the URL.
        (
            format!("redis://:wrong@127.0.0.1:{port}"),
            Some(REDIS_URL_PASSWORD),
        ),
        (
            format!("redis://leadchat:wrong@127.0.0.1:{port}"),
            Some(REDIS_PASSWORD),
        ),
    ] {
        set(&redis);
        let mut program = Program::serving(&database).env("REDIS_URL", &url);
        if let Some(password) = password {
            program = program.env("REDIS_PASSWORD", password);
        }
        let server = program.start();
        becomes(&server.client().await, REQUIRED).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_and_sockets_are_found() {
    let database = Backend::Sqlite.golden();
    let redis = Redis::start(&["unixsocket redis.sock"]);
    let socket = redis.folder().join("redis.sock");
    set(&redis);
    redis.run::<()>(&["COPY", KEY, KEY, "DB", "3"]);
    for (url, wanted) in [
        (redis.url(), REQUIRED),
        (format!("{}/1", redis.url()), NOT_REQUIRED),
        (format!("{}/3", redis.url()), REQUIRED),
        (format!("unix://{}", socket.display()), REQUIRED),
    ] {
        let server = Program::serving(&database).env("REDIS_URL", &url).start();
        becomes(&server.client().await, wanted).await;
    }
}

/// A certificate of an authority that is known, and of one that is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_wants_a_certificate_that_can_be_verified() {
    let database = Backend::Sqlite.golden();
    let certificates = Certificates::new();
    let port = free_port();
    let mut lines = certificates.lines(port).to_vec();
    lines.push(format!("requirepass {REDIS_PASSWORD}"));
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let redis = Redis::start(&lines);
    set(&redis);
    let serving = |url: String| {
        Program::serving(&database)
            .env("REDIS_URL", &url)
            .env("REDIS_PASSWORD", REDIS_PASSWORD)
    };
    let known = || {
        serving(format!("rediss://127.0.0.1:{port}/0"))
            .env("SSL_CERT_FILE", &certificates.authority())
    };

    let server = known().start();
    becomes(&server.client().await, REQUIRED).await;

    // An unknown authority, a name that is not in the certificate, and a server without
    // TLS that waits for the end of a line. Rails' way to look away is none of ours.
    let stranger = Certificates::new();
    for (program, cause) in [
        (
            serving(format!("rediss://127.0.0.1:{port}/0")),
            "TLS failed",
        ),
        (
            known()
                .env("SSL_CERT_FILE", &stranger.authority())
                .env("REDIS_OPENSSL_VERIFY_MODE", "none"),
            "TLS failed",
        ),
        (
            known().env("REDIS_URL", &format!("rediss://localhost:{port}/0")),
            "TLS failed",
        ),
        (
            known().env("REDIS_URL", &format!("rediss://127.0.0.1:{}/0", redis.port)),
            "it does not answer",
        ),
    ] {
        let server = program.start();
        assert_eq!(state(&server.client().await).await, UNKNOWN);
        assert_eq!(log_counts(&server), (1, 0));
        until_caused(&server, cause).await;
    }
}

/// The master dies, and the sentinels make another one of its replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_lead_to_the_master_that_is() {
    let database = Backend::Sqlite.golden();
    let password = format!("requirepass {REDIS_PASSWORD}");
    let to_master = format!("masterauth {REDIS_PASSWORD}");
    let master = Redis::start(&[&password, &to_master]);
    set(&master);
    let replica_of = format!("replicaof 127.0.0.1 {}", master.port);
    let replica = Redis::start(&[&password, &to_master, &replica_of]);
    let sentinel = Redis::sentinel(
        master.port,
        &[
            &format!("requirepass {REDIS_SENTINEL_PASSWORD}"),
            &format!("sentinel auth-pass mymaster {REDIS_PASSWORD}"),
        ],
    );
    // Some that are of no use: one that is not there, one that is frozen, and one
    // that knows nothing.
    let frozen = Redis::sentinel(master.port, &[]);
    frozen.freeze();
    let ignorant = Redis::sentinel(
        master.port,
        &[&format!("requirepass {REDIS_SENTINEL_PASSWORD}")],
    );
    ignorant.run::<()>(&["SENTINEL", "REMOVE", "mymaster"]);
    let sentinels = format!(
        "127.0.0.1:{}, 127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}",
        free_port(),
        frozen.port,
        ignorant.port,
        sentinel.port
    );
    let server = Program::serving(&database)
        // Not looked at where there are sentinels.
        .env("REDIS_URL", "redis://127.0.0.1:1")
        .env("REDIS_SENTINELS", &sentinels)
        .env("REDIS_PASSWORD", REDIS_PASSWORD)
        .env("REDIS_SENTINEL_PASSWORD", REDIS_SENTINEL_PASSWORD)
        .start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    eventually("the sentinel knows the replica", || {
        let replicas: Vec<BTreeMap<String, String>> =
            sentinel.run(&["SENTINEL", "REPLICAS", "mymaster"]);
        replicas
            .iter()
            .any(|found| found["master-link-status"] == "ok")
    })
    .await;

    master.kill();
    assert_eq!(state(&client).await, UNKNOWN);
    let took = becomes(&client, REQUIRED).await;
    println!("reauthorization: known {took:?} after the master died");
    // A flag that only the new master has.
    replica.run::<()>(&["DEL", KEY]);
    assert_eq!(known(&client).await, NOT_REQUIRED);
    let is_logged = || {
        let (away, back) = log_counts(&server);
        away == back && away >= 1
    };
    eventually("it is logged", is_logged).await;
    let (outages, _) = log_counts(&server);
    // Once, and again where a busy machine keeps the new master silent. A line for each read of
    // the failover would make dozens.
    assert!(outages <= MAX_LOGGED_OUTAGES, "{outages}");

    // The old one comes back as a replica, and stays out of it.
    master.start_again();
    replica.run::<()>(&["SET", KEY, "false"]);
    assert_eq!(known(&client).await, REQUIRED);
    eventually("it is logged", is_logged).await;
    let more = log_counts(&server).0 - outages;
    assert!(more <= MAX_LOGGED_OUTAGES, "{more}");
}

/// By default the sentinels have the password of Redis; an empty one is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_have_the_password_of_redis_unless_set_otherwise() {
    let database = Backend::Sqlite.golden();
    let master = Redis::start(&[&format!("requirepass {REDIS_PASSWORD}")]);
    set(&master);
    let auth = format!("sentinel auth-pass mymaster {REDIS_PASSWORD}");
    let closed = Redis::sentinel(
        master.port,
        &[&auth, &format!("requirepass {REDIS_PASSWORD}")],
    );
    let open = Redis::sentinel(master.port, &[&auth]);
    let serving = |sentinel: &Redis| {
        Program::serving(&database)
            .env("REDIS_SENTINELS", &format!("127.0.0.1:{},", sentinel.port))
            .env("REDIS_PASSWORD", REDIS_PASSWORD)
    };
    for program in [
        serving(&closed),
        serving(&open).env("REDIS_SENTINEL_PASSWORD", ""),
    ] {
        let server = program.start();
        becomes(&server.client().await, REQUIRED).await;
    }
    for (program, cause) in [
        (
            serving(&open),
            "sentinel: it refuses the user or the password",
        ),
        (
            serving(&closed).env("REDIS_SENTINEL_PASSWORD", ""),
            "sentinel: it answers NOAUTH",
        ),
        (
            serving(&closed).env("REDIS_SENTINEL_MASTER_NAME", "another"),
            "no sentinel knows the master",
        ),
    ] {
        let server = program.start();
        assert_eq!(state(&server.client().await).await, UNKNOWN);
        assert_eq!(log_counts(&server), (1, 0));
        until_caused(&server, cause).await;
    }
}

#[test]
fn an_invalid_address_is_named_in_one_line() {
    let serve = || Program::new(&["serve", "--listen", "127.0.0.1:0"]);
    for (variable, value) in [
        ("REDIS_URL", "redis://:hunter2@"),
        ("REDIS_URL", "redis://:hunter2/x@host:6379"),
        ("REDIS_URL", "redis://host:6379/hunter2"),
        ("REDIS_URL", "http://:hunter2@host"),
        ("REDIS_URL", "hunter2"),
        ("REDIS_SENTINELS", "redis://:hunter2@host:26379"),
        ("REDIS_SENTINELS", "host:hunter2"),
    ] {
        let output = serve().env(variable, value).output();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{value}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.starts_with(&format!("leadchat-inbox: {variable}: ")),
            "{error}"
        );
        // The demonstration takes no notice.
        serve().arg("--demo").env(variable, value).start();
    }
}
