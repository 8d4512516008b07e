//! Pollers over a simulated store, whose reads take as long as a test says. Time is simulated.

mod store;

use std::sync::atomic::Ordering::SeqCst;

use tokio::time::{Instant, advance};

use super::*;
use crate::domain::{
    freshness::Freshness,
    id::UserId,
    permit::Permit,
    secret_group::SecretGroups,
    viewer::{Detail, Viewer},
};
use store::{CLOCK, Store, now};

const MAX_STALENESS_AGE: Duration = Duration::from_secs(2);
const MANY_BYTES: usize = 1 << 20;

fn pollers(store: &Arc<Store>) -> AccountPollers<Arc<Store>> {
    pollers_within(store, MAX_STALENESS_AGE, MANY_BYTES)
}

fn pollers_within(
    store: &Arc<Store>,
    max_staleness: Duration,
    bytes: usize,
) -> AccountPollers<Arc<Store>> {
    let bounds = WatchBounds {
        max_staleness,
        bytes,
    };
    AccountPollers::new(Arc::clone(store), bounds, CLOCK, WatchMetrics::default())
}

impl AccountPollers<Arc<Store>> {
    async fn begin(&self, account: i64) -> Result<PolledWatch, DirectoryError> {
        let options = ReadOptions {
            freshness: Freshness::Current,
            arrived: now(),
            deadline: (Instant::now() + Duration::from_mins(1)).into_std(),
        };
        self.watch(AccountId(account), options).await
    }

    /// A watch of each of so many accounts.
    async fn begin_all(&self, accounts: i64) -> Vec<PolledWatch> {
        let mut watches = Vec::new();
        for account in 1..=accounts {
            watches.push(self.begin(account).await.unwrap());
        }
        watches
    }
}

/// The last change that a watch shows.
fn shown(watch: &mut PolledWatch, account: i64) -> String {
    let answer = watch.newest().unwrap();
    let permit = Permit::grant(
        AccountId(account),
        Viewer::User(UserId(1)),
        SecretGroups::NONE,
        Detail::Full,
    );
    let access = answer.access(&permit).unwrap();
    let (name, _) = access.inboxes().next().unwrap();
    name.to_owned()
}

fn reads(store: &Store) -> Vec<(i64, Duration, Duration)> {
    std::mem::take(&mut *store.reads.lock().unwrap())
}

async fn pass(seconds: u64) {
    pass_ms(seconds * 1000).await;
}

