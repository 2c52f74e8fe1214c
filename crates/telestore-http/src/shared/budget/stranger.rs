use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::Held;

/// How long a stranger may take to come up to speed.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Somebody whose body is taken in.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) since: Instant,
    pub(super) address: Option<IpAddr>,
    /// What is held for its address.
    pub(super) of_address: Option<Arc<Held>>,
    pub(super) bytes: AtomicU64,
    /// Bytes a second when that was looked at last; [`u64::MAX`] before.
    pub(super) recent: AtomicU64,
    /// For how many milliseconds it was made to wait for room, and since when (after its beginning) it does; 0: it does
    /// not.
    waited: AtomicU64,
    waits_since: AtomicU64,
    pub(super) leaving: AtomicBool,
    told: AtomicWaker,
}

/// Since when, and from how many bytes on, a rate is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    since: Instant,
    bytes: u64,
    /// Time in which the client was not waited for.
    pub(super) busy: Duration,
    length: Duration,
}

impl Window {
    pub(super) fn new(since: Instant, length: Duration) -> Self {
        Self { since, bytes: 0, busy: Duration::ZERO, length }
    }

    pub(super) fn end(&self) -> Instant {
        self.since + self.busy + self.length
    }

    /// If it is over: the rate in it in bytes a second. Then the next one begins.
    pub(super) fn rate(&mut self, now: Instant, bytes: u64) -> Option<f64> {
        if now < self.end() {
            return None;
        }
        let time = now.duration_since(self.since) - self.busy;
        let rate = (bytes - self.bytes) as f64 / time.as_secs_f64();
        *self = Self { since: now, bytes, busy: Duration::ZERO, length: self.length };
        Some(rate)
    }
}

impl Stranger {
    pub(super) fn new(address: Option<IpAddr>, of_address: Option<Arc<Held>>) -> Self {
        Self {
            since: Instant::now(),
            address,
            of_address,
            bytes: AtomicU64::new(0),
            recent: AtomicU64::new(u64::MAX),
            waited: AtomicU64::new(0),
            waits_since: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            told: AtomicWaker::new(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// For how long it could have sent.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.since).saturating_sub(self.waited(now))
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waits_since.load(Ordering::Relaxed) > 0
    }

    /// For how long it had to wait for room.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        let age = now.duration_since(self.since).as_millis() as u64;
        let waiting = match self.waits_since.load(Ordering::Relaxed) {
            0 => 0,
            since => (age + 1).saturating_sub(since),
        };
        Duration::from_millis(waiting + self.waited.load(Ordering::Relaxed))
    }

    /// It waits for room, or does not any more.
    pub(super) fn waits(&self, waits: bool) {
        let age = self.since.elapsed().as_millis() as u64 + 1;
        let since = self.waits_since.swap(if waits { age } else { 0 }, Ordering::Relaxed);
        if !waits {
            self.waited.fetch_add(age - since, Ordering::Relaxed);
        }
    }

    /// Bytes a second, from its beginning or lately, whichever is less: who was quick once must not rest on that.
    pub(super) fn rate(&self, now: Instant) -> u64 {
        let time = self.age(now).max(GRACE);
        let since = (self.bytes.load(Ordering::Relaxed) as f64 / time.as_secs_f64()) as u64;
        since.min(self.recent.load(Ordering::Relaxed))
    }

    /// Ready when it was told to leave.
    pub(super) fn poll_leaving(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.told.register(cx.waker());
        if self.leaving.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.told.wake();
    }
}
