//! How much is spooled for callers of whom nothing is known yet.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore::{Error, Telestore};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::error::ApiError;

/// How long a stranger may take to come up to speed.
const GRACE: Duration = Duration::from_secs(2);

/// How long a stranger waits for room at most before it is refused: by then others are past their grace.
const PATIENCE: Duration = Duration::from_secs(8);

/// For how long a stranger waits for room, in all, before it is taken for a jam in which all wait for each other.
const JAM: Duration = Duration::from_secs(1);

/// Over how long the rate of a stranger is averaged where somebody must leave.
const LATELY: Duration = Duration::from_secs(2);

/// And where all of them must have some rate.
const WHILE: Duration = Duration::from_secs(6);

/// How many bytes of a body may come without room for them. With that, only those wait who have much to send: who
/// trickles is seen to be slow.
const CREDIT: u64 = 16 * 1024;

/// Strangers that are slower than this are as good as silent, in bytes a second.
const SILENT: u64 = 1024;

/// The rate that is asked for where the budget is all in use, in bytes a second. Up to half of it none is, and between
/// them it rises.
const FULL_RATE: f64 = 128.0 * 1024.0;

/// How often free space is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A budget for the bytes of bodies that are spooled before it is known whose they are.
///
/// Clients may send a file before the token that it belongs to. Whoever has no token sends one, too, and must not fill the
/// disk: all such bodies together hold a part of the free space at most, and those from one address a half of that. Where
/// there is no room, the slowest of them goes, so that those who send at an honest rate come through beside any
/// number that hold what they have. Callers with a good token at the front are not counted, and never refused here.
#[derive(Debug, Clone)]
pub struct SpoolBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What the operator allows.
    most: u64,
    /// What is allowed now: no more than a quarter of the free space.
    limit: AtomicU64,
    held: AtomicU64,
    open: Mutex<Open>,
    /// Somebody has left.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    strangers: HashMap<u64, Arc<Stranger>>,
    addresses: HashMap<IpAddr, Arc<AtomicU64>>,
    looked: Option<Instant>,
}

/// Somebody whose body is taken in.
#[derive(Debug)]
struct Stranger {
    since: Instant,
    address: Option<IpAddr>,
    /// What is held for its address.
    of_address: Option<Arc<AtomicU64>>,
    bytes: AtomicU64,
    /// Bytes a second when that was looked at last; [`u64::MAX`] before.
    recent: AtomicU64,
    /// For how many milliseconds it was made to wait for room, and since when (after its beginning) it does; 0: it does
    /// not.
    waited: AtomicU64,
    waits_since: AtomicU64,
    leaving: AtomicBool,
    told: Notify,
}

/// What one body holds of the budget, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: SpoolBudget,
    id: u64,
    stranger: Arc<Stranger>,
    lately: Window,
    /// A longer one.
    period: Window,
    /// How many bytes have come without room for them.
    credit: u64,
}

/// Since when, and from how many bytes on, a rate is measured.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    bytes: u64,
    /// Time in which the client was not waited for.
    busy: Duration,
    length: Duration,
}

impl Window {
    fn new(since: Instant, length: Duration) -> Self {
        Self { since, bytes: 0, busy: Duration::ZERO, length }
    }

    fn end(&self) -> Instant {
        self.since + self.busy + self.length
    }

    /// Where it is over: the rate in it in bytes a second. Then the next one begins.
    fn rate(&mut self, now: Instant, bytes: u64) -> Option<f64> {
        if now < self.end() {
            return None;
        }
        let time = now.duration_since(self.since) - self.busy;
        let rate = (bytes - self.bytes) as f64 / time.as_secs_f64();
        *self = Self { since: now, bytes, busy: Duration::ZERO, length: self.length };
        Some(rate)
    }
}

impl Default for SpoolBudget {
    /// 1 GiB.
    fn default() -> Self {
        Self::new(1024 * 1024 * 1024)
    }
}

impl PartialEq for SpoolBudget {
    fn eq(&self, other: &Self) -> bool {
        self.0.most == other.0.most
    }
}

impl Eq for SpoolBudget {}

impl SpoolBudget {
    /// At most `most` bytes, or a quarter of the free space where that is less.
    pub fn new(most: u64) -> Self {
        Self(Arc::new(Shared {
            most,
            limit: AtomicU64::new(most),
            held: AtomicU64::new(0),
            open: Mutex::default(),
            freed: Notify::new(),
        }))
    }

