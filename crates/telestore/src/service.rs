use std::future::Future;
use std::time::Duration;

use telestore_store::Lease;
use telestore_types::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::delivery::outbox::Places;
use crate::shared::sends::{Begun, Room, Sending};
use crate::shared::tasks::{Task, Tasks};
use crate::{Result, Telestore};

/// How long to wait after the session store has failed, so that a full disk does not make a busy loop.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often to look for what is past its time.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The longest sleep of a runner; another process on the same store, such as an operator's command, cannot wake it.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// The shortest, where something is due that nobody may take yet.
const SHORTEST_SLEEP: Duration = Duration::from_millis(100);

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
        self.keep_alive(&mut tasks, |all| &all.uploads, |engine| async move { engine.run_uploads().await });
        self.keep_alive(&mut tasks, |all| &all.outbox, |engine| async move { engine.run_outbox().await });
        self.keep_alive(&mut tasks, |all| &all.sweeper, |engine| async move { engine.run_sweeper().await });
        tasks.spawn(self.clone().try_standing());
        Ok(Running { engine: self.clone(), tasks })
    }

    /// Runs one of the tasks that must live.
    fn keep_alive<F>(&self, tasks: &mut JoinSet<()>, task: fn(&Tasks) -> &Task, run: fn(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let engine = self.clone();
        tasks.spawn(async move { task(&engine.0.tasks).watch(|| run(engine.clone())).await });
    }

    /// Begins sends as long as there is room for them.
    async fn run_uploads(&self) {
        let mut sends = JoinSet::new();
        while !self.0.shutdown.is_cancelled() {
            self.0.tasks.uploads.beat();
            while sends.try_join_next().is_some() {}
            let (none_of, instead_of) = match self.room() {
                Room::For { none_of, instead_of } => (none_of, instead_of),
                Room::Full { until } => {
                    let sleep = until.map_or(LONGEST_SLEEP, |until| until.duration_since(Instant::now()));
                    self.rest(sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP), self.0.work.notified()).await;
                    continue;
                }
            };
            match self.take(&none_of).await {
                Ok(Some(begun)) => {
                    if let Some(leaving) = instead_of
                        && leaving.pulse.send_away("others waited for its place".to_owned())
                    {
                        leaving.stop.cancel();
                    }
                    let engine = self.clone();
                    sends.spawn(async move { engine.run_to_the_end(begun).await });
                }
                Ok(None) => {
                    // What is due may be of a user who has to wait.
                    let due = match none_of.is_empty() {
                        true => self.0.sessions.next_due().await.unwrap_or(None),
                        false => Some(self.now() + SHORTEST_SLEEP * 10),
                    };
                    self.wait_until(due, self.0.work.notified()).await;
                }
                Err(error) => self.pause_after(&error).await,
            }
        }
        while sends.join_next().await.is_some() {}
    }

    /// Runs one attempt. A panic ends that attempt and nothing else.
    async fn run_to_the_end(&self, begun: Begun) {
        let (engine, lease) = (self.clone(), begun.sending.lease.clone());
        // An engine that is dropped stops its sends.
        match AbortOnDropHandle::new(tokio::spawn(async move { engine.run(begun).await })).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(upload = %lease.upload.id, error = ?error, "could not write down how an attempt ended");
            }
            Err(died) => {
                tracing::error!(upload = %lease.upload.id, error = %died, "an attempt died");
                if let Err(error) = self.end_dead(&lease).await {
                    tracing::warn!(upload = %lease.upload.id, %error, "it is looked at again when its lease has run out");
                }
            }
        }
    }

    /// Writes down that an attempt has died: what was handed over by then is not sent again.
    async fn end_dead(&self, lease: &Lease) -> telestore_store::Result<()> {
        let now = self.now();
        let row = self.0.sessions.get(&lease.upload.id).await?.filter(|row| row.key == lease.upload.key);
        let Some(mut row) = row else { return Ok(()) };
        if row.maybe_sent {
            row.cut_off(now);
            self.0.sessions.fail(lease, &row.error.unwrap_or_default(), true, now).await?;
        } else if self.age(&row, now) > self.config().retry_max_age {
            let why = "the worker failed each time it sent this file: its log says how; complete the upload again to go on";
            self.0.sessions.fail(lease, why, false, now).await?;
        } else {
            self.0.sessions.retry_later(lease, now + self.config().retry_max_pause, true, now).await?;
        }
        Ok(())
    }

    /// Gives back what is being sent and was not handed over yet, for a process that waits no longer for its end. Being
    /// stopped does not count against a file.
    pub async fn give_back_sends(&self) {
        let sends: Vec<Sending> = self.running().values().cloned().collect();
        for sending in sends {
            if !sending.pulse.send_away("the worker stops".to_owned()) {
                continue;
            }
            sending.stop.cancel();
            let now = self.now();
            if let Err(error) = self.0.sessions.retry_later(&sending.lease, now, false, now).await {
                tracing::warn!(upload = %sending.lease.upload.id, %error, "could not give a send back");
            }
        }
    }

    async fn run_outbox(&self) {
        let (mut places, mut tasks) = (Places::default(), JoinSet::new());
        while !self.0.shutdown.is_cancelled() {
            self.0.tasks.outbox.beat();
            match self.begin_deliveries(&mut places, &mut tasks).await {
                Ok(0) => {
                    let due = match tasks.is_empty() {
                        true => self.0.sessions.outbox_next_due().await.unwrap_or(None),
                        // What is worked on is due as well.
                        false => Some(self.now() + SHORTEST_SLEEP * 10),
                    };
                    tokio::select! {
                        Some(ended) = tasks.join_next() => {
                            if let Ok((event_id, ended)) = ended {
                                places.leave(&event_id);
                                if let Err(error) = ended {
                                    self.pause_after(&error).await;
                                }
                            }
                        }
                        () = self.wait_until(due, self.0.outbox.notified()) => {}
                    }
                }
                Ok(_) => {}
                Err(error) => self.pause_after(&error).await,
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn run_sweeper(&self) {
        while !self.0.shutdown.is_cancelled() {
            self.0.tasks.sweeper.beat();
            if let Err(error) = self.sweep().await {
                tracing::warn!(error = ?error, "sweep failed");
            }
            self.save_clock().await;
            self.rest(SWEEP_EVERY, std::future::pending()).await;
        }
        self.save_clock().await;
    }

    async fn save_clock(&self) {
        if let Err(error) = self.0.sessions.save_clock(self.0.clock.reading()).await {
            tracing::warn!(%error, "could not write down what the clock shows");
        }
    }

    /// Sleeps until something is due, somebody wakes us, or the engine stops.
    async fn wait_until(&self, due: Option<Timestamp>, woken: impl Future<Output = ()>) {
        let sleep =
            due.map_or(LONGEST_SLEEP, |due| due.since(self.now()).clamp(SHORTEST_SLEEP, LONGEST_SLEEP));
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
