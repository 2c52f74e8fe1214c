//! How much is spooled for callers of whom nothing is known yet.

mod share;
mod stranger;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore::Telestore;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::shared::error::ApiError;
pub(crate) use share::Share;
use stranger::Stranger;

/// The rate that is asked for if the budget is all in use, in bytes a second. Up to half of it none is, and between
/// them it rises.
const FULL_RATE: f64 = 128.0 * 1024.0;

/// How often somebody is looked for who should leave, at most: with thousands of strangers that takes a while.
const CHOOSE_EVERY: Duration = Duration::from_millis(20);

/// How often free space is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A budget for the bytes of bodies that are spooled before it is known whose they are.
///
/// Clients may send a file before the token that it belongs to. A stranger without a token sends one, too, and must not fill the
/// disk: all such bodies together hold a part of the free space at most, and those from one address a half of that. If
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
    all: Held,
    begin: Instant,
    open: Mutex<Open>,
    /// Somebody has left.
    freed: Notify,
}

/// What is held, in all or for an address.
#[derive(Debug, Default)]
struct Held {
    bytes: AtomicU64,
    /// When somebody was last looked for who should leave, in milliseconds after the beginning.
    looked: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    strangers: HashMap<u64, Arc<Stranger>>,
    addresses: HashMap<IpAddr, Arc<Held>>,
    looked: Option<Instant>,
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
    /// At most `most` bytes, or a quarter of the free space if that is less.
    pub fn new(most: u64) -> Self {
        Self(Arc::new(Shared {
            most,
            limit: AtomicU64::new(most),
            all: Held::default(),
            begin: Instant::now(),
            open: Mutex::default(),
            freed: Notify::new(),
        }))
    }

    /// How many bytes are held.
    pub fn held(&self) -> u64 {
        self.0.all.bytes.load(Ordering::Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of a stranger begins. `address` counts, if addresses are limited.
    pub(crate) fn enter(&self, address: Option<IpAddr>) -> Share {
        let mut open = self.open();
        let of_address = address.map(|address| Arc::clone(open.addresses.entry(address).or_default()));
        let stranger = Arc::new(Stranger::new(address, of_address));
        let id = open.next;
        open.next += 1;
        open.strangers.insert(id, Arc::clone(&stranger));
        drop(open);
        Share::new(self.clone(), id, stranger)
    }

    /// Looks at how much is free, if that was not done just now.
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

    /// Whether it is time to look for somebody who should leave.
    fn may_choose(&self, held: &Held) -> bool {
        let now = CHOOSE_EVERY + self.0.begin.elapsed();
        let now = now.as_millis() as u64;
        let last = held.looked.load(Ordering::Relaxed);
        now.saturating_sub(last) >= CHOOSE_EVERY.as_millis() as u64
            && held.looked.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
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

#[cfg(test)]
mod tests;