    /// How many bytes are held.
    pub fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of a stranger begins. `address` counts, where addresses are limited.
    pub(crate) fn enter(&self, address: Option<IpAddr>) -> Share {
        let mut open = self.open();
        let of_address = address.map(|address| Arc::clone(open.addresses.entry(address).or_default()));
        let now = Instant::now();
        let stranger = Arc::new(Stranger {
            since: now,
            address,
            of_address,
            bytes: AtomicU64::new(0),
            recent: AtomicU64::new(u64::MAX),
            waited: AtomicU64::new(0),
            waits_since: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            told: Notify::new(),
        });
        let id = open.next;
        open.next += 1;
        open.strangers.insert(id, Arc::clone(&stranger));
        drop(open);
        let (lately, period) = (Window::new(now, LATELY), Window::new(now, WHILE));
        Share { budget: self.clone(), id, stranger, lately, period, credit: 0 }
    }

    /// Looks at how much is free, where that was not done just now.
    pub(crate) async fn look(&self, engine: &Telestore) -> Result<(), ApiError> {
        let now = Instant::now();
        {
            let mut open = self.open();
            if open.looked.is_some_and(|looked| now.duration_since(looked) < LOOK_EVERY) {
                return Ok(());
            }
            open.looked = Some(now);
        }
        let spare = engine.spare_bytes().await?;
        // What is held has been taken from it already.
        let quarter = spare.map(|spare| spare.saturating_add(self.held()) / 4);
        self.0.limit.store(quarter.unwrap_or(u64::MAX).min(self.0.most), Ordering::Relaxed);
        Ok(())
    }

    fn limit(&self) -> u64 {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// The rate that strangers must have now, in bytes a second.
    fn least_rate(&self) -> f64 {
        let used = self.held() as f64 / self.limit().max(1) as f64;
        FULL_RATE * (2.0 * used - 1.0).clamp(0.0, 1.0)
    }
}

impl Stranger {
    /// For how long it could have sent.
    fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.since).saturating_sub(self.waited(now))
    }

    fn is_waiting(&self) -> bool {
        self.waits_since.load(Ordering::Relaxed) > 0
    }

    /// For how long it had to wait for room.
    fn waited(&self, now: Instant) -> Duration {
        let age = now.duration_since(self.since).as_millis() as u64;
        let waiting = match self.waits_since.load(Ordering::Relaxed) {
            0 => 0,
            since => (age + 1).saturating_sub(since),
        };
        Duration::from_millis(waiting + self.waited.load(Ordering::Relaxed))
    }

    /// It waits for room, or does not any more.
    fn waits(&self, waits: bool) {
        let age = self.since.elapsed().as_millis() as u64 + 1;
        let since = self.waits_since.swap(if waits { age } else { 0 }, Ordering::Relaxed);
        if !waits {
            self.waited.fetch_add(age - since, Ordering::Relaxed);
        }
    }

    /// Bytes a second, from its beginning or lately, whichever is less: who was quick once must not rest on that.
    fn rate(&self, now: Instant) -> u64 {
        let time = self.age(now).max(GRACE);
        let since = (self.bytes.load(Ordering::Relaxed) as f64 / time.as_secs_f64()) as u64;
        since.min(self.recent.load(Ordering::Relaxed))
    }

    fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.told.notify_one();
    }
}

impl Share {
    /// Counts bytes that have come, and makes room for them where there is none.
    pub(crate) async fn take(&mut self, bytes: u64) -> Result<(), ApiError> {
        if self.stranger.leaving.load(Ordering::Acquire) || self.is_too_slow() {
            return Err(ApiError::StrangersFull);
        }
        if self.add(bytes) {
            self.credit = 0;
            return Ok(());
        }
        self.check_alone()?;
        self.credit += bytes;
        if self.credit <= CREDIT {
            return Ok(());
        }
        self.credit = 0;
        self.stranger.waits(true);
        let room = self.make_room().await;
        self.stranger.waits(false);
        room
    }

    fn add(&self, bytes: u64) -> bool {
        let all = self.budget.0.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let limit = self.budget.limit();
        let of_address = self.stranger.of_address.as_ref();
        let of_address = of_address.map_or(0, |held| held.fetch_add(bytes, Ordering::Relaxed) + bytes);
        self.stranger.bytes.fetch_add(bytes, Ordering::Relaxed);
        all <= limit && of_address <= limit / 2
    }

    /// Lets the slowest go until there is room again.
    async fn make_room(&self) -> Result<(), ApiError> {
        let end = Instant::now() + self.patience();
        loop {
            let freed = self.budget.0.freed.notified();
            let mut freed = std::pin::pin!(freed);
            freed.as_mut().enable();
            if self.let_go() {
                return Ok(());
            }
            // Who is told to leave does so at once; the others come to the end of their grace.
            let next = end.min(Instant::now() + Duration::from_millis(250));
            tokio::select! {
                _ = timeout_at(next, freed) => {}
                () = self.stranger.told.notified() => return Err(ApiError::StrangersFull),
            }
            if Instant::now() >= end {
                return Err(ApiError::StrangersFull);
            }
        }
    }

