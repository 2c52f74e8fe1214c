//! How long an attempt may go on without getting anywhere.
//!
//! An attempt holds a place that other users' files wait for, and Telegram, or a server that answers in its name, decides how
//! long it takes: it may answer each call a moment before its time is up, or ask for one more second for ever. So what
//! counts is progress: a connection, a channel, a part that is confirmed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What is left of an attempt's time. All of its steps share it.
#[derive(Debug)]
pub(super) struct Patience {
    /// How long waits may be that Telegram asks for, all together, between two steps forward.
    longest_wait: Duration,
    /// How long it may take to the next step forward.
    stall: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many steps are being made.
    busy: u32,
    /// When the last one got somewhere, or the first of those that are being made began.
    since: Instant,
    waited: Duration,
    /// Until when waits were counted: parts wait together.
    counted: Instant,
}

/// A step that is being made, see [`Calls::step`](crate::Calls::step). What waits for something else than Telegram, such as bytes that have not arrived, is none.
#[derive(Debug)]
#[must_use = "time counts only while it is held"]
pub struct Step<'a>(&'a Patience);

impl Patience {
    pub(super) fn new(longest_wait: Duration, stall: Duration) -> Self {
        let now = Instant::now();
        let state = Mutex::new(State { busy: 0, since: now, waited: Duration::ZERO, counted: now });
        Self { longest_wait, stall, state }
    }

    pub(super) fn begin(&self) -> Step<'_> {
        self.state().begin(Instant::now());
        Step(self)
    }

    /// Something was reached.
    pub(super) fn progress(&self) {
        self.state().progress(Instant::now());
    }

    /// Whether there is time to wait until then. If there is, it is counted.
    pub(super) fn grant(&self, until: Instant) -> bool {
        self.state().grant(until, Instant::now(), self.longest_wait)
    }

    /// Returns when nothing was reached for too long.
    pub(super) async fn stalled(&self) {
        loop {
            let now = Instant::now();
            let due = self.state().since(now) + self.stall;
            if due <= now {
                return;
            }
            sleep_until(due).await;
        }
    }

    /// For the person who waits.
    pub(super) fn stall(&self) -> Duration {
        self.stall
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self, now: Instant) {
        if self.busy == 0 {
            self.since = now;
        }
        self.busy += 1;
    }

    fn progress(&mut self, now: Instant) {
        self.since = now;
        self.waited = Duration::ZERO;
    }

    fn grant(&mut self, until: Instant, now: Instant, longest: Duration) -> bool {
        let waited = self.waited + until.saturating_duration_since(self.counted.max(now));
        let granted = waited <= longest;
        if granted {
            self.waited = waited;
            self.counted = self.counted.max(until);
        }
        granted
    }

    /// Since when nothing was reached.
    fn since(&self, now: Instant) -> Instant {
        if self.busy == 0 { now } else { self.since }
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn state(now: Instant) -> State {
        State { busy: 0, since: now, waited: Duration::ZERO, counted: now }
    }

    #[test]
    fn waits_are_granted_up_to_their_sum() {
        let mut now = Instant::now();
        let mut state = state(now);
        let longest = 5 * SECOND;
        for _ in 0..5 {
            let until = now + SECOND;
            assert!((0..8).all(|_| state.grant(until, now, longest)), "parts that wait together wait once");
            now = until;
        }
        assert!(!state.grant(now + SECOND, now, longest));
        state.progress(now);
        assert!(state.grant(now + longest, now, longest));
        state.progress(now);
        assert!(!state.grant(now + 2 * longest + SECOND, now, longest));
    }

    #[test]
    fn time_counts_from_the_last_step_forward_while_something_is_done() {
        let start = Instant::now();
        let at = |seconds: u32| start + seconds * SECOND;
        let mut state = state(start);
        assert_eq!(state.since(at(1000)), at(1000), "nothing is asked of anybody");
        state.begin(at(1000));
        state.begin(at(1100));
        assert_eq!(state.since(at(1110)), at(1000));
        state.progress(at(1200));
        assert_eq!(state.since(at(1300)), at(1200));
    }

    #[tokio::test]
    async fn a_step_that_gets_nowhere_is_noticed() {
        let patience = Patience::new(SECOND, Duration::from_millis(1));
        let _step = patience.begin();
        patience.stalled().await;
    }
}
