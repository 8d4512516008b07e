//! Who may begin, who waits, and who is sent away: the counting, without any
//! call.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};
use tracing::warn;

/// How long a call waits for its turn before it is sent away. When others have
/// been waiting for as long, it is an overload.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a call waits under overload.
const HURRY: Duration = Duration::from_millis(10);

/// How many may wait for each that may be under way, and in all; one more, and it is an
/// overload. In a real one they are the first to come, and what is done for each of them
/// keeps from serving others. One connection's calls are no crowd.
const CROWD_EACH: usize = 300;
const CROWD: usize = 1000;

/// How many may wait under overload, for each that may be under way. Others are
/// sent away before anything is done for them. While an overload is heavy nobody may
/// wait: a free turn always finds a caller.
const WAITING_EACH: usize = 1;

/// How long a free place is kept, under overload, for a call that was let in because of
/// it. A call whose message is slow to arrive loses it.
const KEPT: Duration = Duration::from_millis(1);

/// How often it is asked whether an overload is over.
const WINDOW: Duration = Duration::from_millis(100);

/// How often the log tells how many calls were sent away: a line for each would
/// be a load of its own.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// An overload is over when less than one call in as many was sent away, and heavy when
/// less than one in as many was let in.
const FEW: usize = 5;

/// It is over, too, when all turns were free for more than so much of the time: calls come
/// in bursts, which could be served one after the other.
const IDLE: f64 = 0.8;

/// How many calls tell that it is heavy before a [`WINDOW`] is over.
const ENOUGH: usize = 50;

/// The same for all connections of a process.
#[derive(Clone)]
pub struct Turns(Arc<Mutex<State>>);

struct State {
    calls: usize,
    free: usize,
    /// Since when all turns are free.
    idle_since: Option<Instant>,
    /// By their arrival.
    waiting: BTreeMap<u64, oneshot::Sender<Turn>>,
    next: u64,
    /// Since when somebody has been waiting.
    crowded_since: Option<Instant>,
    overload: Option<Window>,
    /// Sent away without a line of their own in the log, and since when.
    untold: usize,
    untold_since: Option<Instant>,
}

/// What happened under overload since a moment.
struct Window {
    began: Instant,
    came: usize,
    let_in: usize,
    sent_away: usize,
    /// How long all turns were free at a time.
    idle: Duration,
    /// Whether the overload was heavy in the window before this one, or is in this.
    heavy: bool,
    /// How many free places are kept for calls that were let in, and since when.
    kept: usize,
    kept_since: Instant,
}

/// A call's place among those under way. Passed on when dropped.
pub struct Turn(Turns);

/// A place among those that wait. Given up when dropped.
struct Place {
    turns: Turns,
    number: u64,
    patience: Duration,
    turn: oneshot::Receiver<Turn>,
}

impl Turns {
    /// For this many calls at a time.
    pub fn new(calls: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            calls,
            free: calls,
            idle_since: Some(Instant::now()),
            waiting: BTreeMap::new(),
            next: 0,
            crowded_since: None,
            overload: None,
            untold: 0,
            untold_since: None,
        })))
    }

    /// Whether a call that comes now may ask for its turn, or is one too many.
    pub fn may_wait(&self) -> bool {
        let now = Instant::now();
        let (may_wait, untold) = {
            let mut state = self.state();
            (state.may_wait(now), state.take_untold(now))
        };
        if let Some(calls) = untold {
            tell(calls);
        }
        may_wait
    }

    /// `None` for one that has waited in vain.
    pub async fn turn(self) -> Option<Turn> {
        let place = {
            let mut state = self.state();
            if let Some(window) = &mut state.overload {
                window.kept = window.kept.saturating_sub(1);
            }
            if state.free > 0 {
                state.take_one(Instant::now());
                drop(state);
                return Some(Turn(self));
            }
            let (give, turn) = oneshot::channel();
            let number = state.next;
            state.next += 1;
            state.waiting.insert(number, give);
            let patience = state.patience(Instant::now());
            drop(state);
            Place {
                turns: self,
                number,
                patience,
                turn,
            }
        };
        place.taken().await
    }

    /// Nothing that is done while it is held can panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line for many.
fn tell(calls: usize) {
    warn!(calls, "overloaded; calls were sent away at once");
}

/// What came after the last line.
impl Drop for State {
    fn drop(&mut self) {
        if self.untold > 0 {
            tell(self.untold);
        }
    }
}

