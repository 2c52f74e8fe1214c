use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::SessionStore;

/// Two handles on one store that take calls in turn: so a check that knows of one store only is made through both.
#[derive(Debug)]
pub(crate) struct InTurn {
    handles: [Arc<dyn SessionStore>; 2],
    second: AtomicBool,
}

impl InTurn {
    pub(crate) fn new(one: Arc<dyn SessionStore>, two: Arc<dyn SessionStore>) -> Self {
        Self { handles: [one, two], second: AtomicBool::new(false) }
    }

    /// The one whose turn it is.
    pub(crate) fn next(&self) -> &dyn SessionStore {
        let second = self.second.fetch_xor(true, Ordering::SeqCst);
        self.handles[usize::from(second)].as_ref()
    }
}