async fn pass_ms(milliseconds: u64) {
    // In steps, so that tasks run in between.
    for _ in 0..milliseconds / 50 {
        advance(Duration::from_millis(50)).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_is_read_no_more_often_than_at_half_the_bound() {
    let store = Arc::new(Store::default());
    store.read_ms.store(10, SeqCst);
    let pollers = pollers(&store);
    let mut watch = pollers.begin(1).await.unwrap();
    let mut other = pollers.begin(1).await.unwrap();
    pass(10).await;
    let began: Vec<_> = reads(&store).iter().map(|(_, began, _)| *began).collect();
    assert!((9..=10).contains(&began.len()), "{began:?}");
    for pair in began.windows(2) {
        assert!(pair[1] >= pair[0] + MAX_STALENESS_AGE / 2, "{began:?}");
    }
    store.changes.store(7, SeqCst);
    watch.changed().await;
    other.changed().await;
    assert_eq!(
        (shown(&mut watch, 1), shown(&mut other, 1)),
        ("7".into(), "7".into())
    );
}

/// Reads that fail are no more frequent.
#[tokio::test(start_paused = true)]
async fn a_read_that_fails_is_not_repeated_at_once() {
    let store = Arc::new(Store::default());
    let pollers = pollers_within(&store, Duration::from_mins(1), MANY_BYTES);
    let _watch = pollers.begin(1).await.unwrap();
    pass(35).await;
    reads(&store);
    store.fails.store(true, SeqCst);
    pass(60).await;
    let count = reads(&store).len();
    assert!((1..=2).contains(&count), "{count}");
}

/// Where no answer may be remembered, it is once a second.
#[tokio::test(start_paused = true)]
async fn without_a_bound_an_account_is_read_each_second() {
    let store = Arc::new(Store::default());
    let pollers = pollers_within(&store, Duration::ZERO, MANY_BYTES);
    let _watch = pollers.begin(1).await.unwrap();
    pass(10).await;
    let count = reads(&store).len();
    assert!((9..=10).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn a_rest_follows_the_read_of_an_account_without_watches() {
    let store = Arc::new(Store::default());
    let pollers = pollers(&store);
    let watches = (
        pollers.begin(1).await.unwrap(),
        pollers.begin(2).await.unwrap(),
    );
    store.read_ms.store(1000, SeqCst);
    // Within the first read, its watches end.
    while store.begun.load(SeqCst) == 0 {
        pass_ms(50).await;
    }
    pass_ms(200).await;
    let (first, second) = watches;
    drop(first);
    pass(10).await;
    drop(second);
    let reads = reads(&store);
    let (account, began, ended) = reads[0];
    assert!(
        account == 1 && ended >= began + Duration::from_secs(1),
        "{reads:?}"
    );
    assert!(reads[1].1 >= ended + Duration::from_secs(3), "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn pollers_read_one_by_one_and_rest() {
    let store = Arc::new(Store::default());
    store.read_ms.store(100, SeqCst);
    let pollers = pollers(&store);
    let _watches = pollers.begin_all(5).await;
    pass(20).await;
    let reads = reads(&store);
    for pair in reads.windows(2) {
        let (_, began, ended) = pair[0];
        let rest = ended.saturating_sub(began) * 3;
        assert!(pair[1].1 >= ended + rest, "{pair:?}");
    }
    // None is left out.
    for account in 1..=5 {
        let count = reads.iter().filter(|read| read.0 == account).count();
        assert!((8..=12).contains(&count), "{account}: {count}");
    }
}

/// Of two reads that overlap, the one that began first shows the later state here.
#[tokio::test(start_paused = true)]
async fn a_state_is_not_replaced_by_an_earlier_one() {
    let store = Arc::new(Store::default());
    store.read_ms.store(1000, SeqCst);
    store.polls_see_late.store(true, SeqCst);
    let pollers = Arc::new(pollers(&store));
    let mut first = pollers.begin(1).await.unwrap();
    for round in 1..=5 {
        // A poll is under way, and a watch begins before the change that the poll shows.
        let polls = store.begun.load(SeqCst);
        while store.begun.load(SeqCst) == polls {
            pass_ms(50).await;
        }
        pass_ms(400).await;
        let joining = tokio::spawn({
            let pollers = Arc::clone(&pollers);
            async move { pollers.begin(1).await.unwrap() }
        });
        pass_ms(200).await;
        store.changes.store(round, SeqCst);
        first.changed().await;
        assert_eq!(shown(&mut first, 1), round.to_string());
        let mut joined = joining.await.unwrap();
        assert_eq!(shown(&mut joined, 1), round.to_string());
        assert_eq!(shown(&mut first, 1), round.to_string());
    }
}

/// The moment of a state that nothing has changed stays, when something changes.
#[tokio::test(start_paused = true)]
async fn the_moment_of_a_state_does_not_go_back() {
    let store = Arc::new(Store {
        has_version: true,
        ..Store::default()
    });
    let pollers = pollers(&store);
    let mut watch = pollers.begin(1).await.unwrap();
    pass(600).await;
    let before = watch.newest().unwrap().as_of;
    assert!(before.0 + Duration::from_secs(1) > now().0);
    // The read of the change fails, ten minutes after the last one.
    store.fails.store(true, SeqCst);
    store.changes.store(1, SeqCst);
    pass(20).await;
    let during = watch.newest().unwrap().as_of;
    assert!(during >= before, "{during:?}, {before:?}");
    store.fails.store(false, SeqCst);
    watch.changed().await;
    assert_eq!(shown(&mut watch, 1), "1");
    assert!(watch.newest().unwrap().as_of > during);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_would_delay_the_others_is_refused() {
    let store = Arc::new(Store::default());
    store.read_ms.store(5000, SeqCst);
    let pollers = pollers(&store);
    let first = pollers.begin(1).await.unwrap();
    let refused = pollers.begin(2).await;
    assert!(matches!(refused, Err(DirectoryError::TooManyWatches)));
    // One that is watched anyway costs nothing more.
    let _second = pollers.begin(1).await.unwrap();
    drop((first, refused));
    store.read_ms.store(10, SeqCst);
    pass(60).await;
    pollers.begin(2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_memory_of_watched_accounts_is_bounded() {
    let store = Arc::new(Store::default());
    let bytes = 2 * weight(&store.read(AccountId(1), false).await.unwrap());
    let pollers = pollers_within(&store, MAX_STALENESS_AGE, bytes);
    let _watches = (
        pollers.begin(1).await.unwrap(),
        pollers.begin(2).await.unwrap(),
    );
    let refused = pollers.begin(3).await;
    assert!(matches!(refused, Err(DirectoryError::TooManyWatches)));
}

#[tokio::test(start_paused = true)]
async fn a_poller_ends_with_its_last_watch() {
    let store = Arc::new(Store::default());
    let pollers = pollers(&store);
    let watches = (
        pollers.begin(1).await.unwrap(),
        pollers.begin(1).await.unwrap(),
    );
    pass(3).await;
    assert!(!reads(&store).is_empty());
    drop(watches);
    pass(1).await;
    reads(&store);
    pass(10).await;
    assert_eq!(reads(&store), []);
    assert!(pollers.0.lock().is_empty());
    let mut again = pollers.begin(1).await.unwrap();
    store.changes.store(3, SeqCst);
    again.changed().await;
    assert_eq!(shown(&mut again, 1), "3");
}

#[tokio::test(start_paused = true)]
async fn watches_end_when_the_store_is_away_for_too_long() {
    let store = Arc::new(Store::default());
    let pollers = pollers(&store);
    let mut watch = pollers.begin(1).await.unwrap();
    pass(5).await;
    let before = watch.newest().unwrap().as_of;
    store.is_away.store(true, SeqCst);
    pass(25).await;
    let stalled = watch.newest().unwrap().as_of;
    assert!(stalled >= before && stalled.0 + Duration::from_secs(24) < now().0);
    // Back in time.
    store.is_away.store(false, SeqCst);
    pass(5).await;
    assert!(watch.newest().unwrap().as_of.0 + Duration::from_secs(3) > now().0);
    store.is_away.store(true, SeqCst);
    pass(40).await;
    watch.changed().await;
    assert!(matches!(watch.newest(), Err(DirectoryError::Unavailable)));
    store.is_away.store(false, SeqCst);
    pollers.begin(1).await.unwrap();
}

/// A read that takes long and fails, and its rest, leave time for another read.
#[tokio::test(start_paused = true)]
async fn one_read_that_fails_ends_no_watch() {
    let store = Arc::new(Store::default());
    let pollers = pollers(&store);
    let mut watches = pollers.begin_all(5).await;
    pass(5).await;
    store.is_away.store(true, SeqCst);
    store.read_ms.store(10_000, SeqCst);
    pass(12).await;
    store.is_away.store(false, SeqCst);
    store.read_ms.store(10, SeqCst);
    pass(60).await;
    for watch in &mut watches {
        let as_of = watch.newest().unwrap().as_of;
        assert!(as_of.0 + Duration::from_secs(3) > now().0);
    }
}

/// Reads that fail take long, which does not put off the end.
#[tokio::test(start_paused = true)]
async fn many_accounts_end_as_soon_as_one() {
    let store = Arc::new(Store::default());
    let pollers = pollers(&store);
    let mut watches = pollers.begin_all(20).await;
    pass(5).await;
    store.is_away.store(true, SeqCst);
    store.read_ms.store(1300, SeqCst);
    pass(38).await;
    for watch in &mut watches {
        assert!(matches!(watch.newest(), Err(DirectoryError::Unavailable)));
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_store_tells_of_changes_nothing_else_is_read() {
    let store = Arc::new(Store {
        has_version: true,
        ..Store::default()
    });
    let pollers = pollers(&store);
    let mut watch = pollers.begin(1).await.unwrap();
    pass(60).await;
    // Once, to know the number of its state.
    assert_eq!(reads(&store).len(), 1);
    assert!(watch.newest().unwrap().as_of.0 + Duration::from_millis(200) > now().0);
    store.changes.store(1, SeqCst);
    watch.changed().await;
    assert_eq!(shown(&mut watch, 1), "1");
    pass(1).await;
    assert_eq!(reads(&store).len(), 1);
    // Another watch of the account does not hold it up.
    let mut other = pollers.begin(1).await.unwrap();
    pass(60).await;
    assert!(other.newest().unwrap().as_of.0 + Duration::from_millis(200) > now().0);
    // A number that cannot be read any more says nothing.
    store.is_away.store(true, SeqCst);
    pass(1).await;
    store.changes.store(2, SeqCst);
    pass(10).await;
    let stalled = watch.newest().unwrap().as_of;
    assert!(stalled.0 + Duration::from_secs(9) < now().0);
    store.is_away.store(false, SeqCst);
    watch.changed().await;
    assert_eq!(shown(&mut watch, 1), "2");
}

#[tokio::test(start_paused = true)]
async fn flags_are_read_again_where_the_store_tells_of_changes() {
    let store = Arc::new(Store {
        has_version: true,
        has_flags: true,
        ..Store::default()
    });
    let pollers = pollers(&store);
    let _watch = pollers.begin(1).await.unwrap();
    pass(10).await;
    let count = reads(&store).len();
    assert!((9..=11).contains(&count), "{count}");
}
