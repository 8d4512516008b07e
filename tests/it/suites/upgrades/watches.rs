//! Watches while replicas are replaced: each goes on at the other replica with what it holds, and
//! no change is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tonic::{Code, transport::Endpoint};

use super::{
    ALONE_WINDOW, INBOXES_OF_KIND, Versions,
    replica::{self, Replica},
};
use crate::support::{
    Backend, Client, Database,
    account::account,
    client::viewer,
    pb, reason,
    watch::{Watch, resume, watch},
};

/// Watches of each of two viewers.
const WATCHES_OF_EACH: usize = 20;

/// The interval between two changes.
const CHANGE_INTERVAL: Duration = Duration::from_millis(50);

/// The delay until a watch is opened again, where a replica does not answer.
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// The time in which the last change has come to all.
const LAST_CHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The changed inbox: both viewers see it.
const CHANGED: i64 = 1;

/// The state of all watches of a run.
struct Run {
    addresses: [String; 2],
    /// The last change that was committed.
    last: AtomicU64,
    /// The replicas have been replaced: one more change may follow.
    is_replaced: AtomicBool,
    /// There is no further change.
    is_over: AtomicBool,
}

/// One client that watches, and what has become of it.
#[derive(Default)]
struct Watched {
    held: BTreeMap<i64, pb::Inbox>,
    events: u64,
    /// By reason, how often it had to go on elsewhere.
    ends: BTreeMap<String, u64>,
    /// The longest time between two newer names.
    longest_gap: Duration,
}

/// Replaces both replicas under watches: of the old version by the new one, and back. A version
/// without watches is left out.
pub async fn watches_lose_no_change(backend: Backend) {
    let versions = Versions::of_environment();
    let database = account(backend, INBOXES_OF_KIND).await;
    let old = if has_watches(&versions.old, &database).await {
        &versions.old
    } else {
        println!("the old version has no watches: both are the new one");
        &versions.new
    };
    let mut first = 1;
    for (signal, drain_wait) in [("TERM", "2s"), ("TERM", "0s"), ("KILL", "0s")] {
        println!("\n{}, SIG{signal}, drain wait {drain_wait}", backend.name());
        first = replace(first, [old, &versions.new], &database, signal, drain_wait).await;
    }
}

async fn has_watches(program: &Path, database: &Database) -> bool {
    let [address, _] = replica::free_addresses();
    let mut replica = Replica::start(program, &address, database, "0s").await;
    let opened = Client::connect(&address)
        .await
        .watch(watch(viewer::user(1)))
        .await;
    let has_watches = !matches!(&opened, Err(status) if status.code() == Code::Unimplemented);
    drop(opened);
    replica.stop("TERM").await;
    has_watches
}

