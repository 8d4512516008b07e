//! Who gets a turn, when, and who is sent away, in time that is made up.

use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;

use super::*;

/// Numbers of calls in the order in which they get their turn, of as many
/// as wait while one is under way.
#[tokio::test(start_paused = true)]
async fn the_newest_gets_its_turn_first() {
    let turns = Turns::new(1);
    let first = turns.clone().turn().await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut calls = Vec::new();
    for number in 0..5 {
        let (turns, order) = (turns.clone(), Arc::clone(&order));
        calls.push(tokio::spawn(async move {
            let turn = turns.turn().await.unwrap();
            order.lock().unwrap().push(number);
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(turn);
        }));
        tokio::task::yield_now().await;
    }
    drop(first);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [4, 3, 2, 1, 0]);
    assert_eq!(turns.state().free, 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_sent_away() {
    let turns = Turns::new(2);
    let held = (
        turns.clone().turn().await.unwrap(),
        turns.clone().turn().await.unwrap(),
    );
    let began = Instant::now();
    assert!(turns.clone().turn().await.is_none());
    assert_eq!(began.elapsed(), PATIENCE);
    assert!(turns.state().waiting.is_empty());
    drop(held);
    assert_eq!(turns.state().free, 2);
}

/// Milliseconds after which a call is sent away that comes so many milliseconds
/// from now.
async fn sent_away(turns: &Turns, comes: u64) -> u128 {
    tokio::time::sleep(Duration::from_millis(comes)).await;
    let began = Instant::now();
    assert!(turns.clone().turn().await.is_none());
    began.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_stays_is_sent_away_but_for_the_newest() {
    let turns = Turns::new(1);
    let held = turns.clone().turn().await.unwrap();
    let waited = tokio::join!(
        sent_away(&turns, 0),
        sent_away(&turns, 250),
        sent_away(&turns, 400),
        sent_away(&turns, 501),
    );
    assert_eq!(waited, (500, 251, 101, 10));
    drop(held);
}

/// One more than may wait.
async fn crowd(turns: &Turns) -> Vec<JoinHandle<bool>> {
    let waiting: Vec<_> = (0..=CROWD_EACH)
        .map(|_| turns.clone().turn())
        .map(|turn| tokio::spawn(async { turn.await.is_some() }))
        .collect();
    while turns.state().next < waiting.len() as u64 {
        tokio::task::yield_now().await;
    }
    waiting
}

#[tokio::test(start_paused = true)]
async fn one_too_many_sends_all_but_the_newest_away() {
    let turns = Turns::new(1);
    let held = turns.clone().turn().await.unwrap();
    let began = Instant::now();
    let waiting = crowd(&turns).await;
    assert!(!turns.may_wait());
    drop(held);
    let mut served = Vec::new();
    for call in waiting {
        served.push(call.await.unwrap());
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    let newest = served.pop();
    assert_eq!(newest, Some(true));
    assert!(!served.contains(&true));
    assert_eq!(turns.state().free, 1);
}

/// Turns of which one is taken, under overload.
async fn overloaded() -> (Turns, Turn) {
    let turns = Turns::new(1);
    let held = turns.clone().turn().await.unwrap();
    tokio::join!(sent_away(&turns, 0), sent_away(&turns, 499), async {
        tokio::time::sleep(PATIENCE).await;
        assert!(turns.clone().turn().await.is_none());
    });
    assert!(turns.state().overload.is_some());
    (turns, held)
}

#[tokio::test(start_paused = true)]
async fn under_overload_few_may_wait() {
    let (turns, held) = overloaded().await;
    let waits = tokio::spawn(turns.clone().turn());
    tokio::task::yield_now().await;
    assert!(!turns.may_wait());
    drop(held);
    assert!(waits.await.unwrap().is_some());
    assert!(turns.may_wait());
}

#[tokio::test(start_paused = true)]
async fn an_overload_lasts_while_many_are_sent_away() {
    let (turns, held) = overloaded().await;
    for _ in 0..10 {
        let waits = tokio::spawn(turns.clone().turn());
        tokio::task::yield_now().await;
        for _ in 0..10 {
            assert!(!turns.may_wait());
        }
        assert!(waits.await.unwrap().is_none());
        tokio::time::advance(WINDOW.saturating_sub(HURRY)).await;
    }
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_over_when_few_are_sent_away() {
    let (turns, held) = overloaded().await;
    drop(held);
    tokio::time::advance(WINDOW).await;
    assert!(turns.may_wait());
    for _ in 0..10 {
        assert!(turns.may_wait());
        drop(turns.clone().turn().await.unwrap());
    }
    tokio::time::advance(WINDOW).await;
    assert!(turns.may_wait());
    assert!(turns.state().overload.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_overload_is_over_when_none_comes() {
    let (turns, held) = overloaded().await;
    for _ in 0..10 {
        turns.may_wait();
    }
    tokio::time::advance(WINDOW * 2).await;
    assert!(turns.may_wait());
    assert!(turns.state().overload.is_none());
    // There is time again.
    assert_eq!(sent_away(&turns, 0).await, 500);
    drop(held);
}

/// A caller that is gone takes nobody's turn.
#[tokio::test(start_paused = true)]
async fn who_left_is_passed_over() {
    let turns = Turns::new(1);
    let held = turns.clone().turn().await.unwrap();
    let stays = tokio::spawn(turns.clone().turn());
    tokio::task::yield_now().await;
    let leaves = tokio::spawn(turns.clone().turn());
    tokio::task::yield_now().await;
    leaves.abort();
    assert!(leaves.await.is_err());
    drop(held);
    assert!(stays.await.unwrap().is_some());
    assert_eq!(turns.state().free, 1);
}

/// Turns of which one is free, under so heavy an overload that nobody may wait.
async fn heavily_overloaded() -> Turns {
    let (turns, held) = overloaded().await;
    let waits = tokio::spawn(turns.clone().turn());
    tokio::task::yield_now().await;
    for _ in 0..100 {
        assert!(!turns.may_wait());
    }
    assert!(waits.await.unwrap().is_none());
    tokio::time::advance(WINDOW).await;
    assert!(!turns.may_wait());
    drop(held);
    turns
}

#[tokio::test(start_paused = true)]
async fn under_heavy_overload_nobody_waits() {
    let turns = heavily_overloaded().await;
    assert!(turns.may_wait());
    let held = turns.clone().turn().await.unwrap();
    assert!(!turns.may_wait());
    drop(held);
    assert!(turns.may_wait());
}

/// An overload begins with its heaviest moment.
#[tokio::test(start_paused = true)]
async fn how_heavy_it_is_is_known_before_a_window_is_over() {
    let (turns, held) = overloaded().await;
    let first = turns.may_wait();
    for _ in 1..ENOUGH {
        assert!(!turns.may_wait());
    }
    assert!(first);
    // Not even one may wait, until a turn is free.
    tokio::time::advance(KEPT).await;
    assert!(!turns.may_wait());
    drop(held);
    assert!(turns.may_wait());
}

/// It is as heavy as it is now.
#[tokio::test(start_paused = true)]
async fn the_crowd_before_it_makes_no_overload_heavy() {
    let turns = Turns::new(1);
    let held = turns.clone().turn().await.unwrap();
    let waiting = crowd(&turns).await;
    drop(held);
    for call in waiting {
        call.await.unwrap();
    }
    for _ in 0..=ENOUGH {
        tokio::time::advance(KEPT).await;
        assert!(turns.may_wait());
        drop(turns.clone().turn().await.unwrap());
    }
    assert!(!turns.state().overload.as_ref().unwrap().heavy);
}

/// Most of each is sent away for want of places, but not for want of time.
#[tokio::test(start_paused = true)]
async fn bursts_that_could_be_served_make_no_overload_last() {
    let (turns, held) = overloaded().await;
    drop(held);
    let mut let_in = 0;
    for _ in 0..5 {
        tokio::time::advance(WINDOW / 2).await;
        let_in = (0..100).filter(|_| turns.may_wait()).count();
        let turn = turns.clone().turn().await.unwrap();
        tokio::time::advance(WINDOW / 20).await;
        drop(turn);
    }
    assert_eq!(let_in, 100);
    assert!(turns.state().overload.is_none());
}

/// Many turns at a time do not let in more than can be kept.
#[test]
fn a_crowd_is_as_large_as_there_are_turns_within_limits() {
    let crowd = |calls| Turns::new(calls).state().crowd();
    assert_eq!([1, 3, 4, 16].map(crowd), [300, 900, 1000, 1000]);
}

/// The second would only find that the first has taken it.
#[tokio::test(start_paused = true)]
async fn a_free_turn_is_kept_for_one_call() {
    let turns = heavily_overloaded().await;
    assert!(turns.may_wait());
    for _ in 0..10 {
        assert!(!turns.may_wait());
    }
    // Its message does not arrive.
    tokio::time::advance(KEPT).await;
    assert!(turns.may_wait());
    assert!(!turns.may_wait());
}

#[tokio::test(start_paused = true)]
async fn some_may_wait_again_when_it_is_less_heavy() {
    let turns = heavily_overloaded().await;
    tokio::time::advance(WINDOW).await;
    for _ in 0..10 {
        tokio::time::advance(KEPT).await;
        assert!(turns.may_wait());
        drop(turns.clone().turn().await.unwrap());
        turns.may_wait();
        turns.may_wait();
    }
    tokio::time::advance(WINDOW).await;
    assert!(turns.may_wait());
    let held = turns.clone().turn().await.unwrap();
    assert!(turns.may_wait());
    drop(held);
}

/// Those that are read together all ask before the first takes its place.
#[tokio::test(start_paused = true)]
async fn of_those_that_come_together_as_many_may_wait_as_there_are_places() {
    let (turns, _turn) = overloaded().await;
    for _ in 0..2 {
        // What was kept for nobody is free again.
        tokio::time::advance(KEPT).await;
        let may_wait = (0..10).filter(|_| turns.may_wait()).count();
        assert_eq!(may_wait, 1);
    }
}
