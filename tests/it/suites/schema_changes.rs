//! Tables that lack something, when the program starts and while it runs.

pub mod load;
mod stale;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    Backend, Client, Database, Program,
    client::{Answer, retried},
    cluster::Cluster,
    get_as_user,
    leadchat_versions::{self, ROWS, VERSIONS},
    log::failed_reads,
    pb, viewer,
};
use load::no_call_fails_while_the_tables_change;

on_both_databases!(
    no_call_fails_while_the_tables_change,
    the_required_tables_are_enough,
    a_dropped_column_degrades_its_fields_until_it_is_back,
);

/// Inboxes of `ROWS`.
const API: i64 = 2;
const MAIL: i64 = 4;

const fn get(inbox_id: i64) -> pb::GetInboxRequest {
    get_as_user(1, inbox_id, 1)
}

async fn api(client: &Client) -> pb::ApiChannel {
    let inbox = client.get(get(API)).await.unwrap().message.inbox.unwrap();
    let Some(pb::inbox::Channel::Api(api)) = inbox.channel else {
        panic!()
    };
    api
}

/// The one line that a refused start prints beside the log.
fn refusal(program: Program) -> String {
    let output = program.output();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let mut said = said.lines().filter(|line| !line.starts_with("20"));
    let line = said.next().unwrap_or_default().to_owned();
    assert_eq!(said.next(), None, "{line}");
    line
}

