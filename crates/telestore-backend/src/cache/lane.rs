use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::{Error, Result};

/// The most questions of one lane that are on their way at a time.
pub(super) const QUESTIONS: usize = 16;

/// The most that are on their way or wait for their turn.
pub(super) const ADMITTED: usize = 1000;

/// How long a question may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many failures in a row mean that the backend is down.
pub(super) const IN_A_ROW: u32 = 3;

/// The longest time for which a failure is not tried again.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// For how long a failure that took so long is not tried again: what is quickly found out is not worth remembering,
/// and a backend that hangs is asked half of the time at most.
pub(super) fn pause(took: Duration) -> Duration {
    took.min(LONGEST_PAUSE)
}

/// Where questions of one kind wait for their turn, and what is known of whom they are for.
///
/// After a few failures in a row the lane is shut: for a moment nothing is asked, and then one question at a time, until
/// one is answered. What is refused here hears why the last one failed.
#[derive(Debug)]
pub(super) struct Lane {
    places: Semaphore,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    admitted: usize,
    failures: u32,
    /// Until when nothing is asked, and why.
    shut: Option<(Instant, Error)>,
    probing: bool,
}

impl Health {
    fn shut(&self) -> Option<&(Instant, Error)> {
        self.shut.as_ref().filter(|_| self.failures >= IN_A_ROW)
    }
}

/// A question that may be asked; to be given back.
#[derive(Debug)]
pub(super) struct Admitted {
    /// It is the one that finds out whether the backend is back.
    probe: bool,
}

fn busy() -> Error {
    Error::Unavailable("too many tokens wait to be checked".to_owned())
}

impl Lane {
    pub(super) fn new() -> Self {
        Self { places: Semaphore::new(QUESTIONS), health: Mutex::default() }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what was asked last was answered.
    pub(super) fn is_well(&self) -> bool {
        self.health().failures == 0
    }

    /// Lets a question in, or says why it need not be asked.
    pub(super) fn admit(&self, now: Instant) -> Result<Admitted> {
        let mut health = self.health();
        if health.admitted >= ADMITTED {
            return Err(busy());
        }
        let mut probe = false;
        if let Some((until, why)) = health.shut() {
            if now < *until || health.probing {
                return Err(why.clone());
            }
            probe = true;
            health.probing = true;
        }
        health.admitted += 1;
        Ok(Admitted { probe })
    }

    /// Waits for a place.
    pub(super) async fn place(&self, admitted: &Admitted) -> Result<SemaphorePermit<'_>> {
        let place = timeout(PATIENCE, self.places.acquire()).await.map_err(|_| busy())?;
        // The lane may have been shut while this one waited.
        match self.health().shut() {
            Some((_, why)) if !admitted.probe => Err(why.clone()),
            _ => place.map_err(|_| busy()),
        }
    }

    pub(super) fn leave(&self, admitted: &Admitted) {
        let mut health = self.health();
        health.admitted = health.admitted.saturating_sub(1);
        health.probing &= !admitted.probe;
    }

    pub(super) fn answered(&self) {
        let mut health = self.health();
        health.failures = 0;
        health.shut = None;
    }

    pub(super) fn failed(&self, until: Instant, error: &Error) {
        let mut health = self.health();
        health.failures = health.failures.saturating_add(1);
        health.shut = Some((until, error.clone()));
    }
}
