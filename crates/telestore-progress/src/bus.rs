use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telestore_types::{UploadEvent, UploadId};
use tokio::sync::watch;

/// Carries events from runners to listeners.
///
/// # Contract
/// - A listener sees the newest event, not each one: a slow listener costs nothing and misses only what is outdated.
/// - The last event of a run is always seen.
/// - It is no store: [`latest`](Self::latest) may have forgotten an upload at any time.
pub trait ProgressBus: fmt::Debug + Send + Sync + 'static {
    /// Tells listeners.
    fn publish(&self, event: UploadEvent);

    /// Listens to one upload from now on.
    fn subscribe(&self, id: &UploadId) -> Subscription;

    /// The newest event, while the bus remembers one.
    fn latest(&self, id: &UploadId) -> Option<UploadEvent>;

    /// The run is over and stored: listeners keep what they have, the bus may forget it.
    fn forget(&self, id: &UploadId);
}

/// A listener's end.
#[derive(Debug)]
pub struct Subscription(watch::Receiver<Option<UploadEvent>>);

impl Subscription {
    /// Waits for an event that this listener has not seen; `None` when none will come any more.
    pub async fn next(&mut self) -> Option<UploadEvent> {
        loop {
            self.0.changed().await.ok()?;
            if let Some(event) = self.0.borrow_and_update().clone() {
                return Some(event);
            }
        }
    }
}

/// The bus of one process.
#[derive(Debug, Clone, Default)]
pub struct LocalProgressBus(Arc<Mutex<HashMap<UploadId, watch::Sender<Option<UploadEvent>>>>>);

impl LocalProgressBus {
    /// A bus without listeners.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, watch::Sender<Option<UploadEvent>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgressBus for LocalProgressBus {
    fn publish(&self, event: UploadEvent) {
        self.lock().entry(event.upload_id.clone()).or_default().send_replace(Some(event));
    }

    fn subscribe(&self, id: &UploadId) -> Subscription {
        let mut topics = self.lock();
        // Listeners that are gone leave empty topics behind; sweep them when the map would grow.
        if topics.len() == topics.capacity() {
            topics.retain(|_, topic| topic.receiver_count() > 0 || topic.borrow().is_some());
        }
        Subscription(topics.entry(id.clone()).or_default().subscribe())
    }

    fn latest(&self, id: &UploadId) -> Option<UploadEvent> {
        self.lock().get(id).and_then(|topic| topic.borrow().clone())
    }

    fn forget(&self, id: &UploadId) {
        self.lock().remove(id);
    }
}

#[cfg(test)]
mod tests {
    use telestore_types::{Stage, Timestamp, UploadStatus};

    use super::*;
    use crate::Tracker;

    fn event(name: &str, stage: Stage) -> UploadEvent {
        let mut tracker = Tracker::new(UploadId::new(name).unwrap(), 10, 0, 1);
        tracker.stage(stage);
        tracker.event(Timestamp::from_millis(0))
    }

    #[tokio::test]
    async fn listeners_see_the_newest_event_and_then_the_end() {
        let bus = LocalProgressBus::new();
        let id = UploadId::new("a").unwrap();
        let mut listener = bus.subscribe(&id);
        bus.publish(event("b", Stage::Finishing));
        bus.publish(event("a", Stage::Connecting));
        bus.publish(event("a", Stage::Sending));
        assert_eq!(listener.next().await.map(|event| event.stage), Some(Stage::Sending));
        let mut end = event("a", Stage::Done);
        end.status = UploadStatus::Completed;
        bus.publish(end);
        bus.forget(&id);
        assert_eq!(listener.next().await.map(|event| event.status), Some(UploadStatus::Completed));
        assert_eq!(listener.next().await, None);
        assert_eq!(bus.latest(&id), None);
    }

    #[tokio::test]
    async fn abandoned_topics_do_not_pile_up() {
        let bus = LocalProgressBus::new();
        for n in 0..10_000 {
            drop(bus.subscribe(&UploadId::new(format!("id-{n}")).unwrap()));
        }
        assert!(bus.lock().len() < 5_000, "{} topics", bus.lock().len());
    }
}
