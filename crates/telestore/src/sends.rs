//! The sends of this process: who has a slot, who lends it, and how each is stopped.
//!
//! A slot is for a send that gets on. One that waits, for Telegram's word or for its own turn, lends its slot to others
//! until it gets on again: so dead servers of some users hold up nobody else, and cost no more than memory for a bounded
//! number of sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_store::Lease;
use telestore_types::{StorageKey, Timestamp, UserId};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{Result, Telestore};

/// A send of which nothing was acknowledged for this long lends its slot.
const LENDS_AFTER: Duration = Duration::from_secs(5);

/// Where others wait and there is no room for one more, the send that has stood still longest goes, once that is so long.
const AWAY_AFTER: Duration = Duration::from_secs(10);

/// How many sends there may be for each slot, those that lend theirs included.
const SENDS_PER_SLOT: usize = 4;

/// A send of this process.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) lease: Lease,
    /// Asks it to stop.
    pub(crate) stop: CancellationToken,
    /// Cancelled when its end is recorded.
    pub(crate) over: CancellationToken,
    pub(crate) pulse: Arc<Pulse>,
}

impl Sending {
    pub(crate) fn new(lease: Lease) -> Self {
        let pulse = Arc::new(Pulse::new(lease.until));
        Self { lease, stop: CancellationToken::new(), over: CancellationToken::new(), pulse }
    }
}

/// How a send gets on.
#[derive(Debug)]
pub(crate) struct Pulse(Mutex<Beat>);

#[derive(Debug)]
struct Beat {
    /// What was acknowledged, in bytes.
    bytes: u64,
    /// When that grew last, or a stage began.
    moved: Instant,
    /// Until when Telegram asked to wait.
    waits_until: Option<Instant>,
    /// The whole file is handed over, and nobody could tell what an interruption would leave.
    committed: bool,
    /// Why it has to go.
    away: Option<String>,
    /// How long its lease holds.
    until: Timestamp,
}

impl Pulse {
    fn new(until: Timestamp) -> Self {
        let (bytes, moved, waits_until, committed, away) = (0, Instant::now(), None, false, None);
        Self(Mutex::new(Beat { bytes, moved, waits_until, committed, away, until }))
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stage has begun.
    pub(crate) fn moved(&self) {
        self.lock().moved = Instant::now();
    }

    pub(crate) fn acknowledged(&self, bytes: u64) {
        let mut beat = self.lock();
        if bytes > beat.bytes {
            (beat.bytes, beat.moved, beat.waits_until) = (bytes, Instant::now(), None);
        }
    }

    pub(crate) fn waits(&self, wait: Duration) {
        // A time beyond what the clock can show is the engine's to bound.
        self.lock().waits_until = Instant::now().checked_add(wait);
    }

    /// From here on it must come to its end, unless it has to go already.
    pub(crate) fn commit(&self) -> bool {
        let mut beat = self.lock();
        beat.committed = beat.away.is_none();
        beat.committed
    }

    /// The word of that was not written down.
    pub(crate) fn uncommit(&self) {
        self.lock().committed = false;
    }

    pub(crate) fn holds_until(&self) -> Timestamp {
        self.lock().until
    }

    pub(crate) fn extended(&self, until: Timestamp) {
        self.lock().until = until;
    }

    /// Has it go, where that does no harm.
    fn send_away(&self, why: String) -> bool {
        let mut beat = self.lock();
        if beat.committed || beat.away.is_some() {
            return false;
        }
        beat.away = Some(why);
        true
    }

    /// Why it had to go, if it had to.
    pub(crate) fn sent_away(&self) -> Option<String> {
        self.lock().away.clone()
    }

    /// Since when it lends its slot, or from when on it will.
    fn idle_at(&self, now: Instant) -> Instant {
        let beat = self.lock();
        let waits = beat.waits_until.is_some_and(|until| until > now);
        if waits { beat.moved.min(now) } else { beat.moved + LENDS_AFTER }
    }

    fn may_go(&self) -> bool {
        let beat = self.lock();
        !beat.committed && beat.away.is_none()
    }

    /// Returns once nothing was acknowledged for `patience`, and has it go.
    pub(crate) async fn stall(&self, patience: Duration) {
        loop {
            let due = self.lock().moved + patience;
            sleep_until(due).await;
            let stood_still = self.lock().moved + patience <= Instant::now();
            if stood_still {
                if self.send_away(format!("Telegram took nothing of the file for {} s", patience.as_secs())) {
                    return;
                }
                // It hears the answer out.
                self.moved();
            }
        }
    }
}

/// Whether one more send may begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Not now; the next slot is lent then, unless one becomes free before.
    Full { until: Option<Instant> },
    /// Of a user who is none of these.
    For { none_of: Vec<UserId> },
}