/// Makes changes from this number on, and returns the next one.
async fn replace(
    first: u64,
    [old, new]: [&Path; 2],
    database: &Database,
    signal: &str,
    drain_wait: &str,
) -> u64 {
    let addresses = replica::free_addresses();
    let mut replicas = [
        Replica::start(old, &addresses[0], database, drain_wait).await,
        Replica::start(old, &addresses[1], database, drain_wait).await,
    ];
    let run = Arc::new(Run {
        addresses: addresses.clone(),
        last: AtomicU64::new(first),
        is_replaced: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    let mut watching = Vec::new();
    for number in 0..2 * WATCHES_OF_EACH {
        let user = i64::from(number % 2 == 0) + 1;
        let run = Arc::clone(&run);
        watching.push((user, tokio::spawn(keep(run, user, number / 2 % 2))));
    }
    let changing = change_until_over(&run, database);
    let replacing = async {
        sleep(ALONE_WINDOW).await;
        for (at, program) in [(0, new), (1, new), (0, old), (1, old)] {
            replicas[at].stop(signal).await;
            sleep(Duration::from_millis(500)).await;
            replicas[at] = Replica::start(program, &addresses[at], database, drain_wait).await;
            sleep(ALONE_WINDOW).await;
        }
        run.is_replaced.store(true, Ordering::SeqCst);
    };
    tokio::join!(changing, replacing);
    run.is_over.store(true, Ordering::SeqCst);

    let last = run.last.load(Ordering::SeqCst);
    let changes = last - first;
    let mut ends = BTreeMap::new();
    let (mut events, mut longest_gap) = (0, Duration::ZERO);
    let mut reasons = BTreeSet::new();
    for (user, watched) in watching {
        let watched = timeout(LAST_CHANGE_TIMEOUT, watched).await;
        let watched = watched.expect("the last change has not come").unwrap();
        let client = Client::connect(&addresses[0]).await;
        let list = pb::ListInboxesRequest {
            account_id: 1,
            viewer: Some(viewer::user(user)),
            freshness: pb::Freshness::Latest.into(),
            ..Default::default()
        };
        let listed = client.list(list).await.unwrap().message.inboxes;
        let listed: BTreeMap<_, _> = listed.into_iter().map(|it| (it.id, it)).collect();
        assert!(watched.held == listed, "user {user} holds another state");
        events += watched.events;
        longest_gap = longest_gap.max(watched.longest_gap);
        for (reason, count) in watched.ends {
            reasons.insert(reason.clone());
            *ends.entry(reason).or_insert(0) += count;
        }
    }
    println!(
        "{changes} changes, {events} events of {} watches, which ended: {ends:?}; \
         the longest time without a newer state was {longest_gap:.1?}",
        2 * WATCHES_OF_EACH
    );
    assert!(changes > 200 && events > changes, "{changes}, {events}");
    assert!(longest_gap < Duration::from_secs(20), "{longest_gap:?}");
    let expected = if signal == "TERM" {
        "SHUTTING_DOWN"
    } else {
        "connection"
    };
    assert!(reasons.contains(expected), "{reasons:?}");
    last + 1
}

/// Renames the inbox, each time to a later name.
async fn change_until_over(run: &Run, database: &Database) {
    let mut number = run.last.load(Ordering::SeqCst);
    while !run.is_replaced.load(Ordering::SeqCst) {
        number += 1;
        let sql = format!("UPDATE inboxes SET name = 'v{number}' WHERE id = {CHANGED}");
        database.execute(&sql).await;
        run.last.store(number, Ordering::SeqCst);
        sleep(CHANGE_INTERVAL).await;
    }
}

/// Watches until the last change has come, now at one replica and now at the other.
async fn keep(run: Arc<Run>, user: i64, first: usize) -> Watched {
    let mut watched = Watched::default();
    let mut at = first;
    let mut newest = Instant::now();
    loop {
        if let Some(watch) = open(&run, user, at, &watched.held).await {
            let end = take(&run, watch, &mut watched, &mut newest).await;
            let Some(end) = end else {
                return watched;
            };
            *watched.ends.entry(end).or_insert(0) += 1;
        } else {
            sleep(RETRY_DELAY).await;
        }
        at = 1 - at;
    }
}

async fn open(run: &Run, user: i64, at: usize, held: &BTreeMap<i64, pb::Inbox>) -> Option<Watch> {
    let endpoint = Endpoint::from_shared(format!("http://{}", run.addresses[at])).unwrap();
    let client = Client::over(endpoint.connect().await.ok()?);
    let request = resume(&watch(viewer::user(user)), held);
    client.watch_holding(request, held.clone()).await.ok()
}

/// Takes events until the watch ends: why it ended, or nothing once the last change has come.
async fn take(
    run: &Run,
    mut watch: Watch,
    watched: &mut Watched,
    newest: &mut Instant,
) -> Option<String> {
    let number = |held: &BTreeMap<i64, pb::Inbox>| -> u64 {
        let name = held.get(&CHANGED).map(|inbox| inbox.name.as_str());
        let number = name.and_then(|name| name.strip_prefix('v'));
        number.map_or(0, |number| number.parse().unwrap())
    };
    loop {
        let before = number(&watch.held);
        let is_over = run.is_over.load(Ordering::SeqCst);
        if is_over && before == run.last.load(Ordering::SeqCst) {
            watched.held = watch.held;
            return None;
        }
        let next = timeout(Duration::from_millis(200), watch.next()).await;
        let Ok(next) = next else { continue };
        match next {
            Ok(_) => {
                watched.events += 1;
                let now = number(&watch.held);
                assert!(now >= before, "v{now} after v{before}");
                if now > before {
                    watched.longest_gap = watched.longest_gap.max(newest.elapsed());
                    *newest = Instant::now();
                }
            }
            Err(status) => {
                watched.held = watch.held;
                // Without details, the connection has ended.
                let has_details = !status.details().is_empty();
                return Some(if has_details {
                    reason(&status)
                } else {
                    "connection".to_owned()
                });
            }
        }
    }
}
