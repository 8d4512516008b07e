//! A primary is killed, and its standby takes over.

use std::time::Duration;

use tokio::{join, task::block_in_place};

use super::{
    NAME,
    caller::{
        Counter, STORE_READS, STORE_UNAVAILABLE, UNAVAILABLE, assert_within, becomes, callers,
        with_bound,
    },
    filled,
};
use crate::support::Program;

/// The service has both hosts, and uses the one that is a primary.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_takes_over() {
    let primary = filled();
    let standby = primary.standby();
    let url = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{NAME}?target_session_attrs=read-write",
        primary.port, standby.port
    );
    let server = with_bound(Program::serving_at(&url)).start();
    let [mut bounded, mut latest] = callers(&server).await;
    let reads = Counter::begin(&server, STORE_READS, &UNAVAILABLE).await;
    block_in_place(|| primary.processes().kill());
    // A standby is no place for what asks for a primary, not even within the bound.
    let (kept, failed) = join!(
        bounded.until_refused(STORE_UNAVAILABLE),
        latest.until_refused(STORE_UNAVAILABLE)
    );
    println!("faults: the primary is killed: refused {kept}");
    println!("faults: the primary is killed: the latest is refused {failed}");
    assert!(kept.answered > 0);
    for span in [kept, failed] {
        assert_within(span.took, Duration::from_secs(2));
    }
    reads.rises_by(1).await;
    becomes(&server, "leadchat_inbox_store_up", &[], false).await;
    block_in_place(|| standby.psql("postgres", "SELECT pg_promote()"));
    let (back, latest) = join!(
        bounded.until_answered(STORE_UNAVAILABLE),
        latest.until_answered(STORE_UNAVAILABLE)
    );
    println!("faults: the standby was promoted: answered {back}");
    println!("faults: the standby was promoted: the latest is answered {latest}");
    for span in [back, latest] {
        assert_within(span.after, Duration::from_secs(2));
    }
    becomes(&server, "leadchat_inbox_store_up", &[], true).await;
    let log = server.log();
    for text in [
        "no database host can be used",
        "switched to another database host",
    ] {
        assert!(log.contains(text), "{text}");
    }
}
