//! Passwords that change while the service runs.

use super::*;
use crate::{
    suites::reauthorization::{KEY, REQUIRED, UNKNOWN, becomes, state},
    support::{Client, canary::REDIS_SENTINEL_PASSWORD, get_as_user, program::Server},
};

/// A password that the search for canaries finds, too.
fn another(number: u32) -> String {
    format!("{PASSWORD}-{number}")
}

fn set_password(cluster: &Cluster, user: &str, password: &str) {
    let sql = format!("ALTER ROLE {user} PASSWORD '{password}'");
    cluster.psql("postgres", &sql);
}

/// Ends every connection of the service.
fn disconnect(cluster: &Cluster) {
    let sql = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
        WHERE application_name = 'leadchat-inbox'";
    assert_eq!(cluster.psql("postgres", sql).trim(), "t");
}

async fn code(client: &Client) -> Option<tonic::Code> {
    let answer = client.get(get_as_user(1, 1, 1)).await;
    answer.err().map(|status| status.code())
}

/// New versions of files of passwords, with this result.
async fn count(server: &Server, result: &str) -> u64 {
    let labels = [("file", "password"), ("result", result)];
    let scrape = server.scrape().await;
    scrape.count("leadchat_inbox_reloads_total", &labels)
}

const ROTATED: &str = "done";
const UNUSABLE: &str = "refused";

/// A password alone, and a URL whose user changes, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_password_of_postgresql_needs_no_restart() {
    let cluster = with_passwords();
    let of_url = |user: &str, password: &str| {
        let url = url(&cluster);
        url.replace("rails@", &format!("{user}:{password}@"))
    };
    let cases = [
        ("POSTGRES_PASSWORD_FILE", PASSWORD.to_owned(), another(1)),
        ("PGPASSWORD_FILE", another(1), another(2)),
        (
            "DATABASE_URL_FILE",
            of_url("rails", &another(2)),
            of_url("rails", &another(3)),
        ),
    ];
    for (number, (variable, old, new)) in (1..).zip(cases) {
        let mut program = Program::serving_at(&url(&cluster)).with_file("secret", &old);
        if variable == "DATABASE_URL_FILE" {
            program = program.without_env("DATABASE_URL");
        }
        let server = program.env(variable, "secret").with_admin().start();
        let client = server.client().await;
        assert_eq!(code(&client).await, None, "{variable}");

        set_password(&cluster, "rails", &another(number));
        assert_eq!(code(&client).await, None, "open connections stay");
        disconnect(&cluster);
        let refused = code(&client).await;
        assert_eq!(refused, Some(tonic::Code::Unavailable), "{variable}");
        assert_eq!(count(&server, ROTATED).await, 0);

        server.replace("secret", &format!("{new}\n"));
        assert_eq!(code(&client).await, None, "{variable}");
        assert_eq!(count(&server, ROTATED).await, 1);
        assert_eq!(count(&server, UNUSABLE).await, 0);
        assert_eq!(server.stop("TERM").0, Some(0));
    }
}

/// Rotation between two users leaves no moment without a valid password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_a_url_changes_with_its_password() {
    let cluster = with_passwords();
    let sql = format!(
        "CREATE ROLE other SUPERUSER LOGIN PASSWORD '{}'",
        another(1)
    );
    cluster.psql(NAME, &sql);
    let url = url(&cluster);
    let old = url.replace('@', &format!(":{PASSWORD}@"));
    let new = url.replace("rails@", &format!("other:{}@", another(1)));
    let server = Program::serving_at("")
        .with_file("secret", &old)
        .env("DATABASE_URL_FILE", "secret")
        .with_admin()
        .start();
    let client = server.client().await;
    assert_eq!(code(&client).await, None);
    server.replace("secret", &new);
    cluster.psql("postgres", "ALTER ROLE rails NOLOGIN");
    disconnect(&cluster);
    assert_eq!(code(&client).await, None);
    let sql = "SELECT DISTINCT usename FROM pg_stat_activity
        WHERE application_name = 'leadchat-inbox'";
    assert_eq!(cluster.psql("postgres", sql).trim(), "other");
}

