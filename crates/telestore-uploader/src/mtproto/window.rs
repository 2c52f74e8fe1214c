use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How many parts must be confirmed in a row, per place in the window, before it grows by one.
const GROWTH: usize = 4;

/// The parts of one account that may be in flight, over all of its uploads. A flood wait halves it, success grows it
/// back.
#[derive(Debug, Clone)]
pub(crate) struct Window(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    max: usize,
    limit: usize,
    /// Places that go when they come back, since they were taken when the window shrank.
    surplus: usize,
    successes: usize,
    /// No part is sent before; Telegram asked to wait.
    closed_until: Option<(Instant, Duration)>,
}

/// A place in the window.
#[derive(Debug)]
pub(crate) struct Permit {
    place: Option<OwnedSemaphorePermit>,
    window: Window,
}

impl Window {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        let state = State { max, limit: max, surplus: 0, successes: 0, closed_until: None };
        Self(Arc::new(Shared { places: Arc::new(Semaphore::new(max)), state: Mutex::new(state) }))
    }

    /// Waits for a place. It is given back when the permit is dropped.
    pub(crate) async fn enter(&self) -> Permit {
        // The semaphore is never closed.
        let place = self.0.places.clone().acquire_owned().await.ok();
        Permit { place, window: self.clone() }
    }

    /// Until when no part is to be sent, and how long the wait was to be.
    pub(crate) fn closed_until(&self) -> Option<(Instant, Duration)> {
        self.state().closed_until.filter(|(until, _)| *until > Instant::now())
    }

    /// Closes it for a while and halves it, once per pause: all parts in flight are refused together.
    pub(crate) fn close_for(&self, wait: Duration) {
        let (now, mut state) = (Instant::now(), self.state());
        let until = now + wait;
        let open = state.closed_until.is_none_or(|(closed, _)| closed <= now);
        if state.closed_until.is_none_or(|(closed, _)| closed < until) {
            state.closed_until = Some((until, wait));
        }
        if open {
            self.halve(&mut state);
        }
    }

    /// Notes that a part was confirmed.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        state.successes += 1;
        if state.successes < state.limit * GROWTH || state.limit == state.max {
            return;
        }
        state.successes = 0;
        state.limit += 1;
        if state.surplus > 0 {
            state.surplus -= 1;
        } else {
            self.0.places.add_permits(1);
        }
    }

    fn halve(&self, state: &mut State) {
        let limit = (state.limit / 2).max(1);
        let excess = state.limit - limit;
        state.surplus += excess - self.0.places.forget_permits(excess);
        state.limit = limit;
        state.successes = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
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

    use super::*;

    fn free(window: &Window) -> usize {
        std::iter::from_fn(|| window.enter().now_or_never()).collect::<Vec<_>>().len()
    }

    #[tokio::test]
    async fn shrinks_with_places_taken_and_grows_back() {
        let window = Window::new(8);
        let taken = [window.enter().await, window.enter().await, window.enter().await];
        window.close_for(Duration::from_secs(60));
        window.close_for(Duration::from_secs(61));
        assert_eq!(free(&window), 1, "one pause halves it once");
        drop(taken);
        assert_eq!(free(&window), 4);
        for _ in 0..1_000 {
            window.succeeded();
        }
        assert_eq!(free(&window), 8);
    }
}
