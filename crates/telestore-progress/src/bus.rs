use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use telestore_types::{UploadEvent, UploadId};
use tokio::sync::watch;

/// Carries events from the worker that sends to those who listen, in the same process or in another one.
///
/// # Contract
/// - A listener sees the newest event, not each one: a slow listener costs nothing and misses only what is outdated.
/// - The last event of a run is always seen, and nothing older behind it.
/// - [`publish`](Self::publish), [`subscribe`](Self::subscribe), [`release`](Self::release) and [`forget`](Self::forget)
///   return at once: they are called under locks and between parts of a file. A bus that has to talk to a server hands its
///   events to a task of its own.
/// - It is no store: [`latest`](Self::latest) may have forgotten an upload at any time, and a listener that hears nothing for
///   a while looks into the session store.
/// - Clones and handles share the listeners.
///
/// # Example
/// A bus over any transport that carries text, here a channel of the same process:
///
/// ```
/// use async_trait::async_trait;
/// use futures_util::stream;
/// use telestore_progress::{ProgressBus, Subscription};
/// use telestore_types::{UploadEvent, UploadId};
/// use tokio::sync::broadcast::{Sender, error::RecvError};
///
/// #[derive(Debug, Clone)]
/// struct TextBus(Sender<String>);
///
/// #[async_trait]
/// impl ProgressBus for TextBus {
///     fn publish(&self, event: UploadEvent) {
///         // Nobody listens: that is no fault.
///         let _ = self.0.send(serde_json::to_string(&event).expect("an event makes JSON"));
///     }
///
///     fn subscribe(&self, id: &UploadId) -> Subscription {
///         // From now on, so the receiver is made here and not in the stream.
///         let state = (self.0.subscribe(), id.clone());
///         Subscription::new(stream::unfold(state, |(mut receiver, id)| async move {
///             loop {
///                 match receiver.recv().await {
///                     Ok(text) => match serde_json::from_str::<UploadEvent>(&text) {
///                         Ok(event) if event.upload_id == id => return Some((event, (receiver, id))),
///                         _ => {}
///                     },
///                     // A slow listener misses what is outdated.
///                     Err(RecvError::Lagged(_)) => {}
///                     Err(RecvError::Closed) => return None,
///                 }
///             }
///         }))
///     }
///
///     async fn latest(&self, _: &UploadId) -> Option<UploadEvent> {
///         None
///     }
///
///     fn forget(&self, _: &UploadId) {}
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// telestore_progress::testsuite::progress_bus(async || {
///     let bus = TextBus(Sender::new(64));
///     (bus.clone(), bus)
/// })
/// .await;
/// # }
/// ```
#[async_trait]
pub trait ProgressBus: fmt::Debug + Send + Sync + 'static {
    /// Tells listeners.
    fn publish(&self, event: UploadEvent);

    /// Listens to one upload from now on.
    fn subscribe(&self, id: &UploadId) -> Subscription;

    /// The newest event, while the bus remembers one.
    async fn latest(&self, id: &UploadId) -> Option<UploadEvent>;

    /// The run is over and stored: listeners keep what they have, the bus may forget it, and their subscriptions may end.
    fn forget(&self, id: &UploadId);

    /// The upload waits, and another worker may be the one to go on with it: the bus need not remember it any more. Listeners
    /// keep what they have, and should hear what is published later.
    ///
    /// A bus that has none of its own lets it be [forgotten](Self::forget), by which subscriptions may end.
    fn release(&self, id: &UploadId) {
        self.forget(id);
    }
}

/// A listener's end. When the listener goes, it drops what it listens to, by which a bus sees that.
pub struct Subscription(Source);

enum Source {
    Topic(watch::Receiver<Topic>),
    Watch(watch::Receiver<Option<UploadEvent>>),
    Stream(Pin<Box<dyn Stream<Item = UploadEvent> + Send>>),
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

impl Subscription {
    /// Listens to a stream of one upload's events, the newest last. Its end says that none will come any more from here:
    /// the listener looks into the session store then, and listens anew if the upload is not over.
    ///
    /// The stream is asked for its next event when the listener has dealt with the one before. It should then give the
    /// newest one and skip those that came in between.
    pub fn new(events: impl Stream<Item = UploadEvent> + Send + 'static) -> Self {
        Self(Source::Stream(Box::pin(events)))
    }

