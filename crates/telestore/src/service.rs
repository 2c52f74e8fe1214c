use std::future::Future;
use std::time::Duration;

use telestore_types::Timestamp;
use tokio::task::JoinSet;

use crate::{Result, Telestore};

/// How long to wait after the session store has failed, so that a full disk does not make a busy loop.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often to look for what is past its time.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The longest sleep of a runner; another process on the same store, such as an operator's command, cannot wake it.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// An engine at work. Dropped, it stops at once, as if killed; nothing that was acknowledged is lost by that.
#[derive(Debug)]
pub struct Running {
    engine: Telestore,
    tasks: JoinSet<()>,
}

impl Running {
    /// Stops taking in and sending, lets what runs write down how far it is, and returns when all is quiet.
    pub async fn shutdown(mut self) {
        self.engine.0.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.engine.0.early.rest().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.engine.0.early.kill();
    }
}

impl Telestore {
    /// Recovers, and begins to send, to deliver webhooks and to clean up. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Storage`](crate::Error::Storage) where the stores cannot be read.
    pub async fn start(&self) -> Result<Running> {
        self.recover().await?;
        self.0.early.open();
        let mut tasks = JoinSet::new();
        for _ in 0..self.config().max_concurrent_uploads.max(1) {
            let engine = self.clone();
            tasks.spawn(async move { engine.run_uploads().await });
        }
        let engine = self.clone();
        tasks.spawn(async move { engine.run_outbox().await });
        let engine = self.clone();
        tasks.spawn(async move { engine.run_sweeper().await });
        Ok(Running { engine: self.clone(), tasks })
    }

    async fn run_uploads(&self) {
        while !self.0.shutdown.is_cancelled() {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => {
                    let due = self.0.sessions.next_due().await.unwrap_or(None);
                    self.wait_until(due, self.0.work.notified()).await;
                }
                Err(error) => self.pause_after(&error).await,
            }
        }
    }

    async fn run_outbox(&self) {
        while !self.0.shutdown.is_cancelled() {
            match self.deliver().await {
                Ok(0) => {
                    let due = self.0.sessions.outbox_next_due().await.unwrap_or(None);
                    self.wait_until(due, self.0.outbox.notified()).await;
                }
                Ok(_) => {}
                Err(error) => self.pause_after(&error).await,
            }
        }
    }

    async fn run_sweeper(&self) {
        while !self.0.shutdown.is_cancelled() {
            if let Err(error) = self.sweep().await {
                tracing::warn!(error = ?error, "sweep failed");
            }
            self.rest(SWEEP_EVERY, std::future::pending()).await;
        }
    }

    /// Sleeps until something is due, somebody wakes us, or the engine stops.
    async fn wait_until(&self, due: Option<Timestamp>, woken: impl Future<Output = ()>) {
        let sleep = due.map_or(LONGEST_SLEEP, |due| due.since(self.now()).min(LONGEST_SLEEP));
        self.rest(sleep, woken).await;
    }

    async fn rest(&self, sleep: Duration, woken: impl Future<Output = ()>) {
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(sleep) => {}
            () = self.0.shutdown.cancelled() => {}
        }
    }

    async fn pause_after(&self, error: &crate::Error) {
        tracing::error!(error = ?error, "background work failed");
        self.rest(AFTER_FAILURE, std::future::pending()).await;
    }
}
