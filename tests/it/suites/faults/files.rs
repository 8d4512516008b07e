//! The process may open no further file; and a callers file that has a mistake.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use tokio::{join, task::block_in_place, time::sleep};

use super::caller::{
    Counter, MAX_CALL_AGE, MAX_STALENESS_AGE, STORE_READS, STORE_UNAVAILABLE, UNAVAILABLE,
    assert_none_failed, assert_within, becomes, callers, with_bound,
};
use crate::support::{
    Backend, Program,
    client::any_inbox,
    cluster::Cluster,
    program::{Server, eventually},
};

/// The limit of open files of a server, which is lowered for a while.
struct FileLimit<'a> {
    server: &'a Server,
    before: Rlimit,
}

impl<'a> FileLimit<'a> {
    /// The limit is one of numbers: below those of the standard streams, no file can be opened,
    /// and those that are open stay.
    fn exhausted(server: &'a Server) -> Self {
        let before = getrlimit(Resource::Nofile);
        let limit = Self { server, before };
        let mut none = limit.before;
        none.current = Some(3);
        limit.set(none);
        limit
    }

    fn set(&self, limit: Rlimit) {
        prlimit(Some(self.server.pid()), Resource::Nofile, limit).unwrap();
    }

    fn lift(self) {
        self.set(self.before);
    }
}

/// Open connections are served. A new one waits, and is served a second after there are files.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_files_accepts_later() {
    const EXHAUSTED_AGE: Duration = Duration::from_secs(4);
    let database = Backend::Sqlite.golden();
    // Reads share one connection to the file, since no other can be opened.
    let server = with_bound(Program::serving(&database))
        .args(["--database-connections", "1"])
        .start();
    let [mut bounded, mut latest] = callers(&server).await;
    let failures = Counter::begin(&server, "leadchat_inbox_accept_failures_total", &[]).await;
    let limit = FileLimit::exhausted(&server);
    let began = Instant::now();
    let address = server.address.clone();
    let waiting = tokio::spawn(async move {
        let client = crate::support::Client::connect(&address).await;
        client.get(any_inbox()).await.map(drop)
    });
    eventually("it is logged", || {
        server.log().contains("cannot accept connections")
    })
    .await;
    let before = server.log_bytes();
    let (kept, read) = join!(
        bounded.is_answered_for(EXHAUSTED_AGE),
        latest.is_answered_for(EXHAUSTED_AGE)
    );
    assert_none_failed(&server, before);
    println!("faults: out of files: open connections: {kept}");
    println!("faults: out of files: open connections, the latest: {read}");
    assert!(!waiting.is_finished());
    limit.lift();
    let (exhausted, lifted) = (began.elapsed(), Instant::now());
    let call = tokio::time::timeout(MAX_CALL_AGE, waiting).await;
    call.expect("it is not accepted").unwrap().unwrap();
    let after = lifted.elapsed();
    println!("faults: files again: a new connection is served after {after:.2?}");
    assert_within(after, Duration::from_secs(1));
    failures.rises_by(1).await;
    // It is not repeated at once.
    let failures = server.scrape().await;
    let failures = failures.count("leadchat_inbox_accept_failures_total", &[]);
    assert!(failures <= exhausted.as_secs() + 1, "{failures}");
}

/// No connection to PostgreSQL can be opened in place of those that ended.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_files_connects_to_postgresql_later() {
    let database = Backend::Postgres.golden();
    let server = with_bound(Program::serving(&database)).start();
    let [mut bounded, mut latest] = callers(&server).await;
    let reads = Counter::begin(&server, STORE_READS, &UNAVAILABLE).await;
    let limit = FileLimit::exhausted(&server);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'leadchat-inbox'";
    block_in_place(|| Cluster::shared().psql(database.name(), end));
    let (kept, failed) = join!(
        bounded.until_refused(STORE_UNAVAILABLE),
        latest.until_refused(STORE_UNAVAILABLE)
    );
    println!("faults: out of files for PostgreSQL: refused {kept}");
    println!("faults: out of files for PostgreSQL: the latest is refused {failed}");
    for span in [kept, failed] {
        assert_within(span.took, Duration::from_secs(2));
    }
    limit.lift();
    let (back, latest) = join!(
        bounded.until_answered(STORE_UNAVAILABLE),
        latest.until_answered(STORE_UNAVAILABLE)
    );
    reads.rises_by(1).await;
    println!("faults: files for PostgreSQL again: answered {back}");
    println!("faults: files for PostgreSQL again: the latest is answered {latest}");
    for span in [back, latest] {
        assert_within(span.after, Duration::from_secs(2));
    }
}

/// A callers file with a rule for this account, as any viewer.
fn callers_file(account: i64) -> String {
    format!(
        "version = 1\n[[caller]]\nname = \"me\"\nlocal = true\n[[caller.may]]\n\
         methods = [\"GetInbox\"]\naccounts = [\"{account}\"]\nas = {{ users = \"any\" }}\n\
         detail = \"full\"\n"
    )
}

/// The last good one counts, and the next good one within seconds, without a signal.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_callers_file_changes_nothing() {
    let database = Backend::Sqlite.golden();
    let program = with_bound(Program::serving(&database)).with_callers(&callers_file(1));
    let server = program.start();
    let [mut bounded, mut latest] = callers(&server).await;
    let refused = &[("file", "callers"), ("result", "refused")];
    let reloads = Counter::begin(&server, "leadchat_inbox_reloads_total", refused).await;
    let broke = Instant::now();
    server.replace_callers(&callers_file(2).replace("GetInbox", "GetInbx"));
    eventually("it is refused", || {
        server.log().contains("the callers file cannot be used")
    })
    .await;
    println!(
        "faults: a callers file broke: logged after {:.2?}",
        broke.elapsed()
    );
    let before = server.log_bytes();
    let (kept, read) = join!(
        bounded.is_answered_for(2 * MAX_STALENESS_AGE),
        latest.is_answered_for(2 * MAX_STALENESS_AGE)
    );
    assert_none_failed(&server, before);
    println!("faults: a callers file broke: {kept}");
    println!("faults: a callers file broke: the latest: {read}");

    reloads.rises_by(1).await;
    let callers = ("file", "callers");
    becomes(&server, "leadchat_inbox_stale", &[callers], true).await;
    let corrected = Instant::now();
    server.replace_callers(&callers_file(2));
    let client = server.client().await;
    while client.get(any_inbox()).await.is_ok() {
        sleep(Duration::from_millis(20)).await;
        assert!(corrected.elapsed() < MAX_CALL_AGE, "it does not count");
    }
    let after = corrected.elapsed();
    println!("faults: a callers file is corrected: it counts after {after:.2?}");
    assert_within(after, Duration::from_secs(6));
    becomes(&server, "leadchat_inbox_stale", &[callers], false).await;
}
