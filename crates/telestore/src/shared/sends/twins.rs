use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Files whose messages nobody could tell apart, by their [mark](telestore_types::HandedOver::mark): one at a time is handed
/// over, so that a message that is found is that one's.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    held: Mutex<HashSet<String>>,
    freed: Notify,
}

impl Twins {
    /// Waits until no other file with this mark is handed over, and keeps others back until it is dropped.
    pub(crate) async fn hold(self: &Arc<Self>, mark: &str) -> Twin {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on, so that nothing is missed in between.
            freed.as_mut().enable();
            if self.lock().insert(mark.to_owned()) {
                return Twin { of: Arc::clone(self), mark: mark.to_owned() };
            }
            freed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one of its mark that is handed over.
#[derive(Debug)]
pub(crate) struct Twin {
    of: Arc<Twins>,
    mark: String,
}

impl Twin {
    pub(crate) fn is_of(&self, mark: &str) -> bool {
        self.mark == mark
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.of.lock().remove(&self.mark);
        self.of.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn now<T>(waiting: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            ready = waiting => Some(ready),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn one_of_a_mark_is_held_at_a_time() {
        let twins = Arc::new(Twins::default());
        let (first, other) = (twins.hold("a").await, twins.hold("b").await);
        let (mut second, mut third) = (Box::pin(twins.hold("a")), Box::pin(twins.hold("a")));
        assert!(now(&mut second).await.is_none() && now(&mut third).await.is_none());
        drop(other);
        assert!(now(&mut second).await.is_none());
        drop(first);
        let second = now(&mut second).await.expect("its turn");
        assert!(now(&mut third).await.is_none());
        drop(second);
        third.await;
    }
}