impl State {
    fn may_wait(&mut self, now: Instant) -> bool {
        let most_waiting = self.most_waiting();
        let Some(window) = &mut self.overload else {
            return true;
        };
        let lasted = now - window.began;
        if lasted >= WINDOW {
            let few = window.sent_away * FEW < window.came;
            let idle = window.idle + window.idle_until(self.idle_since, now);
            if few || idle > lasted.mul_f64(IDLE) || lasted >= 2 * WINDOW {
                self.overload = None;
                self.crowded_since = None;
                return true;
            }
            *window = Window {
                heavy: window.is_heavy(),
                ..Window::beginning(now)
            };
        }
        window.came += 1;
        window.heavy |= window.came >= ENOUGH && window.is_heavy();
        let places = if window.heavy {
            self.free
        } else {
            self.free + most_waiting.saturating_sub(self.waiting.len())
        };
        let may_wait = window.keeps_one_of(places, now);
        if may_wait {
            window.let_in += 1;
        } else {
            window.sent_away += 1;
            self.untold += 1;
            self.untold_since.get_or_insert(now);
        }
        may_wait
    }

    /// Takes a turn that is free.
    fn take_one(&mut self, now: Instant) {
        let idle_since = self.idle_since.take();
        if let Some(window) = &mut self.overload {
            window.idle += window.idle_until(idle_since, now);
        }
        self.free -= 1;
    }

    fn give_one_back(&mut self, now: Instant) {
        self.free += 1;
        if self.free == self.calls {
            self.idle_since = Some(now);
        }
    }

    /// How many were sent away since this was last told, when it is due.
    fn take_untold(&mut self, now: Instant) -> Option<usize> {
        let since = self.untold_since?;
        if now - since < TOLD_EVERY {
            return None;
        }
        self.untold_since = None;
        Some(std::mem::take(&mut self.untold))
    }

    /// How long one who came now waits.
    fn patience(&mut self, now: Instant) -> Duration {
        let since = *self.crowded_since.get_or_insert(now);
        let too_long = now - since >= PATIENCE;
        if self.overload.is_none() && (too_long || self.waiting.len() > self.crowd()) {
            self.overload = Some(Window::beginning(now));
            // Their senders go, which tells them.
            while self.waiting.len() > self.most_waiting() {
                self.waiting.pop_first();
            }
        }
        if self.overload.is_some() {
            HURRY
        } else {
            PATIENCE
        }
    }

    /// Without overload.
    fn crowd(&self) -> usize {
        CROWD.min(self.calls * CROWD_EACH)
    }

    /// Under overload.
    const fn most_waiting(&self) -> usize {
        self.calls * WAITING_EACH
    }

    fn notice_if_nobody_waits(&mut self) {
        if self.waiting.is_empty() {
            self.crowded_since = None;
        }
    }
}

impl Window {
    const fn beginning(now: Instant) -> Self {
        Self {
            began: now,
            came: 0,
            let_in: 0,
            sent_away: 0,
            idle: Duration::ZERO,
            heavy: false,
            kept: 0,
            kept_since: now,
        }
    }

    const fn is_heavy(&self) -> bool {
        self.let_in * FEW < self.came
    }

    /// How long all turns have been free, within this window.
    fn idle_until(&self, since: Option<Instant>, now: Instant) -> Duration {
        since.map_or(Duration::ZERO, |since| now - since.max(self.began))
    }

    /// Whether one of the free places is not kept for another call yet: those that come
    /// together all ask before the first takes its place.
    fn keeps_one_of(&mut self, free: usize, now: Instant) -> bool {
        if now - self.kept_since >= KEPT {
            self.kept = 0;
            self.kept_since = now;
        }
        let is_left = self.kept < free;
        self.kept += usize::from(is_left);
        is_left
    }
}

impl Place {
    async fn taken(mut self) -> Option<Turn> {
        let turn = tokio::time::timeout(self.patience, &mut self.turn).await;
        let turn = turn.ok().and_then(Result::ok);
        if turn.is_none() {
            let mut state = self.turns.state();
            if let Some(window) = &mut state.overload {
                window.sent_away += 1;
            }
        }
        turn
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.waiting.remove(&self.number);
        state.notice_if_nobody_waits();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let newest = state.waiting.pop_last();
        state.notice_if_nobody_waits();
        match newest {
            None => state.give_one_back(Instant::now()),
            Some((_, newest)) => {
                drop(state);
                // Should it have left in this moment, its turn is dropped, and
                // passed on again.
                let _ = newest.send(Self(self.0.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
