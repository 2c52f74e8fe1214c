//! How many parts of an account may be in flight.
//!
//! As TCP Vegas does: parts that are answered later than the fastest ones were must have waited somewhere on the way. A
//! window that makes fewer wait than [`QUEUED_MIN`] does not fill the line and grows; one that makes more wait than
//! [`QUEUED_MAX`] only fills queues, where it takes memory and delays small calls, and shrinks. A flood wait halves it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_types::telegram::LEAST_WAIT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::metrics::PARTS_IN_FLIGHT;

/// The window at first. It doubles with each round until parts begin to wait.
const START: usize = 4;

/// As small as it gets for round trips alone.
const FLOOR: usize = 4;

/// Parts that should be waiting on the way, at least and at most. Telegram's own time for a part varies, so there is
/// room between them.
const QUEUED_MIN: f64 = 2.0;
const QUEUED_MAX: f64 = 4.0;

/// How long the fastest answer counts as what the way takes: ways change.
const FASTEST_AGE: Duration = Duration::from_secs(60);

/// How many rounds it takes to grow by one after Telegram asked to wait.
const CAREFUL: usize = 4;

/// The parts of one account that may be in flight, over all of its uploads.
#[derive(Debug, Clone)]
pub(crate) struct Window(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    /// The places of all accounts together.
    everywhere: Arc<Semaphore>,
    /// One place that is not among those: an account whose server is silent keeps its places as long as calls may take,
    /// and many such must not stop the others.
    own: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    max: usize,
    limit: usize,
    /// Places that go when they come back, since they were taken when the window shrank.
    surplus: usize,
    round: Round,
    fastest: Option<(Duration, Instant)>,
    growth: Growth,
    /// No part is sent before; Telegram asked to wait.
    closed_until: Option<(Instant, Duration)>,
}

/// The answers since the window was looked at last: as many as it has places.
#[derive(Debug, Default)]
struct Round {
    answers: usize,
    total: Duration,
    /// Whether all places were taken at one time. If they were not, more would change nothing.
    full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Growth {
    Doubling,
    ByOne,
    /// By one after so many more rounds.
    Slow(usize),
}

/// A place in the window.
#[derive(Debug)]
pub(crate) struct Permit {
    place: Option<OwnedSemaphorePermit>,
    _everywhere: Option<OwnedSemaphorePermit>,
    window: Window,
}

impl Window {
    /// A window that grows to `max`, among others that share the places of `everywhere` for all parts but one each.
    pub(crate) fn new(max: usize, everywhere: Arc<Semaphore>) -> Self {
        let max = max.max(1);
        let limit = START.min(max);
        let state = State {
            max,
            limit,
            surplus: 0,
            round: Round::default(),
            fastest: None,
            growth: Growth::Doubling,
            closed_until: None,
        };
        let places = Arc::new(Semaphore::new(limit));
        let own = Arc::new(Semaphore::new(1));
        Self(Arc::new(Shared { places, everywhere, own, state: Mutex::new(state) }))
    }

    /// Waits for a place. It is given back when the permit is dropped.
    pub(crate) async fn enter(&self) -> Permit {
        // The semaphores are never closed.
        let place = self.0.places.clone().acquire_owned().await.ok();
        let everywhere = tokio::select! {
            biased;
            own = self.0.own.clone().acquire_owned() => own.ok(),
            shared = self.0.everywhere.clone().acquire_owned() => shared.ok(),
        };
        if self.0.places.available_permits() == 0 {
            self.state().round.full = true;
        }
        PARTS_IN_FLIGHT.increment(1.0);
        Permit { place, _everywhere: everywhere, window: self.clone() }
    }

    /// Until when no part is to be sent, and how long the wait was to be.
    pub(crate) fn closed_until(&self) -> Option<(Instant, Duration)> {
        self.state().closed_until.filter(|(until, _)| *until > Instant::now())
    }

    /// Closes it for a while, or for a little one if no time is named, and halves it, once per pause: all parts in flight are
    /// refused together.
    pub(crate) fn close_for(&self, wait: Duration) {
        let (now, mut state) = (Instant::now(), self.state());
        let until = now + wait.max(LEAST_WAIT);
        let open = state.closed_until.is_none_or(|(closed, _)| closed <= now);
        if state.closed_until.is_none_or(|(closed, _)| closed < until) {
            state.closed_until = Some((until, wait));
        }
        if open {
            let half = (state.limit / 2).max(1);
            self.resize(&mut state, half);
            state.growth = Growth::Slow(CAREFUL);
        }
    }

    /// Notes that a part was answered so long after it was begun.
    pub(crate) fn answered(&self, after: Duration) {
        self.answered_at(after, Instant::now());
    }

    fn answered_at(&self, after: Duration, now: Instant) {
        let mut state = self.state();
        if state.fastest.is_some_and(|(_, at)| now >= at + FASTEST_AGE) {
            // What is in flight has waited for itself. With little in flight it shows what the way takes now.
            state.fastest = None;
            let floor = FLOOR.min(state.limit);
            self.resize(&mut state, floor);
        }
        let fastest = match state.fastest {
            Some((fastest, _)) if fastest < after => fastest,
            _ => {
                state.fastest = Some((after, now));
                after
            }
        };
        state.round.answers += 1;
        state.round.total += after;
        if state.round.answers >= state.limit {
            let limit = state.end_round(fastest);
            self.resize(&mut state, limit);
        }
    }

