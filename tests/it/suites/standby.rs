//! A hot standby: a replica that streams from its primary, and only reads. And
//! databases whose transactions are read-only by default.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tonic::Code;

use crate::support::{
    Backend, Client, Program,
    answers::{self, answers, assert_same},
    client::{any_inbox as request, retried},
    cluster::{Cluster, Setup},
    log::{answered_anew, failed_reads, late_reads},
    pb,
    program::{WAIT_TIMEOUT, eventually},
    viewer,
};

const NAME: &str = "leadchat";

/// Sends at once what is committed, and keeps nothing for the sake of a standby.
fn primary() -> Cluster {
    let primary = Cluster::with(&Setup {
        lines: vec!["synchronous_commit = local", "autovacuum = off"],
        ..Setup::default()
    });
    answers::fill(&primary, NAME);
    primary
}

/// Replays at once, whoever is in the way.
fn standby_of(primary: &Cluster) -> Cluster {
    let standby = Cluster::with(&Setup {
        lines: vec!["max_standby_streaming_delay = 0"],
        replica_of: Some(primary.port),
        ..Setup::default()
    });
    assert_eq!(standby.psql(NAME, "SELECT pg_is_in_recovery()").trim(), "t");
    standby
}

fn serving(cluster: &Cluster) -> Program {
    Program::serving_at(&cluster.url(NAME)).args(["--max-concurrent-reads", "16"])
}

