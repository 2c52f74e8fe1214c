use telestore_types::StorageKey;
use tokio::sync::broadcast;

/// Something that another worker may be waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// An upload waits for a runner.
    Queued,
    /// This life of an upload was cancelled; the worker that sends it is to stop.
    Cancelled(StorageKey),
    /// An event waits in the outbox.
    Event,
    /// Anything: changes were missed.
    Unknown,
}

/// Tells of changes that other workers make to the store.
///
/// It is a hint and nothing more: a change may be told late, twice, or never, so a worker looks into the store from time
/// to time as well.
///
/// ```
/// use telestore_store::{Change, Changes};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // A store that listens to its database sends on one end, and gives each worker another.
/// let (told, _) = tokio::sync::broadcast::channel(16);
/// let mut changes = Changes::from(told.subscribe());
/// told.send(Change::Queued).unwrap();
/// assert_eq!(changes.next().await, Change::Queued);
/// # });
/// ```
#[derive(Debug, Default)]
pub struct Changes(Option<broadcast::Receiver<Change>>);

impl Changes {
    /// Of a store that tells of nothing.
    pub const fn never() -> Self {
        Self(None)
    }

    /// The next change. A caller that drops this future in the middle misses none.
    pub async fn next(&mut self) -> Change {
        let Some(receiver) = &mut self.0 else { return std::future::pending().await };
        match receiver.recv().await {
            Ok(change) => change,
            Err(broadcast::error::RecvError::Lagged(_)) => Change::Unknown,
            Err(broadcast::error::RecvError::Closed) => {
                self.0 = None;
                std::future::pending().await
            }
        }
    }
}

impl From<broadcast::Receiver<Change>> for Changes {
    fn from(receiver: broadcast::Receiver<Change>) -> Self {
        Self(Some(receiver))
    }
}
