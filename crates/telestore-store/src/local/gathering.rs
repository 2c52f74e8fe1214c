//! How much a spool gathers before it goes to the disk: the less, the more spools there are, so that many clients do not take memory each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all spools of a store gather together, as long as each has its [`LEAST`]. A spool holds twice its share: what is written, and what
/// grows meanwhile.
const TOGETHER: usize = 1536 * 1024;

/// Small pieces make one call each otherwise, and a hostile client can cut a body into millions of them.
const LEAST: usize = 64 * 1024;

/// More does not make it faster.
const MOST: usize = 256 * 1024;

/// The spools of one store that are open.
#[derive(Debug, Default)]
pub(super) struct Gathering(AtomicUsize);

impl Gathering {
    /// One more, until it is dropped.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        self.0.fetch_add(1, Ordering::Relaxed);
        Share(Arc::clone(self))
    }
}

/// That one spool is open.
#[derive(Debug)]
pub(super) struct Share(Arc<Gathering>);

impl Share {
    /// How much it gathers now, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let spools = self.0.0.load(Ordering::Relaxed).max(1);
        (TOGETHER / spools).clamp(LEAST, MOST)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_spools_gather_little_each() {
        let gathering = Arc::new(Gathering::default());
        let first = gathering.share();
        assert_eq!(first.bytes(), MOST);
        let others: Vec<_> = (0..15).map(|_| gathering.share()).collect();
        assert_eq!(first.bytes(), 96 * 1024);
        let crowd: Vec<_> = (0..1000).map(|_| gathering.share()).collect();
        assert_eq!(first.bytes(), LEAST);
        drop((others, crowd));
        assert_eq!(first.bytes(), MOST);
    }
}