    fn resize(&self, state: &mut State, limit: usize) {
        if limit < state.limit {
            let excess = state.limit - limit;
            state.surplus += excess - self.0.places.forget_permits(excess);
        } else {
            let more = limit - state.limit;
            let kept = more.min(state.surplus);
            state.surplus -= kept;
            self.0.places.add_permits(more - kept);
        }
        state.limit = limit;
        state.round = Round::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The window for the next round.
    fn end_round(&mut self, fastest: Duration) -> usize {
        let mean = self.round.total.as_secs_f64() / self.round.answers as f64;
        let waiting = self.limit as f64 * (1.0 - fastest.as_secs_f64() / mean.max(f64::MIN_POSITIVE));
        if waiting < QUEUED_MIN {
            return if self.round.full { self.grown().min(self.max) } else { self.limit };
        }
        if self.growth == Growth::Doubling {
            self.growth = Growth::ByOne;
        }
        if waiting > QUEUED_MAX { (self.limit - 1).max(FLOOR.min(self.limit)) } else { self.limit }
    }

    fn grown(&mut self) -> usize {
        match self.growth {
            Growth::Doubling => self.limit * 2,
            Growth::ByOne => self.limit + 1,
            Growth::Slow(1) => {
                self.growth = Growth::Slow(CAREFUL);
                self.limit + 1
            }
            Growth::Slow(rounds) => {
                self.growth = Growth::Slow(rounds - 1);
                self.limit
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        PARTS_IN_FLIGHT.decrement(1.0);
        let mut state = self.window.state();
        if state.surplus > 0
            && let Some(place) = self.place.take()
        {
            state.surplus -= 1;
            place.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::task::unconstrained;

    use super::*;

    fn window(max: usize) -> Window {
        Window::new(max, Arc::new(Semaphore::new(64)))
    }

    fn fill(window: &Window) -> Vec<Permit> {
        // Tokio would make a task wait that takes so much in one go.
        std::iter::from_fn(|| unconstrained(window.enter()).now_or_never()).collect()
    }

    fn free(window: &Window) -> usize {
        fill(window).len()
    }

    /// Full rounds over a line that takes `way` and serves a part in each `service`.
    fn rounds(window: &Window, count: usize, way: Duration, service: Duration) {
        rounds_at(Instant::now(), window, count, way, service);
    }

    fn rounds_at(now: Instant, window: &Window, count: usize, way: Duration, service: Duration) {
        for _ in 0..count {
            let places = fill(window);
            let first = window.state().fastest.is_none();
            for i in 1..=places.len() {
                // The first parts find the line empty; later each waits for all that are in flight.
                let before = if first { i } else { places.len() } as u32;
                window.answered_at((way + service).max(service * before), now);
            }
        }
    }

    #[tokio::test]
    async fn shrinks_with_places_taken_and_grows_back_slowly() {
        let window = window(8);
        rounds(&window, 1, Duration::from_secs(1), Duration::ZERO);
        let taken = [window.enter().await, window.enter().await, window.enter().await];
        window.close_for(Duration::from_secs(60));
        window.close_for(Duration::from_secs(61));
        assert_eq!(free(&window), 1, "one pause halves it once");
        drop(taken);
        assert_eq!(free(&window), 4);
        rounds(&window, CAREFUL - 1, Duration::from_secs(1), Duration::ZERO);
        assert_eq!(free(&window), 4);
        rounds(&window, 100, Duration::from_secs(1), Duration::ZERO);
        assert_eq!(free(&window), 8);
    }

    #[tokio::test]
    async fn a_long_way_opens_it_to_its_limit() {
        let window = window(16);
        rounds(&window, 3, Duration::from_millis(50), Duration::from_millis(2));
        assert_eq!(free(&window), 16);
    }

    #[tokio::test]
    async fn a_slow_line_keeps_it_small() {
        let window = window(16);
        rounds(&window, 50, Duration::from_millis(20), Duration::from_millis(200));
        let small = FLOOR..=8;
        assert!(small.contains(&free(&window)), "{}", free(&window));
        // What the way takes is forgotten again and again.
        for minute in 1..20 {
            let now = Instant::now() + FASTEST_AGE * minute;
            rounds_at(now, &window, 50, Duration::from_millis(20), Duration::from_millis(200));
            assert!(small.contains(&free(&window)), "{}", free(&window));
        }
    }

    #[tokio::test]
    async fn does_not_grow_where_nobody_fills_it() {
        let window = window(16);
        for _ in 0..100 {
            let _place = window.enter().await;
            window.answered(Duration::from_millis(50));
        }
        assert_eq!(free(&window), START);
    }

    #[tokio::test]
    async fn accounts_share_the_places_of_all() {
        let everywhere = Arc::new(Semaphore::new(6));
        let windows = [Window::new(8, everywhere.clone()), Window::new(8, everywhere)];
        let one = fill(&windows[0]);
        assert_eq!((one.len(), free(&windows[1])), (4, 4));
        let two = fill(&windows[1]);
        let third = Window::new(8, windows[0].0.everywhere.clone());
        assert_eq!(free(&third), 1, "one that nobody takes away");
        drop((one, two));
        assert_eq!(free(&third), 4);
    }
}
