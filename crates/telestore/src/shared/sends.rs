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

/// Where another user waits and there is no room for one more, the send that has stood still longest goes, once that is
/// so long.
const AWAY_AFTER: Duration = Duration::from_secs(10);

/// Where none stands still, the one that runs longest goes, once that is so long, and where it can go on from there.
const TURN: Duration = Duration::from_secs(60);

/// How many sends may wait for the answer to a file that was handed over, for each slot, and how many of one user.
const ANSWERS_PER_SLOT: usize = 64;
const ANSWERS_OF_ONE_USER_PER_SLOT: usize = 4;

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

    fn owner(&self) -> Option<&UserId> {
        self.lease.upload.user_id.as_ref()
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
    began: Instant,
    /// The whole file is handed over, and nobody could tell what an interruption would leave.
    committed: bool,
    /// An interruption costs next to nothing.
    resumable: bool,
    /// Why it has to go.
    away: Option<String>,
    /// How long its lease holds.
    until: Timestamp,
}

impl Pulse {
    fn new(until: Timestamp) -> Self {
        let now = Instant::now();
        Self(Mutex::new(Beat {
            bytes: 0,
            moved: now,
            waits_until: None,
            began: now,
            committed: false,
            resumable: false,
            away: None,
            until,
        }))
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
        beat.moved = Instant::now();
        beat.committed
    }

    /// By a backend that goes on where it was.
    pub(crate) fn resumable(&self, resumable: bool) {
        self.lock().resumable = resumable;
    }

    /// Whether the file is handed over, and its answer takes long.
    fn waits_for_answer(&self, now: Instant) -> bool {
        let handed_over = self.lock().committed;
        handed_over && self.idle_at(now) <= now
    }

    /// The word of that was not written down, or does not count any more.
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
    pub(crate) fn send_away(&self, why: String) -> bool {
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

    /// Since when it may go for another user's.
    fn leaves_at(&self, now: Instant) -> Option<Instant> {
        let idle_at = self.idle_at(now);
        let beat = self.lock();
        if beat.committed || beat.away.is_some() {
            return None;
        }
        let turn = beat.resumable.then(|| beat.began + TURN);
        Some(turn.map_or(idle_at + AWAY_AFTER, |turn| turn.min(idle_at + AWAY_AFTER)))
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
pub(crate) enum Room {
    /// Not now; the next slot is lent then, unless one becomes free before.
    Full { until: Option<Instant> },
    /// Of a user who is none of these. Where there is one, somebody goes for it.
    For { none_of: Vec<UserId>, instead_of: Option<Box<Sending>> },
}

/// The users who own at least so many of some things, by the owner of each thing.
pub(crate) fn owners_of<'a>(
    least: usize,
    owners: impl IntoIterator<Item = Option<&'a UserId>>,
) -> impl Iterator<Item = &'a UserId> {
    let mut counts: HashMap<&UserId, usize> = HashMap::new();
    for owner in owners.into_iter().flatten() {
        *counts.entry(owner).or_default() += 1;
    }
    counts.into_iter().filter(move |(_, things)| *things >= least).map(|(owner, _)| owner)
}

/// The send that leaves where there is no room for another user's: the one that may since longest.
fn leaves<'a>(sends: &[&'a Sending], now: Instant) -> Option<&'a Sending> {
    let leaving = sends.iter().filter_map(|sending| Some((sending.pulse.leaves_at(now)?, *sending)));
    let leaving = leaving.filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at);
    leaving.map(|(_, sending)| sending)
}

impl Telestore {
    /// Whether one more send may begin, and whose. A user of whom nothing is sent finds a place beyond the slots, so
    /// that nobody waits behind the many files of others, or behind few that are slow.
    pub(crate) fn room(&self) -> Room {
        let (now, slots) = (Instant::now(), self.config().max_concurrent_uploads.max(1));
        let running = self.running();
        // Those that wait for the answer to their file cost next to nothing.
        let (waiting, sends): (Vec<&Sending>, Vec<&Sending>) =
            running.values().partition(|sending| sending.pulse.waits_for_answer(now));
        let idle_later = || sends.iter().map(|sending| sending.pulse.idle_at(now)).filter(|at| *at > now);
        let (active, until) = (idle_later().count(), idle_later().min());
        if waiting.len() >= slots * ANSWERS_PER_SLOT {
            return Room::Full { until };
        }
        let is_crowded = sends.len() >= slots * SENDS_PER_SLOT;
        let instead_of = leaves(&sends, now).filter(|_| is_crowded).cloned().map(Box::new);
        if is_crowded && instead_of.is_none() {
            return Room::Full { until: Some(until.unwrap_or(now + LENDS_AFTER)) };
        }
        // Where all slots are taken, only of a user who has none.
        let most = if active < slots && !is_crowded { slots } else { 1 };
        let busy = owners_of(most, sends.iter().map(|sending| sending.owner()));
        let patient = slots * ANSWERS_OF_ONE_USER_PER_SLOT;
        let patient = owners_of(patient, waiting.iter().map(|sending| sending.owner()));
        Room::For { none_of: busy.chain(patient).cloned().collect(), instead_of }
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
