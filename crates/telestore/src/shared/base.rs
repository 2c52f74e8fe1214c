use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use telestore_store::{ChunkRecord, Limits, SessionStore, WorkerInfo};
use telestore_types::{Clock, Reading, StorageKey, Timestamp, UserId, WorkerId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::shared::config::EngineConfig;
use crate::shared::error::{Error, Result};
use crate::shared::uncopied::Uncopied;

/// How long to wait after the session store has failed, so that a full disk does not make a busy loop.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The longest sleep of a runner; another process on the same store, such as an operator's command, cannot wake it.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// The shortest, if something is due that nobody may take yet.
pub(crate) const SHORTEST_SLEEP: Duration = Duration::from_millis(100);

/// How far the store's clock may be ahead: what is due by then is tried.
pub(crate) const AHEAD: Duration = Duration::from_secs(5);

/// What every part of the engine stands on.
pub(crate) struct Base {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: EngineConfig,
    /// Who this process is among those on the same store.
    pub(crate) worker: WorkerId,
    /// What it says of itself.
    pub(crate) info: WorkerInfo,
    /// Wakes a runner.
    pub(crate) work: Notify,
    /// Wakes the outbox.
    pub(crate) outbox: Notify,
    /// Cancelled when the engine stops.
    pub(crate) shutdown: CancellationToken,
    pub(crate) uncopied: Uncopied,
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Base")
    }
}

impl Base {
    pub(crate) fn new(
        sessions: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        config: EngineConfig,
        (worker, info): (WorkerId, WorkerInfo),
    ) -> Self {
        let (work, outbox, shutdown) = (Notify::new(), Notify::new(), CancellationToken::new());
        let uncopied = Uncopied::default();
        Self { sessions, clock, config, worker, info, work, outbox, shutdown, uncopied }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time, and what the machine's clock shows.
    pub(crate) fn both_times(&self) -> Reading {
        Reading { at: self.clock.now(), wall: self.clock.wall() }
    }

    /// What uploads, users and addresses are held to.
    pub(crate) fn limits(&self) -> Limits {
        let config = &self.config;
        Limits::NONE
            .with_max_bytes(config.max_file_bytes)
            .with_user(config.user)
            .with_address(config.address)
            .with_unowned(config.max_unowned)
    }

    /// Goes on from the time that the last process has written down.
    pub(crate) async fn read_clock(&self) -> telestore_store::Result<()> {
        if let Some(last) = self.sessions.clock().await? {
            self.clock.go_on_from(last);
        }
        Ok(())
    }

    /// Holds the account of a user for this worker, for as long as its connections may stay open from now on. Says no if
    /// another worker holds it.
    pub(crate) async fn hold_account(&self, user: &UserId) -> telestore_store::Result<bool> {
        let now = self.now();
        self.sessions.hold_account(user, &self.worker, now, now + self.config.account_hold).await
    }

    /// Sleeps until something is due, somebody wakes us, or the engine stops.
    pub(crate) async fn wait_until(&self, due: Option<Timestamp>, woken: impl Future<Output = ()>) {
        let sleep =
            due.map_or(LONGEST_SLEEP, |due| due.since(self.now()).clamp(SHORTEST_SLEEP, LONGEST_SLEEP));
        self.rest(sleep, woken).await;
    }

    pub(crate) async fn rest(&self, sleep: Duration, woken: impl Future<Output = ()>) {
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(sleep) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    /// The chunks of an upload's file, in order.
    pub(crate) async fn file_chunks(&self, key: &StorageKey) -> telestore_store::Result<Vec<ChunkRecord>> {
        let mut chunks = self.sessions.chunks(key).await?;
        chunks.retain(|chunk| !chunk.index.is_thumbnail());
        Ok(chunks)
    }

    /// Whether to ask the stores again, after a pause: they are away, and the worker does not stop. A client that is told to
    /// come again would send a file a second time that is on its way.
    pub(crate) async fn is_to_ask_again<T>(&self, answer: &Result<T>) -> bool {
        let Err(Error::StoreUnavailable(error)) = answer else { return false };
        if self.shutdown.is_cancelled() {
            return false;
        }
        tracing::warn!(%error, "a store is away, which a file on its way needs; asking again");
        self.rest(AFTER_FAILURE, std::future::pending()).await;
        true
    }

    pub(crate) async fn pause_after(&self, error: &Error) {
        tracing::error!(error = ?error, "background work failed");
        self.rest(AFTER_FAILURE, std::future::pending()).await;
    }
}

/// A name that no other event of the outbox has.
pub(crate) fn new_event_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
