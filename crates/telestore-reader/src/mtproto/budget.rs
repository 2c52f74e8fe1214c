//! How far all streams together read ahead.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many blocks all streams have together, beside one for each of them.
const SHARED_BLOCKS: usize = 64;

/// What all streams of a reader share.
///
/// A stream has no more places than it leaves free. So one alone gets half of them, all get about as many if there are many, and those
/// whose readers are slow do not keep the rest from others: what they have read ahead stays until it is taken.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    /// A place for a block of a stream that has `held` of them; `None` if it has its share.
    pub(super) fn take(&self, held: usize) -> Option<OwnedSemaphorePermit> {
        if held >= self.0.available_permits() {
            return None;
        }
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SHARED_BLOCKS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all that a stream can have.
    fn fill(budget: &Budget, held: &mut Vec<OwnedSemaphorePermit>) -> usize {
        while let Some(place) = budget.take(held.len()) {
            held.push(place);
        }
        held.len()
    }

    #[test]
    fn those_who_take_nothing_out_leave_room_for_others() {
        let budget = Budget::default();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        assert_eq!(fill(&budget, &mut one), SHARED_BLOCKS / 2, "alone");
        assert_eq!(fill(&budget, &mut two), SHARED_BLOCKS / 4);
        // Who takes what it has asked for comes to have as many as another one.
        for _ in 0..SHARED_BLOCKS {
            one.pop();
            fill(&budget, &mut two);
            fill(&budget, &mut one);
        }
        assert!(one.len().abs_diff(two.len()) <= 1, "{} and {}", one.len(), two.len());
        // Thirty that do not move, all of which have begun at a time.
        drop((one, two));
        let mut stalled: Vec<Vec<_>> = (0..30).map(|_| Vec::new()).collect();
        for _ in 0..SHARED_BLOCKS {
            for held in &mut stalled {
                held.extend(budget.take(held.len()));
            }
        }
        assert!(stalled.iter().all(|held| !held.is_empty()));
        assert!(budget.take(0).is_some(), "nothing is left for one who reads");
    }
}
