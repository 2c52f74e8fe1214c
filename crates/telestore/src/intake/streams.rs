//! Which requests of this process append to which uploads: one at a time for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_types::StorageKey;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long another request is waited for, which writes to a disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one request asks of another that appends to the same upload.
#[derive(Debug)]
pub(super) enum Order {
    /// To record what has come, and to go on.
    Record(oneshot::Sender<()>),
    /// To leave what is not recorded, and to end.
    Stop,
}

/// The requests that append, by the lives of their uploads. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<StorageKey, Running>>>);

/// A request that appends.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    orders: mpsc::Sender<Order>,
    over: CancellationToken,
}

impl Running {
    /// Has it record what has come. If it does not get around to it, there is nothing new.
    pub(crate) async fn record(&self) {
        let asked = async {
            let (told, done) = oneshot::channel();
            if self.orders.send(Order::Record(told)).await.is_ok() {
                // It may end instead.
                let _ = done.await;
            }
        };
        let _ = timeout(PATIENCE, asked).await;
    }

    /// Ends it. `false` if it has not ended in time.
    pub(crate) async fn stop(&self) -> bool {
        let asked = async {
            let _ = self.orders.send(Order::Stop).await;
            self.over.cancelled().await;
        };
        timeout(PATIENCE, asked).await.is_ok()
    }
}

/// A request's place among those that append. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Place {
    streams: Streams,
    key: StorageKey,
    over: CancellationToken,
}

impl Streams {
    fn all(&self) -> MutexGuard<'_, HashMap<StorageKey, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request that appends to an upload now.
    pub(crate) fn of(&self, key: &StorageKey) -> Option<Running> {
        self.all().get(key).cloned()
    }

    /// The place of the only request that appends to an upload, and what is asked of it; the one that has it, if another has.
    pub(super) fn enter(&self, key: &StorageKey) -> Result<(Place, mpsc::Receiver<Order>), Running> {
        let mut all = self.all();
        if let Some(running) = all.get(key) {
            return Err(running.clone());
        }
        let (orders, asked) = mpsc::channel(4);
        let over = CancellationToken::new();
        all.insert(key.clone(), Running { orders, over: over.clone() });
        Ok((Place { streams: self.clone(), key: key.clone(), over }, asked))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.all().remove(&self.key);
        self.over.cancel();
    }
}
