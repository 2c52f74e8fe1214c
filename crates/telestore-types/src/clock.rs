use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// Where the time comes from, so that tests own it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now. It may step back when the machine's clock is set.
    fn now(&self) -> Timestamp;

    /// The machine's clock, which may be wrong. It is this clock, if that follows no other.
    fn wall(&self) -> Timestamp {
        self.now()
    }

    /// What to write down, so that the next process goes on from it.
    fn reading(&self) -> Reading {
        Reading { at: self.now(), wall: self.wall() }
    }

    /// Goes on from what an earlier process wrote down. Clocks that need nothing of the kind do nothing.
    fn go_on_from(&self, last: Reading) {
        let _ = last;
    }
}

/// What a clock showed, and what the machine's clock showed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The clock.
    pub at: Timestamp,
    /// The machine's.
    pub wall: Timestamp,
}

/// What a clock shows that is the machine's.
impl From<Timestamp> for Reading {
    fn from(at: Timestamp) -> Self {
        Self { at, wall: at }
    }
}

/// How much of the time between two processes a [`SteadyClock`] believes the machine's clock.
pub const LONGEST_GAP: Duration = Duration::from_secs(10 * 60);

/// A clock for ages, due times and leases: it begins with the machine's clock, runs on the monotonic one, and never
/// steps, whatever becomes of the machine's clock.
///
/// Over restarts it goes on from what it showed last, and adds what passed meanwhile by the machine's clock, up to
/// [`LONGEST_GAP`]: so a clock that is a year wrong when a process starts makes nothing a year older. The price is that
/// it is late after a long time without a process. If the machine's clock has been ahead by the same time for ten
/// readings, each further one brings it nearer by at most ten seconds. It never goes back.
#[derive(Debug)]
pub struct SteadyClock<W = SystemClock> {
    wall: W,
    anchor: Mutex<Anchor>,
}

#[derive(Debug)]
struct Anchor {
    at: Timestamp,
    since: Instant,
    /// By how much the machine's clock was ahead at the last reading, and at how many readings in a row.
    ahead: (Duration, u32),
}

impl Anchor {
    fn new(at: Timestamp) -> Self {
        Self { at, since: Instant::now(), ahead: (Duration::ZERO, 0) }
    }

    fn now(&self) -> Timestamp {
        self.at + self.since.elapsed()
    }

    fn catch_up(&mut self, wall: Timestamp) {
        let ahead = wall.since(self.now());
        let (before, times) = self.ahead;
        let times = if ahead.abs_diff(before) <= SAME { times.saturating_add(1) } else { 0 };
        let step = if times >= TRUSTED { ahead.min(STEP) } else { Duration::ZERO };
        self.at = self.at + step;
        self.ahead = (ahead - step, times);
    }
}

/// Readings of the machine's clock that agree within this time are the same.
const SAME: Duration = Duration::from_secs(5);

/// How many such readings in a row make it believed.
const TRUSTED: u32 = 10;

/// How much nearer to it one reading brings a steady clock. A lease bears it.
const STEP: Duration = Duration::from_secs(10);

impl SteadyClock {
    /// A clock that begins with the machine's.
    pub fn new() -> Self {
        Self::beside(SystemClock)
    }
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Clock> SteadyClock<W> {
    /// The same, beside another clock than the machine's.
    pub fn beside(wall: W) -> Self {
        let anchor = Mutex::new(Anchor::new(wall.now()));
        Self { wall, anchor }
    }

    fn anchor(&self) -> MutexGuard<'_, Anchor> {
        self.anchor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Clock> Clock for SteadyClock<W> {
    fn now(&self) -> Timestamp {
        self.anchor().now()
    }

    fn wall(&self) -> Timestamp {
        self.wall.now()
    }

    fn reading(&self) -> Reading {
        let (mut anchor, wall) = (self.anchor(), self.wall.now());
        anchor.catch_up(wall);
        Reading { at: anchor.now(), wall }
    }

    fn go_on_from(&self, last: Reading) {
        let gap = self.wall.now().since(last.wall).min(LONGEST_GAP);
        *self.anchor() = Anchor::new(last.at + gap);
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is told to move. Clones share the time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_millis())))
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Shows `now` from here on, even if that is earlier.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// A wall clock that can be set to any time.
    fn wall(at: i64) -> ManualClock {
        ManualClock::new(Timestamp::from_millis(at))
    }

    fn nearly(clock: &impl Clock, at: Timestamp) -> bool {
        clock.now() >= at && clock.now().since(at) < HOUR / 2
    }

    #[test]
    fn a_steady_clock_does_not_step_with_the_machines() {
        let wall = wall(1_000);
        let clock = SteadyClock::beside(wall.clone());
        let began = clock.now();
        wall.advance(YEAR);
        assert!(nearly(&clock, began));
    }

    #[test]
    fn a_restart_goes_on_where_the_last_process_was() {
        let last = Reading { at: Timestamp::from_millis(5_000_000), wall: Timestamp::from_millis(9_000_000) };
        for (wall_now, gap) in [
            (last.wall + Duration::from_secs(30), Duration::from_secs(30)),
            (last.wall + YEAR, LONGEST_GAP),
            (last.wall - HOUR, Duration::ZERO),
        ] {
            let clock = SteadyClock::beside(wall(wall_now.as_millis()));
            clock.go_on_from(last);
            assert!(nearly(&clock, last.at + gap), "{wall_now}: {}", clock.now());
        }
    }

    #[test]
    fn a_clock_that_is_late_catches_up_in_small_steps_with_a_wall_clock_that_stays() {
        let wall = wall(0);
        let clock = SteadyClock::beside(wall.clone());
        wall.advance(HOUR);
        for _ in 0..TRUSTED {
            assert!(nearly(&clock, Timestamp::from_millis(0)), "a step alone is not believed");
            clock.reading();
        }
        for reading in 1..=3 {
            let at = clock.reading().at;
            assert!(at >= Timestamp::from_millis(0) + STEP * reading, "{at}");
            assert!(at < Timestamp::from_millis(0) + STEP * reading + HOUR / 60, "{at}");
        }
        for _ in 0..(HOUR.as_secs() / STEP.as_secs()) {
            clock.reading();
        }
        assert!(nearly(&clock, Timestamp::from_millis(0) + HOUR - SAME));
        assert!(clock.now() <= Timestamp::from_millis(0) + HOUR + HOUR / 60);
    }
}
