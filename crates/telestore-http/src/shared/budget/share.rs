use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use telestore::Error;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::stranger::{GRACE, Stranger, Window};
use super::{Held, SpoolBudget};
use crate::shared::error::ApiError;

/// How long a stranger waits for room at most before it is refused: by then others are past their grace.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// For how long a stranger waits for room, in all, before it is taken for a jam in which all wait for each other.
const JAM: Duration = Duration::from_secs(1);

/// Over how long the rate of a stranger is averaged if somebody must leave.
const LATELY: Duration = Duration::from_secs(2);

/// And if all of them must have some rate.
const WHILE: Duration = Duration::from_secs(6);

/// How many bytes of a body may come without room for them. With that, only those wait who have much to send: who
/// trickles is seen to be slow.
const CREDIT: u64 = 16 * 1024;

/// Strangers that are slower than this are as good as silent, in bytes a second.
const SILENT: u64 = 1024;

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
    /// Ends no later than a window does. It is set anew only when it ends, since most waits are short.
    alarm: Pin<Box<Sleep>>,
}

impl Share {
    pub(super) fn new(budget: SpoolBudget, id: u64, stranger: Arc<Stranger>) -> Self {
        let (lately, period) = (Window::new(stranger.since, LATELY), Window::new(stranger.since, WHILE));
        let alarm = Box::pin(sleep_until(lately.end()));
        Self { budget, id, stranger, lately, period, credit: 0, alarm }
    }

    /// Counts bytes that have come, and makes room for them if there is none.
    pub(crate) async fn take(&mut self, bytes: u64) -> Result<(), ApiError> {
        if self.stranger.is_leaving() || self.is_too_slow() {
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

    pub(super) fn add(&self, bytes: u64) -> bool {
        let all = self.budget.0.all.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let limit = self.budget.limit();
        let of_address = self.stranger.of_address.as_ref();
        let of_address = of_address.map_or(0, |held| held.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes);
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
                () = poll_fn(|cx| self.stranger.poll_leaving(cx)) => return Err(ApiError::StrangersFull),
            }
            if Instant::now() >= end {
                return Err(ApiError::StrangersFull);
            }
        }
    }

    /// For how long it waits for room: the more it holds itself, the shorter, so that those who hold the most leave first.
    fn patience(&self) -> Duration {
        let part = self.stranger.bytes() as f64 / self.budget.limit().max(1) as f64;
        PATIENCE.mul_f64((1.0 - part).clamp(0.1, 1.0))
    }

    /// Refuses a body that is too much even if nobody else is there.
    fn check_alone(&self) -> Result<(), ApiError> {
        let limit = self.budget.limit();
        let most = |limit: u64| if self.stranger.address.is_some() { limit / 2 } else { limit };
        let bytes = self.stranger.bytes();
        if bytes <= most(limit) {
            return Ok(());
        }
        // A disk with more room would do.
        if bytes <= most(self.budget.0.most) {
            return Err(Error::NoSpace.into());
        }
        Err(ApiError::TokenFirst { limit: Some(most(limit)) })
    }

    /// Whether there is room; if there is none, the slowest are told to leave.
    fn let_go(&self) -> bool {
        let (budget, limit) = (&self.budget, self.budget.limit());
        let bytes = |held: &Held| held.bytes.load(Ordering::Relaxed);
        let crowded = self.stranger.of_address.as_deref().filter(|held| bytes(held) > limit / 2);
        // If its address has too much, those of that one leave.
        let (held, limit) = match crowded {
            Some(held) => (held, limit / 2),
            None => (&budget.0.all, limit),
        };
        if bytes(held) <= limit {
            return true;
        }
        if budget.may_choose(held) {
            let open = budget.open();
            let of_them = |one: &&Stranger| crowded.is_none() || one.address == self.stranger.address;
            let strangers = open.strangers.values().map(AsRef::as_ref).filter(of_them).collect();
            leave_room(
                strangers,
                bytes(held).saturating_sub(limit),
                self.stranger.waited(Instant::now()) >= JAM,
            );
        }
        false
    }

    /// Returns when this body must go: it is the slowest if there is no room, or too slow for how much is held.
    pub(crate) async fn given_up(&mut self) {
        poll_fn(|cx| self.poll_given_up(cx)).await
    }

    fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stranger.poll_leaving(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if self.is_too_slow() {
                return Poll::Ready(());
            }
            let next = self.lately.end().min(self.period.end());
            self.alarm.as_mut().reset(next);
        }
    }

    /// The worker has worked on its bytes for so long, in which its client was not waited for.
    pub(crate) fn was_busy(&mut self, time: Duration) {
        self.lately.busy += time;
        self.period.busy += time;
    }

    fn is_too_slow(&mut self) -> bool {
        let (now, bytes) = (Instant::now(), self.stranger.bytes());
        if let Some(rate) = self.lately.rate(now, bytes) {
            self.stranger.recent.store(rate as u64, Ordering::Relaxed);
        }
        self.period.rate(now, bytes).is_some_and(|rate| rate < self.budget.least_rate())
    }
}

/// Tells as many to leave as hold `needed` bytes, the slowest first.
fn leave_room(strangers: Vec<&Stranger>, needed: u64, jammed: bool) {
    let now = Instant::now();
    let (leaving, staying): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|one| one.is_leaving());
    let mut needed = leaving.iter().fold(needed, |needed, one| needed.saturating_sub(one.bytes()));
    let (mut slow, mut others): (Vec<_>, Vec<_>) =
        staying.into_iter().filter(|one| one.bytes() > 0).partition(|one| one.age(now) >= GRACE);
    slow.sort_by_cached_key(|one| (one.rate(now) / SILENT, one.since));
    // If all have much to send, none would come to its end. Who came first had the most time; one stays.
    others.retain(|one| jammed && one.is_waiting());
    others.sort_by_key(|one| one.since);
    others.pop();
    for one in slow.into_iter().chain(others) {
        if needed == 0 {
            return;
        }
        needed = needed.saturating_sub(one.bytes());
        one.leave();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let bytes = self.stranger.bytes();
        let mut open = self.budget.open();
        open.strangers.remove(&self.id);
        self.budget.0.all.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if let (Some(address), Some(held)) = (self.stranger.address, &self.stranger.of_address) {
            held.bytes.fetch_sub(bytes, Ordering::Relaxed);
            // One in the map, one here.
            if Arc::strong_count(held) == 2 {
                open.addresses.remove(&address);
            }
        }
        drop(open);
        self.budget.0.freed.notify_waiters();
    }
}