/// The tables and columns that a refusal lists.
fn listed(refusal: &str, what: &str) -> BTreeSet<String> {
    let (_, list) = refusal.split_once(what).unwrap_or_default();
    let list = list.split(';').next().unwrap_or_default();
    let names = list.split(", ").map(|name| name.trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// A start names all that is missing at once. With that and nothing more, leadchat's
/// tables are served.
async fn the_required_tables_are_enough(backend: Backend) {
    let bare = leadchat_versions::of_the_seed(backend).await;
    let tables = match backend {
        Backend::Postgres => {
            "SELECT table_name AS found FROM information_schema.tables
                WHERE table_schema = 'public'"
        }
        Backend::Sqlite => {
            "SELECT name AS found FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        }
    };
    let marks = ["ar_internal_metadata", "_sqlx_migrations"];
    let tables: Vec<_> = bare.texts(tables).await;
    let tables: Vec<_> = tables
        .into_iter()
        .filter(|table| !marks.contains(&table.as_str()))
        .collect();
    for table in &tables {
        let aside = format!("ALTER TABLE {table} RENAME TO was_{table}");
        bare.execute(&aside).await;
    }
    let without_tables = refusal(Program::serving(&bare));
    let named = listed(&without_tables, "missing: ");
    assert!(named.contains("the table inboxes"), "{without_tables}");
    assert!(
        !named.contains("the table channel_voice"),
        "{without_tables}"
    );
    assert_eq!(
        named.len(),
        23 + usize::from(backend == Backend::Sqlite),
        "{without_tables}"
    );

    for table in &tables {
        // Without the columns that leadchat's own have.
        bare.execute(&format!("CREATE TABLE {table} (unheard_of integer)"))
            .await;
    }
    let without_columns = refusal(Program::serving(&bare));
    let demanded = listed(&without_columns, "missing: ");
    assert!(demanded.len() > 100, "{without_columns}");

    let scarce = leadchat_versions::of_the_seed(backend).await;
    scarce.execute(ROWS).await;
    if backend == Backend::Sqlite {
        scarce.execute("PRAGMA foreign_keys = OFF").await;
    }
    let mut dropped = 0;
    for table in &tables {
        let columns = match backend {
            Backend::Postgres => format!(
                "SELECT column_name AS found FROM information_schema.columns
                WHERE table_schema = 'public' AND table_name = '{table}'"
            ),
            Backend::Sqlite => format!("SELECT name AS found FROM pragma_table_info('{table}')"),
        };
        for column in scarce.texts(&columns).await {
            if demanded.contains(&format!("{table}.{column}")) {
                continue;
            }
            let drop = match backend {
                Backend::Postgres => format!("ALTER TABLE {table} DROP COLUMN {column} CASCADE"),
                Backend::Sqlite => format!("ALTER TABLE {table} DROP COLUMN {column}"),
            };
            // SQLite cannot drop what has an index.
            match scarce.try_execute(&drop).await {
                Ok(()) => dropped += 1,
                Err(error) => assert_eq!(backend, Backend::Sqlite, "{error}"),
            }
        }
    }
    scarce.execute("DROP TABLE channel_voice").await;
    assert!(dropped > 60, "{dropped}");

    let server = Program::serving(&scarce).start();
    let client = server.client().await;
    for viewer in [viewer::user(1), viewer::user(2), viewer::service()] {
        assert_eq!(client.all(1, viewer).await.len(), 13);
    }
    let find = pb::FindInboxesRequest {
        account_id: None,
        viewer: Some(viewer::service()),
        key: Some(pb::find_inboxes_request::Key::PhoneNumber(
            "+15550001".to_owned(),
        )),
        ..Default::default()
    };
    assert_eq!(client.find(find).await.unwrap().message.inboxes.len(), 1);
}

/// Of one table that is no longer leadchat's, the inboxes of the others know
/// nothing. Nobody has to start the program again.
async fn a_dropped_column_degrades_its_fields_until_it_is_back(backend: Backend) {
    let database = leadchat_versions::of_the_seed(backend).await;
    database.execute(ROWS).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for (lost, back) in [
        (
            "ALTER TABLE channel_api RENAME COLUMN identifier TO other",
            "ALTER TABLE channel_api RENAME COLUMN other TO identifier",
        ),
        (
            "ALTER TABLE channel_api RENAME TO other",
            "ALTER TABLE other RENAME TO channel_api",
        ),
    ] {
        assert_eq!(api(&client).await.inbox_identifier(), "identifier-1");
        database.execute(lost).await;
        for _ in 0..3 {
            is_internal(&client.get(get(API)).await.unwrap_err());
            let whole = pb::ListInboxesRequest {
                account_id: 1,
                viewer: Some(viewer::user(1)),
                ..Default::default()
            };
            is_internal(&client.list(whole).await.unwrap_err());
            assert!(client.get(get(MAIL)).await.is_ok());
        }
        database.execute(back).await;
    }
    assert_eq!(api(&client).await.inbox_identifier(), "identifier-1");
    let log = server.log();
    assert!(log.contains("channel_api.identifier"), "{log}");
    assert!(log.contains("the table channel_api"), "{log}");
}

fn is_internal(status: &Status) {
    assert_eq!(status.code(), Code::Internal, "{status:?}");
    let reason = status.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "INTERNAL");
}

/// A user of the database that may read so much and no more.
fn limited(database: &Database, name: &str, grants: &[String]) -> String {
    let Database::Postgres { name: of } = database else {
        panic!()
    };
    let cluster = Cluster::shared();
    let create = format!(
        "DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN; {}",
        grants.join(";")
    );
    cluster.psql(of, &create);
    database.url().replace("postgres@", &format!("{name}@"))
}

/// Columns may be granted one by one. Those that leadchat does without elsewhere are
/// left out, and shown as soon as they are granted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_without_grants_are_named_or_omitted() {
    let database = leadchat_versions::of_the_seed(Backend::Postgres).await;
    database.execute(ROWS).await;
    for version in &VERSIONS {
        version.comes_to(&database, Backend::Postgres).await;
    }
    let set = "UPDATE channel_api SET secret = 'signs'";
    database.execute(set).await;

    let nothing = limited(&database, "grantless", &[]);
    let refused = refusal(Program::serving(&database).env("DATABASE_URL", &nothing));
    let demanded = listed(&refused, "not granted to this user: ");
    assert!(demanded.len() > 100, "{refused}");
    assert!(demanded.contains("channel_telegram.bot_token"), "{refused}");
    assert!(!demanded.contains("channel_api.secret"), "{refused}");

    let grant = |place: &String| {
        let (table, column) = place.split_once('.').unwrap();
        format!("GRANT SELECT ({column}) ON {table} TO sparing")
    };
    let grants: Vec<_> = demanded.iter().map(grant).collect();
    let url = limited(&database, "sparing", &grants[2..]);
    let refused = refusal(Program::serving(&database).env("DATABASE_URL", &url));
    let still = listed(&refused, "not granted to this user: ");
    let first: BTreeSet<_> = demanded.iter().take(2).cloned().collect();
    assert_eq!(still, first, "{refused}");
    assert!(!refused.contains("missing"), "{refused}");

    database.execute(&grants[..2].join(";")).await;
    let server = Program::serving(&database)
        .env("DATABASE_URL", &url)
        .start();
    let client = server.client().await;
    assert_eq!(api(&client).await.secret, None);
    assert_eq!(client.all(1, viewer::user(2)).await.len(), 13);
    let grant = "GRANT SELECT (secret) ON channel_api TO sparing";
    database.execute(grant).await;
    assert_eq!(api(&client).await.secret(), "signs");
    let revoke = "REVOKE SELECT (secret) ON channel_api FROM sparing";
    database.execute(revoke).await;
    assert_eq!(api(&client).await.secret, None);
    drop(server);
    for role in ["grantless", "sparing"] {
        database
            .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
            .await;
    }
}

/// Asks until nobody holds the table any more. A read waits for a lock for 1.5 s in
/// total. On a slow machine, not all calls get that far in this time.
async fn once_unlocked(client: &Client) -> Answer<pb::GetInboxResponse> {
    retried(|| client.get(get(API))).await.unwrap()
}

/// Two probes are made on a quiet machine. On a busy one, some callers come to it after the second
/// has ended. If each made its own, there would be sixteen every time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_calls_share_one_probe_after_a_change() {
    const MAX_ROUNDS: usize = 6;

    let mut probes = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let count = probes_of_sixteen_calls().await;
        assert!(count > 0);
        probes.push(count);
        if count <= 2 {
            return;
        }
    }
    panic!("{probes:?} probes");
}

