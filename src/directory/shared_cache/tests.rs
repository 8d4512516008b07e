//! Reads that are shared, given up and refreshed.

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::SystemTime,
};

use futures_util::future::join_all;
use tokio::{
    sync::Semaphore,
    task::yield_now,
    time::{Instant, sleep},
};

use super::*;
use crate::metrics::cache::{CacheMetrics, CacheName};

const MAX_STALENESS_AGE: Duration = Duration::from_secs(2);

thread_local! {
    /// When the clock of tokio was started, which a test can advance.
    static STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

fn now() -> BootInstant {
    let started = STARTED.get().unwrap_or_else(|| {
        let now = Instant::now();
        STARTED.set(Some(now));
        now
    });
    BootInstant(Duration::from_hours(1) + started.elapsed())
}

/// Counts its reads, and ends each when it is allowed to.
#[derive(Clone, Default)]
struct Source {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    given_up: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
    has_no_permit: bool,
    permits: Option<Arc<Semaphore>>,
    allowed: Option<Arc<Semaphore>>,
}

/// Counts a read that is dropped before its end.
struct Unfinished(Option<Arc<AtomicUsize>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Weigh for usize {
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl ValueSource<usize> for Source {
    type RefreshPermit = ();

    fn try_refresh_permit(&self) -> Option<()> {
        (!self.has_no_permit).then_some(())
    }

    fn read(
        &self,
        required: RequiredRead<usize>,
        _: Option<()>,
    ) -> impl Future<Output = Result<(usize, BootInstant), DirectoryError>> + Send + 'static {
        let source = self.clone();
        async move {
            if let Some(permits) = &source.permits {
                permits.acquire().await.unwrap().forget();
            }
            required.begun.set();
            let began = now();
            let number = source.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let mut unfinished = Unfinished(Some(source.given_up));
            if let Some(allowed) = &source.allowed {
                allowed.acquire().await.unwrap().forget();
            }
            unfinished.0 = None;
            source.ended.fetch_add(1, Ordering::SeqCst);
            if source.fails.load(Ordering::SeqCst) {
                return Err(DirectoryError::Unavailable);
            }
            Ok((number, began))
        }
    }
}

impl Source {
    /// Its reads wait.
    fn waiting() -> Self {
        Self {
            allowed: Some(Arc::new(Semaphore::new(0))),
            ..Self::default()
        }
    }

    fn allow(&self) {
        self.allowed.as_ref().unwrap().add_permits(1);
    }

    /// How many have begun, ended and been given up.
    fn counts(&self) -> [usize; 3] {
        [&self.begun, &self.ended, &self.given_up].map(|it| it.load(Ordering::SeqCst))
    }
}

fn cache() -> Arc<SharedCache<u8, usize>> {
    let size = CacheSize {
        bytes: 1 << 20,
        bytes_per_entry: 1 << 10,
        has_large_entries: false,
    };
    let bounds = StalenessBounds {
        max_staleness: MAX_STALENESS_AGE,
        refresh_after: MAX_STALENESS_AGE * 3 / 4,
    };
    let clock = Clock {
        boot: now,
        wall: || SystemTime::UNIX_EPOCH,
    };
    Arc::new(SharedCache::new(
        size,
        bounds,
        clock,
        CacheMetrics::default().of(CacheName::Accounts),
    ))
}

fn options(freshness: Freshness) -> ReadOptions {
    ReadOptions {
        freshness,
        arrived: now(),
        deadline: (Instant::now() + Duration::from_secs(30)).into_std(),
    }
}

async fn ask(cache: &SharedCache<u8, usize>, source: &Source) -> Result<usize, DirectoryError> {
    let entry = cache.get(&1, options(Freshness::Bounded), source).await;
    entry.map(|entry| entry.value)
}

#[tokio::test(start_paused = true)]
async fn calls_at_a_time_share_a_read_and_later_ones_its_outcome() {
    let (cache, source) = (cache(), Source::waiting());
    let calls = join_all((0..10).map(|_| ask(&cache, &source)));
    let (answers, ()) = tokio::join!(biased; calls, async { source.allow() });
    assert!(answers.iter().all(|answer| matches!(answer, Ok(1))));
    assert!(matches!(ask(&cache, &source).await, Ok(1)));
    assert_eq!(source.counts(), [1, 1, 0]);
    // Other keys have reads of their own.
    source.allow();
    let other = cache.get(&2, options(Freshness::Bounded), &source).await;
    assert!(matches!(other.map(|entry| entry.value), Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn a_read_ends_when_the_last_call_has_given_up() {
    let (cache, source) = (cache(), Source::waiting());
    let mut first = Box::pin(ask(&cache, &source));
    let mut second = Box::pin(ask(&cache, &source));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    assert!(futures_util::poll!(&mut second).is_pending());
    assert_eq!(source.counts(), [1, 0, 0]);
    drop(second);
    assert_eq!(source.counts(), [1, 0, 1]);
    // The next call begins another one.
    source.allow();
    assert!(matches!(ask(&cache, &source).await, Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_runs_beside_the_calls_where_a_permit_is_free() {
    let (cache, source) = (cache(), Source::default());
    assert!(matches!(ask(&cache, &source).await, Ok(1)));
    sleep(MAX_STALENESS_AGE * 9 / 10).await;
    let without = Source {
        has_no_permit: true,
        ..source.clone()
    };
    assert!(matches!(ask(&cache, &without).await, Ok(1)));
    yield_now().await;
    assert_eq!(source.counts(), [1, 1, 0]);
    // Both are answered from memory, and one refresh begins.
    assert!(matches!(ask(&cache, &source).await, Ok(1)));
    assert!(matches!(ask(&cache, &source).await, Ok(1)));
    yield_now().await;
    assert_eq!(source.counts(), [2, 2, 0]);
    assert!(matches!(ask(&cache, &source).await, Ok(2)));
    // An entry that is too old is replaced by a read.
    sleep(MAX_STALENESS_AGE * 2).await;
    assert!(matches!(ask(&cache, &source).await, Ok(3)));
}

#[tokio::test(start_paused = true)]
async fn failures_are_for_waiting_calls_and_not_cached() {
    let (cache, mut source) = (cache(), Source::waiting());
    source.fails.store(true, Ordering::SeqCst);
    let calls = join_all((0..3).map(|_| ask(&cache, &source)));
    let (calls, ()) = tokio::join!(biased; calls, async { source.allow() });
    assert!(calls.iter().all(Result::is_err));
    assert_eq!(source.counts(), [1, 1, 0]);
    source.allowed = None;
    source.fails.store(false, Ordering::SeqCst);
    assert!(matches!(ask(&cache, &source).await, Ok(2)));
    // A refresh that fails leaves the entry as it is, until it is too old.
    source.fails.store(true, Ordering::SeqCst);
    sleep(MAX_STALENESS_AGE * 9 / 10).await;
    for _ in 0..3 {
        assert!(matches!(ask(&cache, &source).await, Ok(2)));
        yield_now().await;
    }
    sleep(MAX_STALENESS_AGE).await;
    assert!(ask(&cache, &source).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_read_has_ten_seconds() {
    let (cache, source) = (cache(), Source::waiting());
    let began = Instant::now();
    let outcome = ask(&cache, &source).await;
    assert!(matches!(outcome, Err(DirectoryError::Unavailable)));
    assert_eq!(began.elapsed(), SHARED_READ_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn the_latest_is_read_by_a_read_that_began_later() {
    let (cache, source) = (cache(), Source::waiting());
    let latest = async |cache: &SharedCache<u8, usize>| {
        let entry = cache.get(&1, options(Freshness::Latest), &source).await;
        entry.map(|entry| entry.value)
    };
    let mut first = Box::pin(latest(&cache));
    assert!(futures_util::poll!(&mut first).is_pending());
    sleep(Duration::from_millis(1)).await;
    let mut second = Box::pin(latest(&cache));
    assert!(futures_util::poll!(&mut second).is_pending());
    let mut third = Box::pin(latest(&cache));
    assert!(futures_util::poll!(&mut third).is_pending());
    source.allow();
    assert!(matches!(first.await, Ok(1)));
    // The others share the next one.
    let (second, third, ()) = tokio::join!(biased; second, third, async { source.allow() });
    assert!(matches!((second, third), (Ok(2), Ok(2))));
    // A call with the default freshness is answered from memory.
    assert!(matches!(ask(&cache, &source).await, Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn a_call_leaves_a_read_that_has_no_permit_after_half_of_its_time() {
    let (cache, mut source) = (cache(), Source::default());
    let permits = Arc::new(Semaphore::new(0));
    source.permits = Some(Arc::clone(&permits));
    let within = async |seconds| {
        let began = Instant::now();
        let options = ReadOptions {
            deadline: (began + Duration::from_secs(seconds)).into_std(),
            ..options(Freshness::Bounded)
        };
        let outcome = cache.get(&1, options, &source).await;
        (outcome.map(|entry| entry.value), began.elapsed())
    };
    let (short, long, ()) = tokio::join!(biased; within(1), within(4), async {
        sleep(Duration::from_secs(1)).await;
        permits.add_permits(1);
    });
    assert!(matches!(short.0, Err(DirectoryError::Overloaded)));
    assert_eq!(short.1, Duration::from_millis(500));
    // The others wait on.
    assert!(matches!(long.0, Ok(1)));
    assert_eq!(long.1, Duration::from_secs(1));
    // A read that has begun is waited for.
    let (cache, source) = (self::cache(), Source::waiting());
    let options = ReadOptions {
        deadline: (Instant::now() + Duration::from_secs(1)).into_std(),
        ..options(Freshness::Bounded)
    };
    let call = cache.get(&1, options, &source);
    let (outcome, ()) = tokio::join!(biased; call, async {
        sleep(Duration::from_millis(900)).await;
        source.allow();
    });
    assert!(matches!(outcome.map(|entry| entry.value), Ok(1)));
}
