//! How much memory all chunks on their way in may take together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::bucket::Bucket;
use super::gathered::{BLOCK, Gathered};

/// The longest piece, in blocks: 4 MiB. Longer ones save nothing worth the memory.
const LONGEST: usize = 64;

/// Blocks of memory, shared by all spools of a store.
///
/// Who needs a block waits in a line, so that each gets on. A spool may gather its *share* before it sends a piece: half of
/// the budget, divided by all spools, but a block at least. So what is gathered and not sent yet is half of the budget,
/// and the rest is free or on its way to the store, which gives it back: somebody always gets on. A spool that waits
/// while its share becomes less than what it has gathered sends that. What clients hold that stand still since their share
/// was larger is sent by those who wait (`press`).
#[derive(Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    blocks: usize,
    flying: Arc<AtomicUsize>,
    spools: Mutex<BTreeMap<u64, Weak<Gathered>>>,
    next: AtomicU64,
    share: watch::Sender<usize>,
}

impl Budget {
    /// So many bytes, but two blocks at least.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let blocks = (bytes / BLOCK).max(2);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(blocks)),
            blocks,
            flying: Arc::default(),
            spools: Mutex::default(),
            next: AtomicU64::new(0),
            share: watch::Sender::new(share_of(blocks, 1)),
        })
    }

    /// Counts another spool, until it is dropped.
    pub(super) fn join(self: &Arc<Self>, bucket: &Arc<Bucket>) -> Member {
        let gathered = Arc::new(Gathered::new(Arc::clone(bucket), Arc::clone(&self.flying)));
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.change(|spools| drop(spools.insert(id, Arc::downgrade(&gathered))));
        Member { id, gathered, share: self.share.subscribe(), budget: Arc::clone(self) }
    }

    fn spools(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<Gathered>>> {
        self.spools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, Weak<Gathered>>)) {
        let mut spools = self.spools();
        change(&mut spools);
        let share = share_of(self.blocks, spools.len());
        self.share.send_if_modified(|now| std::mem::replace(now, share) != share);
    }

    /// Sends what spools hold that stand still, those first that hold most, until an eighth of the memory is on its way. If
    /// it is already, somebody gets it soon.
    fn press(&self) {
        let mut flying = self.flying.load(Ordering::Acquire);
        if flying > 0 {
            return;
        }
        let mut spools: Vec<Arc<Gathered>> = self.spools().values().filter_map(Weak::upgrade).collect();
        spools.sort_by_cached_key(|spool| std::cmp::Reverse(spool.held()));
        for spool in spools {
            if flying >= (self.blocks / 8).max(1) {
                break;
            }
            flying += spool.press();
        }
    }

    /// How many bytes are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        (self.blocks - self.free.available_permits()) * BLOCK
    }
}

fn share_of(blocks: usize, spools: usize) -> usize {
    let share = (blocks / 2 / spools.max(1)).clamp(1, LONGEST);
    // Powers of two do not change with each client that comes and goes.
    1 << share.ilog2()
}

/// A spool that takes part.
#[derive(Debug)]
pub(super) struct Member {
    id: u64,
    pub(super) gathered: Arc<Gathered>,
    budget: Arc<Budget>,
    share: watch::Receiver<usize>,
}

impl Member {
    /// How many blocks it may gather now.
    pub(super) fn share(&mut self) -> usize {
        *self.share.borrow_and_update()
    }

    /// A block, when it is its turn.
    pub(super) fn block(&self) -> impl Future<Output = OwnedSemaphorePermit> + Send + use<> {
        let free = Arc::clone(&self.budget.free);
        async move { free.acquire_owned().await.expect("the semaphore is never closed") }
    }

    /// Returns when the share is another one than when it was last read.
    pub(super) async fn changed(&mut self) {
        if self.share.changed().await.is_err() {
            // The budget outlives its members.
            std::future::pending::<()>().await;
        }
    }

    /// Makes others that stand still send what they hold.
    pub(super) fn press(&self) {
        self.budget.press();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.budget.change(|spools| drop(spools.remove(&self.id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_leave_half_of_the_budget() {
        for blocks in [2, 3, 16, 384] {
            for spools in 0..500 {
                let share = share_of(blocks, spools);
                assert!(share == 1 || share * spools <= blocks / 2, "{share} blocks for each of {spools}");
                assert!((1..=LONGEST).contains(&share));
            }
        }
        assert_eq!(share_of(384, 1), LONGEST);
    }
}