/// How often the tables are probed when one changes under as many calls as the program has
/// connections, each in the middle of a read.
async fn probes_of_sixteen_calls() -> usize {
    const CALLERS: i64 = 16;

    let database = leadchat_versions::of_the_seed(Backend::Postgres).await;
    database.execute(ROWS).await;
    VERSIONS[1].comes_to(&database, Backend::Postgres).await;
    let server = Program::serving(&database)
        .arg("--max-concurrent-reads")
        .arg("100")
        .start();
    let client = server.client().await;
    assert!(api(&client).await.secret.is_none());

    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let mut migration = connection.begin().await.unwrap();
    let drop = AssertSqlSafe("ALTER TABLE channel_api DROP COLUMN secret");
    sqlx::query(drop).execute(&mut *migration).await.unwrap();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { once_unlocked(&client).await })
        })
        .collect();
    database.until_sessions_wait(CALLERS).await;
    migration.commit().await.unwrap();
    for caller in callers {
        caller.await.unwrap();
    }
    let log = server.log();
    assert_eq!(failed_reads(&log), [""; 0]);
    let probes = log.matches("probed the schema again").count();
    println!("schema: {CALLERS} callers met a change, the tables were probed {probes} times");
    probes
}

/// To a read that had begun before, a table that was rewritten looks empty, and one
/// that took its place looks new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_rewritten_in_the_middle_of_a_read_does_not_look_empty() {
    let database = leadchat_versions::of_the_seed(Backend::Postgres).await;
    database.execute(ROWS).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let before = client.get(get(API)).await.unwrap().content();
    for change in [
        "ALTER TABLE inboxes ALTER COLUMN channel_id TYPE bigint",
        "ALTER TABLE channel_api ALTER COLUMN account_id TYPE bigint",
        "ALTER TABLE channel_api RENAME TO former;
        CREATE TABLE channel_api (LIKE former);
        INSERT INTO channel_api SELECT * FROM former",
    ] {
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        let mut migration = connection.begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(change))
            .execute(&mut *migration)
            .await
            .unwrap();
        let caller = tokio::spawn({
            let client = client.clone();
            async move { once_unlocked(&client).await }
        });
        database.until_sessions_wait(1).await;
        migration.commit().await.unwrap();
        let after = caller.await.unwrap().content();
        assert!(after == before, "{change}");
    }
}

/// A read that waits for one table lets others be changed soon, those that it has
/// read already among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_read_does_not_delay_a_migration() {
    let database = leadchat_versions::of_the_seed(Backend::Postgres).await;
    database.execute(ROWS).await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let lock = database.lock_table("channel_api").await;
    let caller = tokio::spawn({
        let client = client.clone();
        async move { client.get(get(API)).await }
    });
    database.until_sessions_wait(1).await;

    let began = Instant::now();
    database
        .execute("ALTER TABLE inboxes ADD COLUMN novelty text DEFAULT 'new'")
        .await;
    let took = began.elapsed();
    println!("schema: a migration waited {took:?} for a read that waits for a lock");
    // Less than the time of a call, let alone that of the lock. A lock is waited for half a
    // second at a time, and in between nothing is held.
    assert!(took < Duration::from_secs(20), "{took:?}");
    let status = caller.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    lock.release().await;
    assert!(client.get(get(API)).await.is_ok());
}
