//! PostgreSQL is killed, paused and restarted; it becomes read-only, or a standby.

use std::time::Duration;

use tokio::{join, task::block_in_place, time::sleep};

use super::{
    NAME,
    caller::{
        Caller, Counter, LATEST_ON_STANDBY, OK, STORE_READS, STORE_UNAVAILABLE, UNAVAILABLE,
        assert_none_failed, assert_within, becomes, callers, with_bound,
    },
    filled,
};
use crate::support::{
    Program,
    cluster::{Cluster, Processes},
    pb::Freshness,
    program::Server,
};

/// How an outage begins or ends.
type Step = fn(&mut Processes);

fn serving(cluster: &Cluster) -> Server {
    with_bound(Program::serving_at(&cluster.url(NAME))).start()
}

/// Answers go on within the bound, and then calls are refused, each within a time; the latest is
/// refused at once.
async fn outage(what: &str, begin: Step, end: Step, limit: Duration) {
    let cluster = filled();
    let server = serving(&cluster);
    let [mut bounded, mut latest] = callers(&server).await;
    let mut processes = cluster.processes();
    let reads = Counter::begin(&server, STORE_READS, &UNAVAILABLE).await;
    block_in_place(|| begin(&mut processes));
    let (kept, failed) = join!(
        bounded.until_refused(STORE_UNAVAILABLE),
        latest.until_refused(STORE_UNAVAILABLE)
    );
    println!("faults: PostgreSQL is {what}: refused {kept}");
    println!("faults: PostgreSQL is {what}: the latest is refused {failed}");
    assert!(kept.answered > 0);
    for span in [kept, failed] {
        assert_within(span.took, limit);
    }
    reads.rises_by(1).await;
    becomes(&server, "leadchat_inbox_store_up", &[], false).await;
    block_in_place(|| end(&mut processes));
    let (back, latest) = join!(
        bounded.until_answered(STORE_UNAVAILABLE),
        latest.until_answered(STORE_UNAVAILABLE)
    );
    println!("faults: PostgreSQL was {what}: answered {back}");
    println!("faults: PostgreSQL was {what}: the latest is answered {latest}");
    becomes(&server, "leadchat_inbox_store_up", &[], true).await;
    for span in [back, latest] {
        assert_within(span.after, limit);
    }
}

#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgresql_is_used_again() {
    let limit = Duration::from_secs(2);
    outage("killed", Processes::kill, Processes::start_again, limit).await;
}

#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_postgresql_is_used_again() {
    let limit = Duration::from_secs(6);
    outage("paused", Processes::pause, Processes::resume, limit).await;
}

/// A read that is under way is given up, since nothing comes of it.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_a_postgresql_that_is_paused_is_given_up() {
    const ROUNDS: usize = 20;
    let cluster = filled();
    let slow = "ALTER TABLE working_hours RENAME TO hours;
        CREATE VIEW working_hours AS
            SELECT * FROM hours WHERE (SELECT CAST(pg_sleep(0.7) AS text)) IS NOT NULL";
    block_in_place(|| cluster.psql(NAME, slow));
    let server = serving(&cluster);
    let is_read = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let mut latest = Caller::new(&server, Freshness::Latest).await;
    let mut processes = cluster.processes();
    for _ in 0..ROUNDS {
        latest.until_answered(STORE_UNAVAILABLE).await;
        let reads = Counter::begin(&server, STORE_READS, &UNAVAILABLE).await;
        let (failed, ()) = join!(latest.until_refused(STORE_UNAVAILABLE), async {
            while block_in_place(|| cluster.psql(NAME, is_read)).trim() == "0" {
                sleep(Duration::from_millis(5)).await;
            }
            block_in_place(|| processes.pause());
        });
        block_in_place(|| processes.resume());
        println!("faults: PostgreSQL is paused during a read: refused {failed}");
        assert_within(failed.took, Duration::from_secs(6));
        // Otherwise the read had its answer before.
        if failed.took > Duration::from_secs(3) {
            let back = latest.until_answered(STORE_UNAVAILABLE).await;
            println!("faults: PostgreSQL was paused during a read: answered {back}");
            reads.rises_by(1).await;
            return;
        }
    }
    panic!("no read was under way");
}

/// By its operator, who stops it and starts it: once without a pause, once with one.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_postgresql_is_used_again() {
    let limit = Duration::from_secs(2);
    let cluster = filled();
    let server = serving(&cluster);
    let [mut bounded, mut latest] = callers(&server).await;
    let mut processes = cluster.processes();
    block_in_place(|| {
        processes.stop();
        processes.start_again();
    });
    let (of_bounded, of_latest) = join!(
        bounded.until_answered(STORE_UNAVAILABLE),
        latest.until_answered(STORE_UNAVAILABLE)
    );
    println!("faults: PostgreSQL was restarted at once: answered {of_bounded}");
    println!("faults: PostgreSQL was restarted at once: the latest is answered {of_latest}");
    drop(server);
    outage("stopped", Processes::stop, Processes::start_again, limit).await;
}

/// A service that only reads does not notice.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_postgresql_is_read() {
    let cluster = filled();
    let server = serving(&cluster);
    let [mut bounded, mut latest] = callers(&server).await;
    let read_only = format!(
        "ALTER DATABASE {NAME} SET default_transaction_read_only = on;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'leadchat-inbox'"
    );
    let before = server.log_bytes();
    block_in_place(|| cluster.psql("postgres", &read_only));
    let reads = Counter::begin(&server, STORE_READS, &OK).await;
    let (bounded, latest) = join!(
        bounded.is_answered_for(Duration::from_secs(4)),
        latest.is_answered_for(Duration::from_secs(4))
    );
    assert_none_failed(&server, before);
    println!("faults: PostgreSQL is read-only: {bounded}");
    println!("faults: PostgreSQL is read-only: the latest: {latest}");
    // Those of the latest are reads of their own.
    reads.rises_by(latest.answered.div_ceil(2)).await;
    let shown = cluster.psql(NAME, "SHOW transaction_read_only");
    assert_eq!(shown.trim(), "on");
}

/// A primary that is demoted answers within the bound and refuses the latest, until it is a
/// primary again.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_refuses_the_latest_until_it_is_promoted() {
    let cluster = filled();
    let server = serving(&cluster);
    let [mut bounded, mut latest] = callers(&server).await;
    let mut processes = cluster.processes();
    let reads = Counter::begin(&server, STORE_READS, &[("result", "standby")]).await;
    block_in_place(|| {
        processes.stop();
        processes.become_standby();
        processes.start_again();
    });
    // Calls may fail during the restart.
    bounded.until_answered(STORE_UNAVAILABLE).await;
    let before = server.log_bytes();
    let (kept, refused) = join!(
        bounded.is_answered_for(Duration::from_secs(4)),
        latest.until_refused(LATEST_ON_STANDBY)
    );
    assert_none_failed(&server, before);
    println!("faults: PostgreSQL is a standby: {kept}");
    println!("faults: PostgreSQL is a standby: the latest is refused {refused}");
    assert_within(refused.took, Duration::from_secs(1));
    reads.rises_by(1).await;
    block_in_place(|| cluster.psql("postgres", "SELECT pg_promote()"));
    let back = latest.until_answered(LATEST_ON_STANDBY).await;
    println!("faults: PostgreSQL was promoted: the latest is answered {back}");
    assert_within(back.after, Duration::from_secs(1));
}
