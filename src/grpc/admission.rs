//! Lets in as many calls at a time as can be served in good time.
//!
//! The others wait for their turn, which the newest of them get first. In a
//! burst, everybody's turn comes. A crowd that does not go away is an overload:
//! then the calls that are let in have hardly waited, and the others are soon
//! told, so that their callers can go elsewhere.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tokio::{sync::oneshot, time::Instant};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{
    status::{CallError, answer},
    translate::is_standard,
};

/// How long a call waits for its turn before it is sent away. When others have
/// been waiting for as long, it is an overload.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a call waits under overload.
const HURRY: Duration = Duration::from_millis(10);

/// How many may wait; one more sends the oldest away.
const MOST_WAITING: usize = 1000;

/// The largest request, in bytes: a hundred ids are a thousandth of it.
pub const LARGEST_REQUEST: usize = 256 << 10;

/// The same for all connections of a process. Health and reflection pass.
#[derive(Clone)]
pub struct Admission(Arc<Mutex<Turns>>);

struct Turns {
    free: usize,
    /// By their arrival.
    waiting: BTreeMap<u64, oneshot::Sender<Turn>>,
    next: u64,
    /// Since when somebody has been waiting.
    crowded_since: Option<Instant>,
}

/// A call's place among those under way. Passed on when dropped.
struct Turn(Admission);

/// A place among those that wait. Given up when dropped.
struct Place {
    admission: Admission,
    number: u64,
    patience: Duration,
    turn: oneshot::Receiver<Turn>,
}

impl Admission {
    /// For this many calls at a time.
    pub fn new(calls: usize) -> Self {
        Self(Arc::new(Mutex::new(Turns {
            free: calls,
            waiting: BTreeMap::new(),
            next: 0,
            crowded_since: None,
        })))
    }

    /// `None` for one that has waited in vain.
    async fn turn(self) -> Option<Turn> {
        let place = {
            let mut turns = self.turns();
            if turns.free > 0 {
                turns.free -= 1;
                drop(turns);
                return Some(Turn(self));
            }
            let (tell, turn) = oneshot::channel();
            let number = turns.next;
            let patience = turns.patience(Instant::now());
            turns.next += 1;
            turns.waiting.insert(number, tell);
            if turns.waiting.len() > MOST_WAITING {
                // Its sender goes, which tells it.
                turns.waiting.pop_first();
            }
            drop(turns);
            Place {
                admission: self,
                number,
                patience,
                turn,
            }
        };
        place.taken().await
    }

    /// Nothing that is done while it is held can panic.
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// How long one who comes now waits.
    fn patience(&mut self, now: Instant) -> Duration {
        if now - *self.crowded_since.get_or_insert(now) < PATIENCE {
            PATIENCE
        } else {
            HURRY
        }
    }

    fn notice_if_nobody_waits(&mut self) {
        if self.waiting.is_empty() {
            self.crowded_since = None;
        }
    }
}

impl Place {
    async fn taken(mut self) -> Option<Turn> {
        let turn = tokio::time::timeout(self.patience, &mut self.turn).await;
        turn.ok().and_then(Result::ok)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.admission.turns();
        turns.waiting.remove(&self.number);
        turns.notice_if_nobody_waits();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.0.turns();
        let newest = turns.waiting.pop_last();
        turns.notice_if_nobody_waits();
        match newest {
            None => turns.free += 1,
            Some((_, newest)) => {
                drop(turns);
                // Should it have left in this moment, its turn is dropped, and
                // passed on again.
                let _ = newest.send(Self(self.0.clone()));
            }
        }
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitting<S>;

    fn layer(&self, inner: S) -> Admitting<S> {
        Admitting {
            inner,
            admission: self.clone(),
        }
    }
}

/// A service behind the [`Admission`].
#[derive(Clone)]
pub struct Admitting<S> {
    inner: S,
    admission: Admission,
}

impl<S> Service<Request<Body>> for Admitting<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // What was found ready is called, and a copy kept for the next call.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        if is_standard(request.uri().path()) {
            return Box::pin(inner.call(request));
        }
        let admission = self.admission.clone();
        Box::pin(async move {
            let request = match received(request).await {
                Ok(request) => request,
                Err(error) => return Ok(answer(error)),
            };
            match admission.turn().await {
                Some(_turn) => inner.call(request).await,
                None => Ok(answer(CallError::Overloaded)),
            }
        })
    }
}