/// Waits until an inbox has a name.
async fn is_named(client: &Client, name: &str) {
    let end = Instant::now() + WAIT_TIMEOUT;
    loop {
        let answer = retried(|| client.get(request())).await;
        let inbox = answer.unwrap().message.inbox.unwrap();
        if inbox.name == name {
            return;
        }
        assert!(Instant::now() < end, "not replayed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_answers_as_its_primary() {
    let primary = primary();
    let standby = standby_of(&primary);
    let server = serving(&primary).start();
    let those = answers(&server.client().await).await;
    drop(server);
    let server = serving(&standby).start();
    let client = server.client().await;
    let these = answers(&client).await;
    println!("standby: {} answers, byte for byte", these.len());
    assert_same(&those, &these);

    primary.psql(NAME, "UPDATE inboxes SET name = 'renamed' WHERE id = 1");
    is_named(&client, "renamed").await;
    // A migration of the primary's arrives as well.
    primary.psql(
        NAME,
        "ALTER TABLE channel_api ADD COLUMN secret varchar;
        UPDATE channel_api SET secret = 'signs'; UPDATE inboxes SET name = 'again' WHERE id = 1",
    );
    is_named(&client, "again").await;
    let signed = |inbox: &pb::Inbox| {
        let Some(pb::inbox::Channel::Api(api)) = &inbox.channel else {
            return false;
        };
        api.secret.as_deref() == Some("signs")
    };
    assert!(client.all(1, viewer::user(1)).await.iter().any(signed));
}

const CALLERS: usize = 4;

/// Callers that count.
struct Callers {
    end: Arc<AtomicBool>,
    answered: Arc<[AtomicUsize; CALLERS]>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Callers {
    fn begin(client: &Client) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let answered = Arc::<[AtomicUsize; CALLERS]>::default();
        let tasks = (0..CALLERS).map(|caller| {
            let (client, end, answered) = (client.clone(), end.clone(), answered.clone());
            tokio::spawn(async move {
                while !end.load(Ordering::SeqCst) {
                    if caller == 0 {
                        let got = retried(|| client.get(request())).await;
                        got.unwrap();
                    } else {
                        let list = pb::ListInboxesRequest {
                            account_id: 1,
                            viewer: Some([viewer::user(1), viewer::service()][caller % 2]),
                            ..Default::default()
                        };
                        let listed = retried(|| client.list(list.clone())).await;
                        assert_eq!(listed.unwrap().message.inboxes.len(), 88);
                    }
                    answered[caller].fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        Self {
            tasks: tasks.collect(),
            end,
            answered,
        }
    }

    fn answered(&self) -> usize {
        total(self.answered.as_slice())
    }

    /// Waits until each has an answer to a call that it began after this. There is none
    /// when one has failed.
    async fn are_all_answered(&self) {
        let counts = || self.answered.each_ref().map(|it| it.load(Ordering::SeqCst));
        let before = counts();
        let is_answered = |(now, before): (&usize, &usize)| *now >= before + 2;
        while !counts().iter().zip(&before).all(is_answered) && !self.has_failed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn has_failed(&self) -> bool {
        self.tasks.iter().any(tokio::task::JoinHandle::is_finished)
    }

    async fn end(self) -> usize {
        self.end.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        total(self.answered.as_slice())
    }
}

fn total(counts: &[AtomicUsize]) -> usize {
    let counts = counts.iter().map(|count| count.load(Ordering::SeqCst));
    counts.sum()
}

/// Changes that a standby cannot replay during a read of the state before: deleted rows,
/// and changed tables. Each is a row of changes, one right after another.
const CHANGES: [&str; 4] = [
    "UPDATE inboxes SET updated_at = updated_at + interval '1 s'; VACUUM inboxes",
    "UPDATE working_hours SET updated_at = updated_at + interval '1 s';
    UPDATE channel_email SET updated_at = updated_at + interval '1 s';
    VACUUM working_hours; VACUUM channel_email",
    "ALTER TABLE channel_line ADD COLUMN novelty text;
    ALTER TABLE inboxes ADD COLUMN novelty text",
    "ALTER TABLE channel_line DROP COLUMN novelty; ALTER TABLE inboxes DROP COLUMN novelty",
];

/// How many reads a standby has ended: for rows, for tables, for other reasons.
fn conflicts(standby: &Cluster) -> Vec<usize> {
    let counted = standby.psql(
        NAME,
        "SELECT confl_snapshot, confl_lock, confl_bufferpin + confl_deadlock
        FROM pg_stat_database_conflicts WHERE datname = current_database()",
    );
    let counts = counted.trim().split('|');
    counts.map(|count| count.parse().unwrap()).collect()
}

/// Rows that are gone on the primary, and tables that it changes, end reads on the
/// standby. They begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_for_what_a_standby_replays() {
    let primary = primary();
    let standby = standby_of(&primary);
    let server = serving(&standby).start();
    let callers = Callers::begin(&server.client().await);
    let conflicts = || conflicts(&standby);
    let end = Instant::now() + 2 * WAIT_TIMEOUT;
    let mut changes = 0;
    // Until both kinds were met, and for some time at least.
    while conflicts()[..2].iter().any(|count| *count < 5) || callers.answered() < 200 {
        for change in CHANGES {
            tokio::task::block_in_place(|| primary.psql(NAME, change));
            changes += 1;
            // However slow the machine is, no read meets more than one row and the next.
            callers.are_all_answered().await;
        }
        if Instant::now() > end || callers.has_failed() {
            break;
        }
    }
    let calls = callers.end().await;
    let conflicts = conflicts();
    let log = server.log();
    let anew = answered_anew(&log);
    let late = late_reads(&log);
    println!(
        "standby: {calls} calls while the primary changed {changes} times; conflicts of snapshots, locks, \
         others: {conflicts:?}; {anew} calls were answered by a read that had begun \
         anew, {late} reads were late"
    );
    assert_eq!(failed_reads(&log), [""; 0]);
    assert!(conflicts[0] >= 5 && conflicts[1] >= 5, "{conflicts:?}");
    assert!(anew >= 5, "{anew}");
}

/// Nor does that end a check, or a start.
#[test]
fn a_check_is_not_ended_by_what_a_standby_replays() {
    let primary = primary();
    let standby = standby_of(&primary);
    let done = AtomicBool::new(false);
    let checks: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            // An end, should a check have none.
            for change in CHANGES.iter().cycle().take(500) {
                if !done.load(Ordering::Relaxed) {
                    // As slow as the machine is, so that a read has time enough between two.
                    let began = Instant::now();
                    primary.psql(NAME, change);
                    thread::sleep(Duration::from_millis(100) + began.elapsed());
                }
            }
        });
        let mut checks = Vec::new();
        // Some of what they read was ended for a change.
        while checks.len() < 5 || conflicts(&standby).iter().sum::<usize>() < 5 {
            drop(serving(&standby).start());
            let check = Program::new(&["check"]).env("DATABASE_URL", &standby.url(NAME));
            let check = check.env("FRONTEND_URL", "https://chat.example.test");
            checks.push(check.output());
            assert!(checks.len() < 100, "nothing was in the way of a change");
        }
        done.store(true, Ordering::Relaxed);
        checks
    });
    for check in checks {
        let report = String::from_utf8(check.stdout).unwrap();
        assert_eq!(check.status.code(), Some(0), "{report}");
        assert!(report.contains("standby"), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_a_standby_is_promoted() {
    let primary = primary();
    let standby = standby_of(&primary);
    let server = serving(&standby).start();
    let client = server.client().await;
    let callers = Callers::begin(&client);
    eventually("calls go on", || callers.answered() > 10).await;
    drop(primary);
    tokio::task::block_in_place(|| standby.psql(NAME, "SELECT pg_promote()"));
    let before = callers.answered();
    standby.psql(NAME, "UPDATE inboxes SET name = 'promoted' WHERE id = 1");
    is_named(&client, "promoted").await;
    eventually("calls go on", || callers.answered() > before + 10).await;
    println!("standby: {} calls around a promotion", callers.end().await);
    assert_eq!(failed_reads(&server.log()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_of_an_own_store_is_served_and_not_migrated() {
    let primary = Cluster::start();
    primary.create_database("own", None);
    let migrate =
        |cluster: &Cluster| Program::new(&["migrate"]).env("DATABASE_URL", &cluster.url("own"));
    let migrated = migrate(&primary).output();
    assert!(migrated.status.success());
    let standby = primary.standby();
    let said = migrate(&standby).refusal();
    assert!(
        said.contains("read-only") && said.contains("standby"),
        "{said}"
    );
    let server = Program::serving_at(&standby.url("own")).start();
    let client = server.client().await;
    let status = client.get(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

/// Whether the database says so or the user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_database_is_served_and_not_migrated() {
    let cluster = Cluster::shared();
    for what in ["DATABASE", "ROLE"] {
        let database = Backend::Postgres.golden();
        let name = database.name();
        let user = format!("reads_{name}");
        let of = if what == "ROLE" { &user } else { name };
        cluster.psql(
            name,
            &format!(
                "CREATE ROLE {user} LOGIN SUPERUSER;
                ALTER {what} {of} SET default_transaction_read_only = on"
            ),
        );
        let url = database.url().replace("postgres@", &format!("{user}@"));
        let server = Program::serving_at(&url).start();
        let client = server.client().await;
        assert_eq!(client.all(1, viewer::user(1)).await.len(), 88);
        drop(server);
        let said = Program::new(&["migrate"])
            .env("DATABASE_URL", &url)
            .refusal();
        assert!(said.contains("default_transaction_read_only"), "{said}");
    }
}
