//! An SQLite file is locked, or its disk is full.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{join, task::block_in_place};

use super::caller::{
    Counter, OK, STORE_READS, STORE_UNAVAILABLE, UNAVAILABLE, assert_none_failed, assert_within,
    callers, with_bound,
};
use crate::support::{
    Backend, Client, Database, Program,
    account::account,
    client::any_inbox,
    pb::{self, Freshness},
    viewer,
};

/// Reads wait for so long in SQLite itself for a lock that they do not get.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

fn file(database: &Database) -> String {
    database.url().replace("sqlite://", "")
}

/// The name of the first inbox, by a read that begins now.
async fn latest_name(client: &Client) -> String {
    let request = pb::GetInboxRequest {
        freshness: Freshness::Latest.into(),
        ..any_inbox()
    };
    let answer = client.get(request).await.unwrap();
    answer.message.inbox.unwrap().name
}

/// A writer that has the file for itself: readers see the state before.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_of_an_sqlite_file_delays_no_call() {
    let database = account(Backend::Sqlite, 1).await;
    let server = with_bound(Program::serving(&database)).start();
    let [mut bounded, mut latest] = callers(&server).await;
    let client = server.client().await;
    let name = latest_name(&client).await;
    let mut writer = database.connect().await;
    writer.run("BEGIN EXCLUSIVE").await.unwrap();
    let rename = "UPDATE inboxes SET name = 'renamed'";
    writer.run(rename).await.unwrap();
    let before = server.log_bytes();
    let reads = Counter::begin(&server, STORE_READS, &OK).await;
    let (kept, read) = join!(
        bounded.is_answered_for(Duration::from_secs(4)),
        latest.is_answered_for(Duration::from_secs(4))
    );
    assert_none_failed(&server, before);
    println!("faults: a writer has the SQLite file: {kept}");
    println!("faults: a writer has the SQLite file: the latest: {read}");
    assert_eq!(latest_name(&client).await, name);
    // Those of the latest are reads of their own.
    reads.rises_by(read.answered.div_ceil(2)).await;
    writer.run("COMMIT").await.unwrap();
    assert_eq!(latest_name(&client).await, "renamed");
}

/// A process that has the locks of readers for itself, which no SQLite does for long.
struct ReaderLocks(Child);

