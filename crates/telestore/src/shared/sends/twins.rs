use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Files whose messages nobody could tell apart, by their [mark](telestore_types::HandedOver::mark): one at a time is handed
/// over, so that a message that is found is that one's. They come in the order in which they began to wait: whoever waits holds a
/// place, and a server that waits for the last byte does not do so for ever.
#[derive(Debug, Default)]
pub(crate) struct Twins(Mutex<HashMap<String, Weak<Turn<()>>>>);

impl Twins {
    /// Waits until no other file with this mark is handed over, and keeps others back until it is dropped.
    pub(crate) async fn hold(&self, mark: &str) -> Twin {
        let turn = self.turn(mark);
        Twin { mark: mark.to_owned(), _turn: turn.lock_owned().await }
    }

    fn turn(&self, mark: &str) -> Arc<Turn<()>> {
        let mut turns = self.lock();
        if let Some(turn) = turns.get(mark).and_then(Weak::upgrade) {
            return turn;
        }
        // Marks that nobody holds or waits for are left behind; sweep them when the map would grow.
        if turns.len() == turns.capacity() {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(mark.to_owned(), Arc::downgrade(&turn));
        turn
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Turn<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one of its mark that is handed over.
#[derive(Debug)]
pub(crate) struct Twin {
    mark: String,
    _turn: OwnedMutexGuard<()>,
}

impl Twin {
    pub(crate) fn is_of(&self, mark: &str) -> bool {
        self.mark == mark
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
    async fn one_of_a_mark_is_held_at_a_time_in_the_order_in_which_they_came() {
        let twins = Twins::default();
        let (first, other) = (twins.hold("a").await, twins.hold("b").await);
        let (mut second, mut third) = (Box::pin(twins.hold("a")), Box::pin(twins.hold("a")));
        assert!(now(&mut second).await.is_none() && now(&mut third).await.is_none());
        drop(other);
        assert!(now(&mut second).await.is_none());
        drop(first);
        assert!(now(&mut third).await.is_none(), "the second one came before");
        assert!(now(twins.hold("a")).await.is_none(), "and so did both");
        let second = now(&mut second).await.expect("its turn");
        assert!(now(&mut third).await.is_none());
        drop(second);
        third.await;
    }

    #[tokio::test]
    async fn one_that_waits_no_more_holds_up_nobody() {
        let twins = Twins::default();
        let first = twins.hold("a").await;
        let (mut second, mut third) = (Box::pin(twins.hold("a")), Box::pin(twins.hold("a")));
        assert!(now(&mut second).await.is_none() && now(&mut third).await.is_none());
        drop(second);
        drop(first);
        third.await;
    }

    #[tokio::test]
    async fn marks_that_are_over_do_not_pile_up() {
        let twins = Twins::default();
        let held = twins.hold("a").await;
        for n in 0..10_000 {
            drop(twins.hold(&n.to_string()).await);
        }
        assert!(twins.lock().len() < 100, "{} marks", twins.lock().len());
        assert!(now(twins.hold("a")).await.is_none(), "it is held yet");
        drop(held);
    }
}
