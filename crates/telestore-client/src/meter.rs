use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;

use crate::progress::Report;

/// How much of a body goes on at once: what a progress bar moves by.
const SLICE: usize = 64 * 1024;

/// How often it is looked whether anything moves.
const LOOK: Duration = Duration::from_secs(1);

/// How fast all files of a client together may go.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    bytes_per_second: u64,
    /// When the next byte may go.
    next: Arc<Mutex<Instant>>,
}

impl Rate {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), next: Arc::new(Mutex::new(Instant::now())) }
    }

    /// How much goes at once: little enough that several uploads take turns within seconds.
    fn slice(&self) -> usize {
        usize::try_from(self.bytes_per_second / 4).unwrap_or(SLICE).clamp(512, SLICE)
    }

    pub(crate) async fn pass(&self, bytes: usize) {
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let turn = (*next).max(Instant::now());
            *next = turn + takes;
            turn
        };
        tokio::time::sleep_until(turn.into()).await;
    }
}

/// Watches one body on its way.
#[derive(Debug)]
pub(crate) struct Meter {
    report: Report,
    rate: Option<Rate>,
    moved: Mutex<Instant>,
}

impl Meter {
    pub(crate) fn new(report: Report, rate: Option<Rate>) -> Arc<Self> {
        Arc::new(Self { report, rate, moved: Mutex::new(Instant::now()) })
    }

    /// The body of a request, in slices that are counted as the connection takes them.
    pub(crate) fn body(self: &Arc<Self>, bytes: Bytes) -> Body {
        let slices = stream::unfold((bytes, Arc::clone(self)), |(mut bytes, meter)| async move {
            if bytes.is_empty() {
                return None;
            }
            let most = meter.rate.as_ref().map_or(SLICE, Rate::slice);
            let slice = bytes.split_to(most.min(bytes.len()));
            meter.pass(slice.len()).await;
            Some((Ok::<_, Infallible>(slice), (bytes, meter)))
        });
        Body::wrap_stream(slices)
    }

    async fn pass(&self, bytes: usize) {
        if let Some(rate) = &self.rate {
            rate.pass(bytes).await;
        }
        *self.moved.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Instant::now();
        self.report.change(|progress| progress.sent += bytes as u64);
    }

    fn still_for(&self) -> Duration {
        self.moved.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).elapsed()
    }

    /// Ends once nothing has moved for so long.
    pub(crate) async fn stalled(&self, limit: Duration) {
        while self.still_for() < limit {
            tokio::time::sleep(LOOK.min(limit)).await;
        }
    }
}
