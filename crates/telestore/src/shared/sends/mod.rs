//! The sends of this process: how each is stopped, taken over or forgotten. Who sends is what the lease in the session
//! store says; all of this may be lost at any time.

pub(crate) mod early;
pub(crate) mod pulse;
pub(crate) mod twins;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telestore_store::{Error as StoreError, Lease};
use telestore_types::{StorageKey, Timestamp, UserId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::shared::base::Base;
use crate::shared::error::Result;
use early::EarlySends;
use pulse::Pulse;
use twins::Twins;

/// How long a cancel waits for a send to stop: its answer is to come within a second. A send that takes longer waits
/// for Telegram's answer, and takes back the message.
pub(crate) const STOP_WITHIN: Duration = Duration::from_millis(900);

/// The pauses before the end of an attempt is written down again: the first one, and the longest.
const WRITE_AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// How often it is tried once the worker stops.
const LAST_WRITES: u32 = 5;

/// A send of this process.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) lease: Lease,
    /// Asks it to stop.
    pub(crate) stop: CancellationToken,
    /// Cancelled when its end is recorded.
    pub(crate) over: CancellationToken,
    pub(crate) pulse: Arc<Pulse>,
}

impl Sending {
    pub(crate) fn new(lease: Lease) -> Self {
        let pulse = Arc::new(Pulse::new(lease.until));
        Self { lease, stop: CancellationToken::new(), over: CancellationToken::new(), pulse }
    }

    pub(crate) fn owner(&self) -> Option<&UserId> {
        self.lease.upload.user_id.as_ref()
    }
}

/// The sends of this process, by the upload's key.
#[derive(Debug)]
pub(crate) struct Sends {
    base: Arc<Base>,
    running: Mutex<HashMap<StorageKey, Sending>>,
    /// What is sent while it still arrives.
    pub(crate) early: EarlySends,
    pub(crate) twins: Arc<Twins>,
    /// How many attempts of this process have ended without the store taking note yet.
    unwritten: watch::Sender<usize>,
}

impl Sends {
    pub(crate) fn new(base: Arc<Base>) -> Self {
        Self {
            base,
            running: Mutex::default(),
            early: EarlySends::default(),
            twins: Arc::default(),
            unwritten: watch::Sender::new(0),
        }
    }

    /// Stops a send of this process and waits, for a bounded time, until its end is recorded.
    pub(crate) async fn stop(&self, key: &StorageKey) {
        let Some(sending) = self.running().get(key).cloned() else { return };
        if sending.stop.is_cancelled() {
            // Somebody has waited already.
            return;
        }
        sending.stop.cancel();
        if tokio::time::timeout(STOP_WITHIN, sending.over.cancelled()).await.is_err() {
            let id = &sending.lease.upload.id;
            tracing::info!(
                "[{id}] Send waits for Telegram's answer; a message that comes of it is taken back"
            );
        }
    }