    /// For how long it waits for room: the more it holds itself, the shorter, so that those who hold the most leave first.
    fn patience(&self) -> Duration {
        let part = self.stranger.bytes.load(Ordering::Relaxed) as f64 / self.budget.limit().max(1) as f64;
        PATIENCE.mul_f64((1.0 - part).clamp(0.1, 1.0))
    }

    /// Refuses a body that is too much even where nobody else is there.
    fn check_alone(&self) -> Result<(), ApiError> {
        let limit = self.budget.limit();
        let most = |limit: u64| if self.stranger.address.is_some() { limit / 2 } else { limit };
        let bytes = self.stranger.bytes.load(Ordering::Relaxed);
        if bytes <= most(limit) {
            return Ok(());
        }
        // A disk with more room would do.
        if bytes <= most(self.budget.0.most) {
            return Err(Error::NoSpace.into());
        }
        Err(ApiError::TokenFirst { limit: Some(most(limit)) })
    }

    /// Whether there is room; where there is none, the slowest are told to leave.
    fn let_go(&self) -> bool {
        let open = self.budget.open();
        let limit = self.budget.limit();
        let held = self.budget.held();
        let of_address = self.stranger.of_address.as_ref().map_or(0, |held| held.load(Ordering::Relaxed));
        if held <= limit && of_address <= limit / 2 {
            return true;
        }
        // Those of the same address first, where it has too much.
        let all = of_address <= limit / 2;
        let (held, limit) = if all { (held, limit) } else { (of_address, limit / 2) };
        let now = Instant::now();
        let counts = |stranger: &&Arc<Stranger>| all || stranger.address == self.stranger.address;
        let bytes = |stranger: &Stranger| stranger.bytes.load(Ordering::Relaxed);
        let leaving = |stranger: &Stranger| stranger.leaving.load(Ordering::Acquire);
        let mut held = open
            .strangers
            .values()
            .filter(counts)
            .filter(|one| leaving(one))
            .fold(held, |held, stranger| held.saturating_sub(bytes(stranger)));
        let mut slow: Vec<_> = open
            .strangers
            .values()
            .filter(counts)
            .filter(|one| !leaving(one) && bytes(one) > 0 && one.age(now) >= GRACE)
            .map(|stranger| ((stranger.rate(now) / SILENT, stranger.since), stranger))
            .collect();
        slow.sort_unstable_by_key(|(order, _)| *order);
        let mut leave: Vec<_> = slow.into_iter().map(|(_, stranger)| stranger).collect();
        if self.stranger.waited(now) >= JAM {
            // All have much to send, and none would come to its end. Who came first had the most time.
            let own = self.stranger.since;
            let mut older: Vec<_> = open
                .strangers
                .values()
                .filter(counts)
                .filter(|one| !leaving(one) && one.is_waiting() && one.since < own && one.age(now) < GRACE)
                .collect();
            older.sort_unstable_by_key(|stranger| stranger.since);
            leave.extend(older);
        }
        for stranger in leave {
            if held <= limit {
                break;
            }
            held = held.saturating_sub(bytes(stranger));
            stranger.leave();
        }
        false
    }

    /// Returns when this body must go: it is the slowest where there is no room, or too slow for how much is held.
    pub(crate) async fn given_up(&mut self) {
        loop {
            let next = self.lately.end().min(self.period.end());
            tokio::select! {
                biased;
                () = self.stranger.told.notified() => return,
                () = tokio::time::sleep_until(next) => {}
            }
            if self.is_too_slow() {
                return;
            }
        }
    }

    /// The worker has worked on its bytes for so long, in which its client was not waited for.
    pub(crate) fn was_busy(&mut self, time: Duration) {
        self.lately.busy += time;
        self.period.busy += time;
    }

    fn is_too_slow(&mut self) -> bool {
        let (now, bytes) = (Instant::now(), self.stranger.bytes.load(Ordering::Relaxed));
        if let Some(rate) = self.lately.rate(now, bytes) {
            self.stranger.recent.store(rate as u64, Ordering::Relaxed);
        }
        self.period.rate(now, bytes).is_some_and(|rate| rate < self.budget.least_rate())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let bytes = self.stranger.bytes.load(Ordering::Relaxed);
        let mut open = self.budget.open();
        open.strangers.remove(&self.id);
        self.budget.0.held.fetch_sub(bytes, Ordering::Relaxed);
        if let (Some(address), Some(held)) = (self.stranger.address, &self.stranger.of_address) {
            held.fetch_sub(bytes, Ordering::Relaxed);
            // One in the map, one here.
            if Arc::strong_count(held) == 2 {
                open.addresses.remove(&address);
            }
        }
        drop(open);
        self.budget.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
