//! Two replicas under load are replaced by another version, one after the other, and back.
//!
//! `make upgrade` builds the other version, and runs this suite alone. The callers are those of
//! the client for Go, in four kinds: as it is published, without retries but watching the health
//! of the replicas, with neither, and as a load balancer that polls the health.

mod load;
mod replica;
mod watches;

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::support::{Backend, Client, Database, account::account, pb, viewer};
use load::{BALANCER, HEALTH, Load, NEITHER, Outcome, PUBLISHED};
use replica::Replica;
use watches::watches_lose_no_change;

/// Thirteen kinds of inboxes; the load knows how many there are.
const INBOXES_OF_KIND: i64 = 3;

/// How long the versions are measured alone.
const ALONE_WINDOW: Duration = Duration::from_secs(4);

/// A client of gRPC may connect again so much later than after the time that a replica was away.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);

on_both_databases!(
    #[ignore = "make upgrade"]
    no_call_fails_while_replicas_are_replaced,
    #[ignore = "make upgrade"]
    watches_lose_no_change,
);

/// The programs of the two versions.
struct Versions {
    old: PathBuf,
    new: PathBuf,
}

impl Versions {
    fn of_environment() -> Self {
        let old = env::var("UPGRADE_FROM").expect("run `make upgrade`, which builds a version");
        let new = Path::new(env!("CARGO_BIN_EXE_leadchat-inbox"));
        assert_ne!(fs::read(&old).unwrap(), fs::read(new).unwrap());
        Self {
            old: old.into(),
            new: new.into(),
        }
    }
}

async fn no_call_fails_while_replicas_are_replaced(backend: Backend) {
    let versions = Versions::of_environment();
    let database = account(backend, INBOXES_OF_KIND).await;
    let with_wait = replace(&versions, &database, "TERM", "2s").await;
    for kind in [PUBLISHED, HEALTH, BALANCER] {
        let (name, failed) = (with_wait.name(kind), with_wait.sum(kind, |it| it.failed));
        assert_eq!(failed, 0, "{name}");
    }
    // The library of a client that watches the health may still begin a call anew: the connection
    // is told to end at that very moment.
    let again = |kind| with_wait.sum(kind, |it| it.retried + it.transparent);
    println!(
        "{}: {} second attempts",
        with_wait.name(HEALTH),
        again(HEALTH)
    );
    assert_eq!(again(BALANCER), 0, "{}", with_wait.name(BALANCER));
    if backend == Backend::Postgres {
        let without_wait = replace(&versions, &database, "TERM", "0s").await;
        assert_eq!(without_wait.sum(PUBLISHED, |it| it.failed), 0);
        // Calls that are cut off are noticed, so the counts above mean something.
        let killed = replace(&versions, &database, "KILL", "2s").await;
        let noticed = [PUBLISHED, HEALTH, NEITHER, BALANCER]
            .map(|kind| killed.sum(kind, |it| it.failed + it.retried));
        assert!(noticed.iter().sum::<u64>() > 0, "{noticed:?}");
    }
}

/// Replaces both replicas by the new version, then by the old one, while callers ask both.
async fn replace(
    versions: &Versions,
    database: &Database,
    signal: &str,
    drain_wait: &str,
) -> Outcome {
    let store = database.backend().name();
    println!("\n{store}, stopped by SIG{signal} with --drain-wait {drain_wait}");
    let addresses = replica::free_addresses();
    let start = async |program: &Path, at: usize| {
        Replica::start(program, &addresses[at], database, drain_wait).await
    };
    let mut replicas = [start(&versions.old, 0).await, start(&versions.old, 1).await];
    let mut load = Load::start(&addresses);
    let mut phases = Vec::new();
    load.begin("old, old");
    sleep(ALONE_WINDOW).await;
    for (at, program, name) in [
        (0, &versions.new, "to new, old"),
        (1, &versions.new, "to new, new"),
        (0, &versions.old, "back to old, new"),
        (1, &versions.old, "back to old, old"),
    ] {
        phases.push(load.begin(name));
        let began = Instant::now();
        let ended_in = replicas[at].stop(signal).await;
        let away = Instant::now();
        replicas[at] = start(program, at).await;
        let away = away.elapsed();
        println!(
            "{name}: ended in {ended_in:.1?}, away for {away:.1?}, serving after {:.1?}",
            began.elapsed()
        );
        // As docs/operations.md says: the clients have connected again by then.
        sleep(away + RECONNECT_DELAY).await;
        phases.push(load.begin("beside"));
        assert_one_service(&addresses).await;
        let before = replicas.each_ref().map(Replica::answers);
        sleep(ALONE_WINDOW).await;
        let after = replicas.each_ref().map(Replica::answers);
        let has_share = before
            .iter()
            .zip(&after)
            .all(|(before, after)| after > before);
        assert!(has_share, "a replica has no calls: {before:?}, {after:?}");
    }
    phases.push(load.end());
    let outcome = Outcome { phases };
    outcome.print();
    outcome
}

/// Whichever version answers, page tokens of one continue on the other, and inboxes are equal.
async fn assert_one_service(addresses: &[String; 2]) {
    let [first, second] = [0, 1].map(|at| Client::connect(&addresses[at]));
    let clients = [first.await, second.await];
    let mut etags = [0, 0];
    for viewer in [viewer::user(1), viewer::user(2), viewer::service()] {
        let whole = clients[0].all(1, viewer).await;
        let ids = |inboxes: &[pb::Inbox]| inboxes.iter().map(|it| it.id).collect::<Vec<_>>();
        for begin in [0, 1] {
            let pages = alternating_pages(&clients, begin, viewer).await;
            assert_eq!(ids(&pages), ids(&whole));
            let are_equal = pages.iter().zip(&whole).filter(|(a, b)| a.etag == b.etag);
            etags[0] += are_equal.count();
            etags[1] += whole.len();
        }
    }
    println!(
        "page tokens hold; {} of {} etags are equal",
        etags[0], etags[1]
    );
}

/// All inboxes, each page from the other replica than the page before.
async fn alternating_pages(
    clients: &[Client; 2],
    begin: usize,
    viewer: pb::Viewer,
) -> Vec<pb::Inbox> {
    let mut request = pb::ListInboxesRequest {
        account_id: 1,
        viewer: Some(viewer),
        page_size: 4,
        ..Default::default()
    };
    let mut inboxes = Vec::new();
    for client in clients.iter().cycle().skip(begin) {
        let page = client.list(request.clone()).await.unwrap().message;
        inboxes.extend(page.inboxes);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    inboxes
}