impl Telestore {
    /// Whether one more send may begin, and whose. Beyond the slots there is one place, for a user of whom nothing is
    /// sent: nobody waits behind the many files of another.
    pub(crate) fn room(&self) -> Room {
        let (now, slots) = (Instant::now(), self.config().max_concurrent_uploads.max(1));
        let running = self.running();
        let idle_at: Vec<Instant> = running.values().map(|sending| sending.pulse.idle_at(now)).collect();
        let active = idle_at.iter().filter(|at| **at > now).count();
        let until = idle_at.iter().copied().filter(|at| *at > now).min();
        if running.len() >= slots * SENDS_PER_SLOT {
            let longest = running.values().filter(|sending| sending.pulse.may_go());
            let longest = longest.min_by_key(|sending| sending.pulse.idle_at(now));
            if let Some(longest) = longest.filter(|longest| longest.pulse.idle_at(now) + AWAY_AFTER <= now)
                && longest.pulse.send_away("Telegram took nothing of the file, and others wait".to_owned())
            {
                longest.stop.cancel();
            }
            return Room::Full { until: Some(until.unwrap_or(now + LENDS_AFTER)) };
        }
        let mut sends: HashMap<&UserId, usize> = HashMap::new();
        for user in running.values().filter_map(|sending| sending.lease.upload.user_id.as_ref()) {
            *sends.entry(user).or_default() += 1;
        }
        let at_least = |least: usize| {
            let mut users: Vec<UserId> =
                sends.iter().filter(|(_, sends)| **sends >= least).map(|(user, _)| (*user).clone()).collect();
            users.sort_by(|one, other| one.as_str().cmp(other.as_str()));
            users
        };
        match active.cmp(&slots) {
            std::cmp::Ordering::Less => Room::For { none_of: at_least(slots) },
            std::cmp::Ordering::Equal => Room::For { none_of: at_least(1) },
            std::cmp::Ordering::Greater => Room::Full { until },
        }
    }

    pub(crate) fn running(&self) -> MutexGuard<'_, HashMap<StorageKey, Sending>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leases an upload that is due, of none of these users. It counts as a send from here on.
    pub(crate) async fn take(&self, none_of: &[UserId]) -> Result<Option<Begun>> {
        // A lease that ran out because the store is not well must not be taken over from those who still write.
        let mut unwritten = self.0.unwritten.subscribe();
        tokio::select! {
            _ = unwritten.wait_for(|left| *left == 0) => {}
            () = self.0.shutdown.cancelled() => return Ok(None),
        }
        let now = self.now();
        self.hold_on(now).await?;
        let lease = self.0.sessions.lease(now, now + self.config().lease, none_of).await?;
        Ok(lease.map(|lease| self.begin(lease)))
    }

    fn begin(&self, lease: Lease) -> Begun {
        let (engine, sending) = (self.clone(), Sending::new(lease));
        let older = self.running().insert(sending.lease.upload.key.clone(), sending.clone());
        if let Some(older) = older {
            // Its lease has just been taken over.
            older.stop.cancel();
        }
        Begun { engine, sending }
    }

    /// Extends what this process holds and could not extend in time, since it was frozen or the store did not answer:
    /// it is still at work on it, so none of its own runners may take that for abandoned.
    async fn hold_on(&self, now: Timestamp) -> Result<()> {
        let lease = self.config().lease;
        let late: Vec<Sending> = self
            .running()
            .values()
            .filter(|sending| sending.pulse.holds_until() <= now + lease / 3)
            .cloned()
            .collect();
        for sending in late {
            if self.0.sessions.extend(&sending.lease, now + lease).await? {
                sending.pulse.extended(now + lease);
            }
        }
        Ok(())
    }
}

/// A send that has its place. It leaves it whatever way it ends.
pub(crate) struct Begun {
    engine: Telestore,
    pub(crate) sending: Sending,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let key = &self.sending.lease.upload.key;
        let mut running = self.engine.running();
        // Another lease may stand there by now.
        if running.get(key).is_some_and(|found| found.lease.token == self.sending.lease.token) {
            running.remove(key);
        }
        drop(running);
        self.sending.over.cancel();
        self.engine.0.work.notify_one();
    }
}