/// A request that has arrived: whoever is slow to send one keeps no other
/// waiting.
async fn received(request: Request<Body>) -> Result<Request<Body>, CallError> {
    /// What tells a message's length, before it.
    const FRAME: usize = 5;

    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_REQUEST + FRAME).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            CallError::TooLarge
        } else {
            CallError::Undecodable
        }
    })?;
    let body = Full::new(body.to_bytes());
    Ok(Request::from_parts(head, Body::new(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of calls in the order in which they get their turn, of as many
    /// as wait while one is under way.
    #[tokio::test(start_paused = true)]
    async fn the_newest_gets_its_turn_first() {
        let admission = Admission::new(1);
        let first = admission.clone().turn().await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut calls = Vec::new();
        for number in 0..5 {
            let (admission, order) = (admission.clone(), Arc::clone(&order));
            calls.push(tokio::spawn(async move {
                let turn = admission.turn().await.unwrap();
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
        assert_eq!(admission.turns().free, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_sent_away() {
        let admission = Admission::new(2);
        let held = (
            admission.clone().turn().await.unwrap(),
            admission.clone().turn().await.unwrap(),
        );
        let began = Instant::now();
        assert!(admission.clone().turn().await.is_none());
        assert_eq!(began.elapsed(), PATIENCE);
        assert!(admission.turns().waiting.is_empty());
        drop(held);
        assert_eq!(admission.turns().free, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_stays_is_sent_away_soon() {
        let admission = Admission::new(1);
        let held = admission.clone().turn().await.unwrap();
        let wait = async || {
            let began = Instant::now();
            assert!(admission.clone().turn().await.is_none());
            began.elapsed()
        };
        let first = async {
            assert_eq!(wait().await, PATIENCE);
        };
        let overlapping = async {
            tokio::time::sleep(PATIENCE / 2).await;
            assert_eq!(wait().await, PATIENCE);
        };
        let late = async {
            tokio::time::sleep(PATIENCE + Duration::from_millis(1)).await;
            assert_eq!(wait().await, HURRY);
        };
        tokio::join!(first, overlapping, late);
        // Once nobody was waiting, there is time again.
        assert_eq!(wait().await, PATIENCE);
        drop(held);
        assert!(admission.turns().crowded_since.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_too_many_sends_the_oldest_away_at_once() {
        let admission = Admission::new(1);
        let held = admission.clone().turn().await.unwrap();
        let oldest = tokio::spawn(admission.clone().turn());
        tokio::task::yield_now().await;
        let began = Instant::now();
        let others: Vec<_> = (0..MOST_WAITING)
            .map(|_| admission.clone().turn())
            .map(|turn| tokio::spawn(async { turn.await.is_some() }))
            .collect();
        assert!(oldest.await.unwrap().is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
        drop(held);
        for other in others {
            assert!(other.await.unwrap());
        }
        assert_eq!(admission.turns().free, 1);
    }

    /// A caller that is gone takes nobody's turn.
    #[tokio::test(start_paused = true)]
    async fn who_left_is_passed_over() {
        let admission = Admission::new(1);
        let held = admission.clone().turn().await.unwrap();
        let stays = tokio::spawn(admission.clone().turn());
        tokio::task::yield_now().await;
        let leaves = tokio::spawn(admission.clone().turn());
        tokio::task::yield_now().await;
        leaves.abort();
        assert!(leaves.await.is_err());
        drop(held);
        assert!(stays.await.unwrap().is_some());
        assert_eq!(admission.turns().free, 1);
    }
}