    /// Waits for an event that this listener has not seen; `None` when none will come any more. A call that is dropped
    /// loses nothing.
    pub async fn next(&mut self) -> Option<UploadEvent> {
        match &mut self.0 {
            Source::Stream(events) => events.next().await,
            Source::Topic(topic) => changed(topic, |topic| topic.newest.clone()).await,
            Source::Watch(newest) => changed(newest, Clone::clone).await,
        }
    }
}

/// Waits for an event in what a sender holds.
async fn changed<T>(
    held: &mut watch::Receiver<T>,
    event: impl Fn(&T) -> Option<UploadEvent>,
) -> Option<UploadEvent> {
    loop {
        held.changed().await.ok()?;
        let newest = event(&held.borrow_and_update());
        if newest.is_some() {
            return newest;
        }
    }
}

/// Listens to the newest event of one upload that a sender holds, without those that came before this.
impl From<watch::Receiver<Option<UploadEvent>>> for Subscription {
    fn from(newest: watch::Receiver<Option<UploadEvent>>) -> Self {
        Self(Source::Watch(newest))
    }
}

/// The bus of one process.
#[derive(Debug, Clone, Default)]
pub struct LocalProgressBus(Arc<Mutex<HashMap<UploadId, watch::Sender<Topic>>>>);

#[derive(Debug, Default)]
struct Topic {
    newest: Option<UploadEvent>,
    /// Another worker may know a newer one: it is for those who listen, and remembered no longer than they do.
    is_released: bool,
}

impl Topic {
    fn remembered(&self) -> Option<&UploadEvent> {
        self.newest.as_ref().filter(|_| !self.is_released)
    }
}

impl LocalProgressBus {
    /// A bus without listeners.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, watch::Sender<Topic>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ProgressBus for LocalProgressBus {
    fn publish(&self, event: UploadEvent) {
        let id = event.upload_id.clone();
        self.lock().entry(id).or_default().send_replace(Topic { newest: Some(event), is_released: false });
    }

    fn subscribe(&self, id: &UploadId) -> Subscription {
        let mut topics = self.lock();
        // Listeners that are gone leave empty topics behind; sweep them when the map would grow.
        if topics.len() == topics.capacity() {
            topics.retain(|_, topic| topic.receiver_count() > 0 || topic.borrow().remembered().is_some());
        }
        Subscription(Source::Topic(topics.entry(id.clone()).or_default().subscribe()))
    }

    async fn latest(&self, id: &UploadId) -> Option<UploadEvent> {
        self.lock().get(id).and_then(|topic| topic.borrow().remembered().cloned())
    }

    fn forget(&self, id: &UploadId) {
        self.lock().remove(id);
    }

    fn release(&self, id: &UploadId) {
        let mut topics = self.lock();
        let Some(topic) = topics.get(id) else { return };
        if topic.receiver_count() == 0 {
            topics.remove(id);
            return;
        }
        // No news to those who listen.
        topic.send_if_modified(|topic| {
            topic.is_released = true;
            false
        });
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
        assert_eq!(bus.latest(&id).await, None);
    }

    #[tokio::test]
    async fn abandoned_topics_do_not_pile_up() {
        let bus = LocalProgressBus::new();
        for n in 0..10_000 {
            drop(bus.subscribe(&UploadId::new(format!("id-{n}")).unwrap()));
        }
        assert!(bus.lock().len() < 5_000, "{} topics", bus.lock().len());
    }

    #[tokio::test]
    async fn what_is_released_is_remembered_for_those_who_listen() {
        let bus = LocalProgressBus::new();
        let id = UploadId::new("a").unwrap();
        bus.publish(event("a", Stage::Queued));
        bus.release(&id);
        assert!(bus.lock().is_empty(), "nobody listens");

        let mut listener = bus.subscribe(&id);
        bus.publish(event("a", Stage::Queued));
        bus.release(&id);
        assert_eq!(bus.latest(&id).await, None);
        assert_eq!(listener.next().await.map(|event| event.stage), Some(Stage::Queued));
        bus.publish(event("a", Stage::Connecting));
        assert_eq!(listener.next().await.map(|event| event.stage), Some(Stage::Connecting));
        assert!(bus.latest(&id).await.is_some(), "it goes on here");
        bus.release(&id);
        drop(listener);

        for n in 0..100 {
            drop(bus.subscribe(&UploadId::new(format!("id-{n}")).unwrap()));
        }
        assert!(!bus.lock().contains_key(&id), "the listener has gone");
    }

    #[tokio::test]
    async fn a_bus_sees_that_a_listener_has_gone() {
        let (sender, receiver) = watch::channel(());
        let events = futures_util::stream::pending::<UploadEvent>().map(move |event| {
            let _held = &receiver;
            event
        });
        let listener = Subscription::new(events);
        assert!(!sender.is_closed());
        drop(listener);
        assert!(sender.is_closed());
    }
}
