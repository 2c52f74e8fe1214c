use std::sync::Arc;
use std::time::Duration;

use telestore_store::Counts;
use telestore_types::Timestamp;
use tokio::sync::Mutex;

use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::metrics;

/// How long what the store says counts: who reads more often costs no more.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Brings the metrics up to date that the stores have to be asked for.
#[derive(Debug)]
pub(crate) struct Gauges {
    base: Arc<Base>,
    bytes: Arc<Bytes>,
    backends: Arc<Backends>,
    /// When they were brought up to date last.
    last: Mutex<Option<Timestamp>>,
}

impl Gauges {
    pub(crate) fn new(base: Arc<Base>, bytes: Arc<Bytes>, backends: Arc<Backends>) -> Self {
        Self { base, bytes, backends, last: Mutex::default() }
    }

    pub(crate) async fn refresh(&self) {
        let mut last = self.last.lock().await;
        let now = self.base.now();
        if last.is_some_and(|at| now >= at && now.since(at) < LOOK_EVERY) {
            return;
        }
        metrics::bots(&self.backends.pool.bots());
        let looked = async { tokio::join!(self.counts(now), self.bytes.chunks.free_bytes()) };
        let Ok((counts, free)) = tokio::time::timeout(PATIENCE, looked).await else { return };
        *last = Some(now);
        match counts {
            Ok(Some(counts)) => metrics::show(&counts, now),
            // Zero, and not what was true when this worker was the first: sums over all workers are right that way.
            Ok(None) => metrics::show(&Counts::default(), now),
            Err(error) => tracing::debug!(%error, "cannot count uploads"),
        }
        if let Ok(Some(bytes)) = free {
            metrics::free(bytes);
        }
    }

    /// What there is of everything, if this worker is the one that tells it: of many on one store, the first by name.
    async fn counts(&self, now: Timestamp) -> telestore_store::Result<Option<Counts>> {
        let Base { sessions, worker, config, .. } = &*self.base;
        if !config.alone {
            let first = sessions.living(now, None, 1).await?;
            if first.first().is_some_and(|first| first != worker) {
                return Ok(None);
            }
        }
        sessions.counts().await.map(Some)
    }
}