    /// Writes down how an attempt ended until the store has taken it: a result that is forgotten, or a lost answer,
    /// would make a second message when the lease has run out.
    pub(crate) async fn insist<T, F>(&self, lease: &Lease, write: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = telestore_store::Result<T>>,
    {
        let (mut pause, longest) = WRITE_AGAIN;
        let (mut last_writes, mut unwritten) = (LAST_WRITES, None);
        loop {
            let error = match write().await {
                Ok(done) => return Ok(done),
                // A row that makes no sense will not make any later.
                Err(error @ StoreError::BadRow { .. }) => return Err(error.into()),
                Err(error) => error,
            };
            tracing::warn!(upload = %lease.upload.id, %error, "could not write down how the attempt ended");
            unwritten.get_or_insert_with(|| Unwritten::new(&self.unwritten));
            if self.base.shutdown.is_cancelled() {
                last_writes -= 1;
                if last_writes == 0 {
                    return Err(error.into());
                }
                pause = WRITE_AGAIN.0;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Stops all sends, early ones included, without waiting for their end.
    pub(crate) fn stop_all(&self) {
        for sending in self.running().values() {
            sending.stop.cancel();
        }
        self.early.stop_all();
    }

    /// Stops a send of this process whose lease is lost, without waiting for its end.
    pub(crate) async fn stop_if_lost(&self, key: &StorageKey) {
        let Some(sending) = self.running().get(key).cloned() else { return };
        let now = self.base.now();
        let held = self.base.sessions.extend(&sending.lease, now, now + self.base.config.lease).await;
        match held {
            Ok(true) => sending.pulse.extended(now + self.base.config.lease),
            Ok(false) => sending.stop.cancel(),
            // It looks again by itself.
            Err(error) => {
                tracing::debug!(upload = %sending.lease.upload.id, %error, "could not look at a lease")
            }
        }
    }

    pub(crate) fn running(&self) -> MutexGuard<'_, HashMap<StorageKey, Sending>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leases an upload that is due, of none of these users. It counts as a send from here on.
    pub(crate) async fn take(self: &Arc<Self>, none_of: &[UserId]) -> Result<Option<Begun>> {
        // A lease that ran out because the store is not well must not be taken over from those who still write.
        let mut unwritten = self.unwritten.subscribe();
        tokio::select! {
            _ = unwritten.wait_for(|left| *left == 0) => {}
            () = self.base.shutdown.cancelled() => return Ok(None),
        }
        let now = self.base.now();
        self.hold_on(now).await?;
        let Base { sessions, config, worker, .. } = &*self.base;
        let lease = sessions.lease(worker, now, now + config.lease, none_of).await?;
        Ok(lease.map(|lease| self.begin(lease)))
    }

    fn begin(self: &Arc<Self>, lease: Lease) -> Begun {
        let (sends, sending) = (Arc::clone(self), Sending::new(lease));
        let older = self.running().insert(sending.lease.upload.key.clone(), sending.clone());
        if let Some(older) = older {
            // Its lease has just been taken over.
            older.stop.cancel();
        }
        Begun { sends, sending }
    }

    /// Extends what this process holds and could not extend in time, since it was frozen or the store did not answer:
    /// it is still at work on it, so none of its own runners may take that for abandoned.
    async fn hold_on(&self, now: Timestamp) -> Result<()> {
        let lease = self.base.config.lease;
        let late: Vec<Sending> = self
            .running()
            .values()
            .filter(|sending| sending.pulse.holds_until() <= now + lease / 3)
            .cloned()
            .collect();
        for sending in late {
            if self.base.sessions.extend(&sending.lease, now, now + lease).await? {
                sending.pulse.extended(now + lease);
            }
        }
        Ok(())
    }
}

/// The users who own at least so many of some things, by the owner of each thing.
pub(crate) fn owners_of<'a>(
    least: usize,
    owners: impl IntoIterator<Item = Option<&'a UserId>>,
) -> impl Iterator<Item = &'a UserId> {
    let mut counts: HashMap<&UserId, usize> = HashMap::new();
    for owner in owners.into_iter().flatten() {
        *counts.entry(owner).or_default() += 1;
    }
    counts.into_iter().filter(move |(_, things)| *things >= least).map(|(owner, _)| owner)
}

/// A send that has its place. It leaves it whatever way it ends.
pub(crate) struct Begun {
    sends: Arc<Sends>,
    pub(crate) sending: Sending,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let key = &self.sending.lease.upload.key;
        let mut running = self.sends.running();
        // Another lease may stand there by now.
        if running.get(key).is_some_and(|found| found.lease.token == self.sending.lease.token) {
            running.remove(key);
        }
        drop(running);
        self.sending.over.cancel();
        self.sends.base.work.notify_one();
    }
}

/// Counts an attempt whose end the store has not taken yet.
struct Unwritten<'a>(&'a watch::Sender<usize>);

impl<'a> Unwritten<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|left| *left += 1);
        Self(count)
    }
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|left| *left -= 1);
    }
}