/// The user comes from the file of a URL, and the password from a file of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_a_url_changes_beside_a_file_of_a_password() {
    let cluster = with_passwords();
    let sql = format!(
        "CREATE ROLE other SUPERUSER LOGIN PASSWORD '{}'",
        another(1)
    );
    cluster.psql(NAME, &sql);
    let server = Program::serving_at("")
        .with_file("url", &url(&cluster))
        .env("DATABASE_URL_FILE", "url")
        .with_file("password", PASSWORD)
        .env("POSTGRES_PASSWORD_FILE", "password")
        .with_admin()
        .start();
    let client = server.client().await;
    assert_eq!(code(&client).await, None);
    server.replace("password", &another(1));
    server.replace("url", &url(&cluster).replace("rails@", "other@"));
    cluster.psql("postgres", "ALTER ROLE rails NOLOGIN");
    disconnect(&cluster);
    assert_eq!(code(&client).await, None, "{}", server.log());
    let sql = "SELECT DISTINCT usename FROM pg_stat_activity
        WHERE application_name = 'leadchat-inbox'";
    assert_eq!(cluster.psql("postgres", sql).trim(), "other");
    assert_eq!(count(&server, UNUSABLE).await, 0);
}

/// Another place is no rotation, and neither is the lack of a user or a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_that_changes_more_is_refused() {
    let cluster = with_passwords();
    let first = url(&cluster).replace('@', &format!(":{PASSWORD}@"));
    let server = Program::serving_at("")
        .with_file("secret", &first)
        .env("DATABASE_URL_FILE", "secret")
        .with_admin()
        .start();
    let client = server.client().await;
    assert_eq!(code(&client).await, None);
    let other_place = "changes more than the user and the password";
    let incomplete = "has no user or no password any more";
    for (logged, (content, reason)) in (1..).zip([
        (first.replace("127.0.0.1", "192.0.2.1"), other_place),
        (first.replace(&cluster.port.to_string(), "1"), other_place),
        (first.replace(NAME, "postgres"), other_place),
        (format!("{first}?sslmode=require"), other_place),
        (url(&cluster), incomplete),
        (url(&cluster).replace("rails@", ""), incomplete),
    ]) {
        server.replace("secret", &content);
        disconnect(&cluster);
        assert_eq!(code(&client).await, None, "{}", server.log());
        assert_eq!(count(&server, UNUSABLE).await, logged, "{}", server.log());
        assert!(server.log().contains(reason), "{}", server.log());
    }
    set_password(&cluster, "rails", &another(1));
    server.replace("secret", &first.replace(PASSWORD, &another(1)));
    disconnect(&cluster);
    assert_eq!(code(&client).await, None, "{}", server.log());
    assert_eq!(count(&server, ROTATED).await, 1);
}

/// The user comes from the file of a URL, and the password from a file of its own. A URL
/// of another place is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_redis_changes_beside_a_file_of_a_password() {
    let database = Backend::Sqlite.golden();
    let redis = Redis::start(&[
        &format!("user first on >{REDIS_PASSWORD} ~* +@all"),
        &format!("user second on >{REDIS_PASSWORD}-1 ~* +@all"),
    ]);
    redis.run::<()>(&["SET", KEY, "true"]);
    // Redis takes a user without a password for a password.
    let of = |user: &str, port: u16| format!("redis://{user}:unused@127.0.0.1:{port}");
    let server = Program::serving(&database)
        .with_file("url", &of("first", redis.port))
        .env("REDIS_URL_FILE", "url")
        .with_file("password", REDIS_PASSWORD)
        .env("REDIS_PASSWORD_FILE", "password")
        .with_admin()
        .start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;
    server.replace("url", &of("second", redis.port));
    server.replace("password", &format!("{REDIS_PASSWORD}-1"));
    redis.run::<()>(&["ACL", "DELUSER", "first"]);
    // The connection of the user has ended.
    becomes(&client, REQUIRED).await;
    assert!(count(&server, ROTATED).await > 0, "{}", server.log());
    assert_eq!(count(&server, UNUSABLE).await, 0, "{}", server.log());

    server.replace("url", &of("second", 1));
    redis.run::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    becomes(&client, REQUIRED).await;
    assert_eq!(state(&client).await, REQUIRED);
    assert_eq!(count(&server, UNUSABLE).await, 1, "{}", server.log());
}

