//! Who has a slot, and who lends it.
//!
//! A slot is for a send that gets on. One that waits, for Telegram's word or for its own turn, lends its slot to others
//! until it gets on again: so dead servers of some users hold up nobody else, and cost no more than memory for a bounded
//! number of sends.

use telestore_types::UserId;
use tokio::time::Instant;

use crate::sending::runner::Runner;
use crate::shared::sends::pulse::LENDS_AFTER;
use crate::shared::sends::{Sending, owners_of};

/// How many sends may wait for the answer to a file that was handed over, for each slot, and how many of one user.
const ANSWERS_PER_SLOT: usize = 64;
const ANSWERS_OF_ONE_USER_PER_SLOT: usize = 4;

/// How many sends there may be for each slot, those that lend theirs included.
const SENDS_PER_SLOT: usize = 4;

/// Whether one more send may begin.
pub(crate) enum Room {
    /// Not now; the next slot is lent then, unless one becomes free before.
    Full { until: Option<Instant> },
    /// Of a user who is none of these. If there is one, somebody goes for it.
    For { none_of: Vec<UserId>, instead_of: Option<Box<Sending>> },
}

/// The send that leaves if there is no room for another user's: the one that may since longest.
fn leaves<'a>(sends: &[&'a Sending], now: Instant) -> Option<&'a Sending> {
    let leaving = sends.iter().filter_map(|sending| Some((sending.pulse.leaves_at(now)?, *sending)));
    let leaving = leaving.filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at);
    leaving.map(|(_, sending)| sending)
}

impl Runner {
    /// Whether one more send may begin, and whose. A user of whom nothing is sent finds a place beyond the slots, so
    /// that nobody waits behind the many files of others, or behind few that are slow.
    pub(crate) fn room(&self) -> Room {
        let (now, slots) = (Instant::now(), self.base.config.max_concurrent_uploads.max(1));
        let running = self.sends.running();
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
        // If all slots are taken, only of a user who has none.
        let most = if active < slots && !is_crowded { slots } else { 1 };
        let busy = owners_of(most, sends.iter().map(|sending| sending.owner()));
        let patient = slots * ANSWERS_OF_ONE_USER_PER_SLOT;
        let patient = owners_of(patient, waiting.iter().map(|sending| sending.owner()));
        Room::For { none_of: busy.chain(patient).cloned().collect(), instead_of }
    }
}
