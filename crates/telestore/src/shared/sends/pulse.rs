use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_types::Timestamp;
use tokio::time::{Instant, sleep_until};

/// A send of which nothing was acknowledged for this long lends its slot.
pub(crate) const LENDS_AFTER: Duration = Duration::from_secs(5);

/// If another user waits and there is no room for one more, the send that has stood still longest goes, once that is
/// so long.
const AWAY_AFTER: Duration = Duration::from_secs(10);

/// If none stands still, the one that runs longest goes, once that is so long, and if it can go on from there.
const TURN: Duration = Duration::from_secs(60);

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
    pub(crate) fn new(until: Timestamp) -> Self {
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
    pub(crate) fn waits_for_answer(&self, now: Instant) -> bool {
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

    /// Has it go, if that does no harm.
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
    pub(crate) fn idle_at(&self, now: Instant) -> Instant {
        let beat = self.lock();
        let waits = beat.waits_until.is_some_and(|until| until > now);
        if waits { beat.moved.min(now) } else { beat.moved + LENDS_AFTER }
    }

    /// Since when it may go for another user's.
    pub(crate) fn leaves_at(&self, now: Instant) -> Option<Instant> {
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
