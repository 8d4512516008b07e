//! Permits, the queue and their times.

use futures_util::future::join_all;
use tokio::time::{advance, timeout};

use super::*;

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn limit(max_reads: usize, connections: usize) -> (LoadLimit, watch::Sender<usize>) {
    let (available, connections) = watch::channel(connections);
    (
        LoadLimit::new(
            max_reads,
            Duration::from_secs(3),
            connections,
            ReadMetrics::default(),
        ),
        available,
    )
}

fn is_overloaded(outcome: &Result<ReadPermit, DirectoryError>) -> bool {
    matches!(outcome, Err(DirectoryError::Overloaded))
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_after_three_seconds_or_half_of_the_deadline() {
    let (limit, _available) = limit(1, 16);
    let _held = limit.acquire(now() + Duration::from_secs(1)).await.unwrap();
    for (deadline, expected) in [(30, 3000), (6, 3000), (5, 2500), (1, 500), (0, 0)] {
        let began = now();
        let outcome = limit
            .acquire(began + deadline * Duration::from_secs(1))
            .await;
        assert!(is_overloaded(&outcome));
        let waited = now().duration_since(began).as_millis();
        assert!((expected..expected + 5).contains(&waited), "{waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn permits_go_to_the_longest_waiting_first() {
    let (limit, _available) = limit(1, 16);
    let limit = Arc::new(limit);
    let held = limit.acquire(now() + Duration::from_secs(1)).await.unwrap();
    let (tell, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..10 {
        let (limit, tell) = (Arc::clone(&limit), tell.clone());
        tokio::spawn(async move {
            let _permit = limit
                .acquire(now() + Duration::from_secs(30))
                .await
                .unwrap();
            tell.send(number).unwrap();
        });
        tokio::task::yield_now().await;
    }
    drop(held);
    for number in 0..10 {
        assert_eq!(order.recv().await, Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn one_more_than_the_queue_holds_is_refused_at_once() {
    let (limit, _available) = limit(1, 16);
    let _held = limit.acquire(now() + Duration::from_secs(1)).await.unwrap();
    let deadline = now() + Duration::from_secs(30);
    let mut queued = Box::pin(join_all(
        (0..MAX_QUEUED_READS).map(|_| limit.acquire(deadline)),
    ));
    assert!(timeout(Duration::ZERO, &mut queued).await.is_err());
    let began = now();
    assert!(is_overloaded(&limit.acquire(deadline).await));
    assert_eq!(now(), began);
    // A caller that gives up leaves the queue.
    drop(queued);
    let waited = timeout(Duration::from_secs(1), limit.acquire(deadline)).await;
    assert!(waited.is_err(), "it waits");
}

#[tokio::test(start_paused = true)]
async fn permits_follow_the_connections_that_can_be_had() {
    let (limit, available) = limit(4, 16);
    let deadline = now() + Duration::from_secs(30);
    let can = async |permits: usize| {
        let all = join_all((0..permits).map(|_| limit.acquire(deadline)));
        timeout(Duration::from_secs(1), all).await.is_ok()
    };
    assert!(can(4).await && !can(5).await);
    available.send_replace(2);
    advance(Duration::from_secs(1)).await;
    assert!(can(2).await && !can(3).await);
    // While reads run, the surplus is taken back as they end.
    let held = (
        limit.acquire(deadline).await.unwrap(),
        limit.acquire(deadline).await.unwrap(),
    );
    available.send_replace(0);
    advance(Duration::from_secs(1)).await;
    assert!(!can(1).await);
    drop(held);
    assert!(can(1).await && !can(2).await);
    available.send_replace(16);
    advance(Duration::from_secs(1)).await;
    assert!(can(4).await && !can(5).await);
}

#[tokio::test(start_paused = true)]
async fn refreshes_take_a_quarter_of_the_permits_and_only_free_ones() {
    let deadline = now() + Duration::from_secs(30);
    let (limit, _available) = limit(8, 16);
    let refreshes: Vec<_> = (0..4).map_while(|_| limit.try_acquire_refresh()).collect();
    assert_eq!(refreshes.len(), 2);
    let calls = join_all((0..6).map(|_| limit.acquire(deadline))).await;
    drop(refreshes);
    let others = join_all((0..2).map(|_| limit.acquire(deadline))).await;
    assert!(calls.iter().chain(&others).all(Result::is_ok));
    assert!(limit.try_acquire_refresh().is_none());
    drop(calls);
    assert!(limit.try_acquire_refresh().is_some());
    // There is always one, and it waits for calls.
    let (limit, _available) = self::limit(8, 1);
    let call = limit.acquire(deadline).await.unwrap();
    assert!(limit.try_acquire_refresh().is_none());
    drop(call);
    assert!(limit.try_acquire_refresh().is_some());
}

#[tokio::test(start_paused = true)]
async fn reads_of_whole_accounts_leave_half_of_the_permits() {
    let deadline = now() + Duration::from_secs(1);
    let (limit, _available) = limit(4, 16);
    let accounts = join_all((0..3).map(|_| limit.acquire_for_account(deadline))).await;
    assert_eq!(
        accounts
            .iter()
            .filter(|permit| is_overloaded(permit))
            .count(),
        1
    );
    let others = join_all((0..3).map(|_| limit.acquire(deadline))).await;
    assert_eq!(
        others.iter().filter(|permit| is_overloaded(permit)).count(),
        1
    );
}
