//! A slower network than loopback: round trip and bandwidth.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The network between the clients and the sandbox. Both limits can change while clients are connected.
#[derive(Debug)]
pub struct Network {
    round_trip_micros: AtomicU64,
    /// Bytes a second; 0 is unlimited.
    bandwidth: AtomicU64,
    /// When the bytes admitted so far will have "arrived".
    busy_until: Mutex<Instant>,
    /// Whether MTProto answers travel at all.
    answering: watch::Sender<bool>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            round_trip_micros: AtomicU64::new(0),
            bandwidth: AtomicU64::new(0),
            busy_until: Mutex::new(Instant::now()),
            answering: watch::Sender::new(true),
        }
    }
}

impl Network {
    /// Delays every answer by `round_trip`. Answers are delayed one by one, so requests in flight overlap.
    pub fn set_round_trip(&self, round_trip: Duration) {
        self.round_trip_micros.store(round_trip.as_micros() as u64, Ordering::Relaxed);
    }

    /// The current round trip.
    pub fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip_micros.load(Ordering::Relaxed))
    }

    /// Limits what the whole sandbox reads from clients, in bytes a second; `None` lifts the limit.
    pub fn set_bandwidth(&self, bytes_per_second: Option<u64>) {
        self.bandwidth.store(bytes_per_second.unwrap_or(0), Ordering::Relaxed);
        *self.lock() = Instant::now();
    }

    /// The current limit in bytes a second.
    pub fn bandwidth(&self) -> Option<u64> {
        Some(self.bandwidth.load(Ordering::Relaxed)).filter(|&limit| limit > 0)
    }

    /// Stops everything that MTProto servers say, on every connection, or lets it go on: nothing is lost.
    pub fn set_answering(&self, answering: bool) {
        self.answering.send_replace(answering);
    }

    /// Waits until answers travel.
    pub(crate) async fn answering(&self) {
        // The sender lives in `self`.
        let _ = self.answering.subscribe().wait_for(|answering| *answering).await;
    }

    /// Waits as long as an answer travels.
    pub(crate) async fn travel(&self) {
        let round_trip = self.round_trip();
        if !round_trip.is_zero() {
            tokio::time::sleep(round_trip).await;
        }
    }

    /// Waits until `bytes` more may have arrived.
    pub(crate) async fn admit(&self, bytes: usize) {
        let Some(limit) = self.bandwidth() else { return };
        let arrived = {
            let mut busy_until = self.lock();
            let start = (*busy_until).max(Instant::now());
            *busy_until = start + Duration::from_secs_f64(bytes as f64 / limit as f64);
            *busy_until
        };
        tokio::time::sleep_until(arrived).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.busy_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