impl ReaderLocks {
    /// Waits until no read is under way.
    fn of(database: &Database) -> Self {
        // The bytes of the five locks of readers, as SQLite's `wal.c` and `os_unix.c` have them.
        let script = "import fcntl, sys
file = open(sys.argv[1] + '-shm', 'r+b')
fcntl.lockf(file, fcntl.LOCK_EX, 5, 123)
print('locked', flush=True)
sys.stdin.read()
";
        let child = Command::new("python3")
            .args(["-c", script, &file(database)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("the tests need Python: apt-get install python3");
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        Self(child)
    }
}

impl Drop for ReaderLocks {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sqlite_file_that_readers_are_locked_out_of_fails_reads() {
    let database = Backend::Sqlite.golden();
    let server = with_bound(Program::serving(&database)).start();
    let [mut bounded, mut latest] = callers(&server).await;
    let locks = block_in_place(|| ReaderLocks::of(&database));
    let reads = Counter::begin(&server, STORE_READS, &UNAVAILABLE).await;
    let (kept, failed) = join!(
        bounded.until_refused(STORE_UNAVAILABLE),
        latest.until_refused(STORE_UNAVAILABLE)
    );
    println!("faults: readers of the SQLite file are locked out: refused {kept}");
    println!("faults: readers of the SQLite file are locked out: the latest is refused {failed}");
    assert!(kept.answered > 0);
    reads.rises_by(1).await;
    drop(locks);
    let (back, latest) = join!(
        bounded.until_answered(STORE_UNAVAILABLE),
        latest.until_answered(STORE_UNAVAILABLE)
    );
    println!("faults: the SQLite file is unlocked: answered {back}");
    println!("faults: the SQLite file is unlocked: the latest is answered {latest}");
    for span in [back, latest] {
        assert_within(span.after, LOCK_TIMEOUT);
    }
}

/// A connection that has the file alone, before the program comes.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_locked_sqlite_file_is_refused() {
    let database = Backend::Sqlite.golden();
    let mut alone = database.connect().await;
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT";
    alone.run(lock).await.unwrap();
    let began = Instant::now();
    let said = block_in_place(|| Program::serving(&database).refusal());
    let after = began.elapsed();
    println!("faults: a start on a locked SQLite file is refused after {after:.2?}: {said}");
    assert_within(after, Duration::from_secs(2));
    drop(alone);
    let server = Program::serving(&database).start();
    server.client().await.get(any_inbox()).await.unwrap();
}

const DISK_KILOBYTES: u32 = 32 << 10;

/// Inboxes, a multiple of the kinds.
const LARGE_ACCOUNT: i64 = 13 * 30;

/// A server over a copy of the database on a disk of its own, where its temporary files are, too.
fn on_disk(database: &Database, is_full: bool) -> Program {
    let program = Program::serving(database);
    fs::copy(file(database), program.folder().join("store.db")).unwrap();
    let (store, folder) = (program.on_disk("store.db"), program.on_disk(""));
    let program = program
        .env("DATABASE_URL", &format!("sqlite://{store}"))
        .env("TMPDIR", &folder);
    with_bound(program).with_disk(DISK_KILOBYTES, is_full)
}

/// A database with an account of which a read sorts more than SQLite would do in memory by itself:
/// the long names of its avatars.
async fn large() -> Database {
    let database = account(Backend::Sqlite, LARGE_ACCOUNT / 13).await;
    let more = "UPDATE active_storage_blobs SET filename = printf('%.*c', 20000, 'x') || id;
        UPDATE inboxes SET name = 'first' WHERE id = 1;
        PRAGMA wal_checkpoint(TRUNCATE)";
    database.execute(more).await;
    database
}

/// Reads the whole account.
async fn listed(client: &Client) {
    let request = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer::user(1)),
        freshness: Freshness::Latest.into(),
        ..Default::default()
    };
    let began = Instant::now();
    let answer = client.list(request).await.unwrap().message;
    println!(
        "faults: the disk is full: a large account takes {:.2?}",
        began.elapsed()
    );
    assert!(answer.inboxes.len() > 50, "{}", answer.inboxes.len());
}

/// Reads write nothing. Another process that would write fails, until there is room.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_no_call() {
    let database = large().await;
    let server = on_disk(&database, false).start();
    let [mut bounded, mut latest] = callers(&server).await;
    server.fill_disk();
    let rename = "UPDATE inboxes SET name = 'renamed' WHERE id = 1";
    let said = block_in_place(|| server.execute_on_disk("store.db", rename));
    assert_eq!(said, "database or disk is full");
    let before = server.log_bytes();
    let reads = Counter::begin(&server, STORE_READS, &OK).await;
    let client = server.client().await;
    let (kept, read, ()) = join!(
        bounded.is_answered_for(Duration::from_secs(4)),
        latest.is_answered_for(Duration::from_secs(4)),
        listed(&client)
    );
    assert_none_failed(&server, before);
    println!("faults: the disk is full: {kept}");
    println!("faults: the disk is full: the latest: {read}");
    assert_eq!(latest_name(&client).await, "first");
    reads.rises_by(read.answered.div_ceil(2)).await;
    server.empty_disk();
    let said = block_in_place(|| server.execute_on_disk("store.db", rename));
    assert_eq!(said, "");
    assert_eq!(latest_name(&client).await, "renamed");
}

/// SQLite has to write files of its own beside the file, for its first connection.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_full_disk_is_refused() {
    let database = Backend::Sqlite.golden();
    let began = Instant::now();
    let said = block_in_place(|| on_disk(&database, true).refusal());
    println!(
        "faults: a start on a full disk is refused after {:.2?}: {said}",
        began.elapsed()
    );
    assert!(said.contains("the disk is full"), "{said}");
    let new = on_disk(&database, true);
    let url = format!("sqlite://{}", new.on_disk("new.db"));
    let said = block_in_place(|| new.env("DATABASE_URL", &url).refusal());
    assert!(said.contains("the disk is full"), "{said}");
}