/// Each content that cannot be used is logged once, however many connections read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_leaves_the_last_good_password() {
    let cluster = with_passwords();
    let server = Program::serving_at(&url(&cluster))
        .with_file("secret", PASSWORD)
        .env("POSTGRES_PASSWORD_FILE", "secret")
        .with_admin()
        .start();
    let client = server.client().await;
    assert_eq!(code(&client).await, None);
    let path = server.folder().join("secret");
    let bad = [&b""[..], b" \n", b"hunter2\xff"];
    for (logged, content) in (1..).zip(bad) {
        // Half of it would be one more version.
        let new = path.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, &path).unwrap();
        for _ in 0..2 {
            disconnect(&cluster);
            assert_eq!(code(&client).await, None);
        }
        assert_eq!(count(&server, UNUSABLE).await, logged, "{}", server.log());
    }
    fs::remove_file(&path).unwrap();
    disconnect(&cluster);
    assert_eq!(code(&client).await, None);
    assert_eq!(count(&server, UNUSABLE).await, 4);
    // The next good version counts again.
    set_password(&cluster, "rails", &another(1));
    server.replace("secret", &another(1));
    disconnect(&cluster);
    assert_eq!(code(&client).await, None);
    assert_eq!(count(&server, UNUSABLE).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_password_of_redis_needs_no_restart() {
    let database = Backend::Sqlite.golden();
    let redis = Redis::start(&[&format!("requirepass {REDIS_PASSWORD}")]);
    redis.run::<()>(&["SET", KEY, "true"]);
    let of_url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", redis.port);
    let password = |number: u32| match number {
        0 => REDIS_PASSWORD.to_owned(),
        _ => format!("{REDIS_PASSWORD}-{number}"),
    };
    for (number, variable) in (0..).zip(["REDIS_PASSWORD_FILE", "REDIS_URL_FILE"]) {
        let (old, new) = (password(number), password(number + 1));
        let program = Program::serving(&database);
        let (program, old, content) = if variable == "REDIS_URL_FILE" {
            (program, of_url(&old), of_url(&new))
        } else {
            (program.env("REDIS_URL", &redis.url()), old, new.clone())
        };
        let server = program
            .with_file("secret", &old)
            .env(variable, "secret")
            .with_admin()
            .start();
        let client = server.client().await;
        becomes(&client, REQUIRED).await;

        redis.change_password(&["CONFIG", "SET", "requirepass"], &new);
        becomes(&client, UNKNOWN).await;
        server.replace("secret", &content);
        becomes(&client, REQUIRED).await;
        assert_eq!(count(&server, ROTATED).await, 1, "{variable}");
        assert_eq!(count(&server, UNUSABLE).await, 0, "{variable}");

        // A bad file leaves the last good password.
        server.replace("secret", "");
        redis.run::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        becomes(&client, REQUIRED).await;
        assert_eq!(state(&client).await, REQUIRED);
        assert_eq!(count(&server, UNUSABLE).await, 1, "{variable}");
    }
}

/// The sentinels and their master have passwords of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_password_of_sentinels_needs_no_restart() {
    let database = Backend::Sqlite.golden();
    let master = Redis::start(&[&format!("requirepass {REDIS_PASSWORD}")]);
    master.run::<()>(&["SET", KEY, "true"]);
    let sentinel = Redis::sentinel(
        master.port,
        &[
            &format!("requirepass {REDIS_SENTINEL_PASSWORD}"),
            &format!("sentinel auth-pass mymaster {REDIS_PASSWORD}"),
        ],
    );
    let server = Program::serving(&database)
        .env("REDIS_SENTINELS", &format!("127.0.0.1:{}", sentinel.port))
        .with_file("redis", REDIS_PASSWORD)
        .env("REDIS_PASSWORD_FILE", "redis")
        .with_file("sentinel", REDIS_SENTINEL_PASSWORD)
        .env("REDIS_SENTINEL_PASSWORD_FILE", "sentinel")
        .with_admin()
        .start();
    let client = server.client().await;
    becomes(&client, REQUIRED).await;

    let of_redis = format!("{REDIS_PASSWORD}-1");
    let of_sentinel = format!("{REDIS_SENTINEL_PASSWORD}-1");
    sentinel.run::<()>(&["SENTINEL", "SET", "mymaster", "auth-pass", &of_redis]);
    let acl = ["ACL", "SETUSER", "default", "resetpass"];
    sentinel.change_password(&acl, &format!(">{of_sentinel}"));
    master.change_password(&["CONFIG", "SET", "requirepass"], &of_redis);
    becomes(&client, UNKNOWN).await;
    server.replace("redis", &of_redis);
    server.replace("sentinel", &of_sentinel);
    becomes(&client, REQUIRED).await;
}
