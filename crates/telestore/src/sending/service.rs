//! The runner at work: it begins sends as long as there is room, and ends them.

use telestore_store::Lease;
use telestore_types::Outcome;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::sending::runner::Runner;
use crate::sending::slots::Room;
use crate::sending::stop::bad_end;
use crate::shared::base::{LONGEST_SLEEP, SHORTEST_SLEEP};
use crate::shared::sends::{Begun, Sending};
use crate::shared::tasks::Task;

impl Runner {
    /// Begins sends as long as there is room for them.
    pub(crate) async fn run_all(&self, task: &Task) {
        let mut sends = JoinSet::new();
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            while sends.try_join_next().is_some() {}
            let (none_of, instead_of) = match self.room() {
                Room::For { none_of, instead_of } => (none_of, instead_of),
                Room::Full { until } => {
                    let sleep = until.map_or(LONGEST_SLEEP, |until| until.duration_since(Instant::now()));
                    self.base
                        .rest(sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP), self.base.work.notified())
                        .await;
                    continue;
                }
            };
            match self.sends.take(&none_of).await {
                Ok(Some(begun)) => {
                    if let Some(leaving) = instead_of
                        && leaving.pulse.send_away("others waited for its place".to_owned())
                    {
                        leaving.stop.cancel();
                    }
                    let runner = self.clone();
                    sends.spawn(async move { runner.run_to_the_end(begun).await });
                }
                Ok(None) => {
                    // What is due may be of a user who has to wait.
                    let due = match none_of.is_empty() {
                        true => self.base.sessions.next_due(&self.base.worker).await.unwrap_or(None),
                        false => Some(self.base.now() + SHORTEST_SLEEP * 10),
                    };
                    self.base.wait_until(due, self.base.work.notified()).await;
                }
                Err(error) => self.base.pause_after(&error).await,
            }
        }
        while sends.join_next().await.is_some() {}
    }

    /// Runs one attempt. A panic ends that attempt and nothing else.
    async fn run_to_the_end(&self, begun: Begun) {
        let (runner, lease) = (self.clone(), begun.sending.lease.clone());
        // An engine that is dropped stops its sends.
        match AbortOnDropHandle::new(tokio::spawn(async move { runner.run(begun).await })).await {
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
        let now = self.base.now();
        let row = self.base.sessions.get(&lease.upload.id).await?.filter(|row| row.key == lease.upload.key);
        let Some(mut row) = row else { return Ok(()) };
        if row.handed_over().is_some() {
            self.base.sessions.retry_later(lease, now, false, now).await?;
        } else if row.maybe_sent {
            row.cut_off(now);
            self.base.sessions.fail(lease, &row.error.unwrap_or_default(), Outcome::Ambiguous, now).await?;
        } else if self.age(&row, now) > self.base.config.retry_max_age {
            let why = "the worker failed each time it sent this file: its log says how; complete the upload again to go on";
            let (why, outcome) = bad_end(why, Outcome::GaveUp, self.may_exist(row.resume.as_ref()));
            self.base.sessions.fail(lease, &why, outcome, now).await?;
        } else {
            self.base.sessions.retry_later(lease, now + self.base.config.retry_max_pause, true, now).await?;
        }
        Ok(())
    }

    /// Gives back what is being sent and was not handed over yet, for a process that waits no longer for its end. Being
    /// stopped does not count against a file.
    pub(crate) async fn give_back_sends(&self) {
        let sends: Vec<Sending> = self.sends.running().values().cloned().collect();
        for sending in sends {
            if !sending.pulse.send_away("the worker stops".to_owned()) {
                continue;
            }
            sending.stop.cancel();
            let now = self.base.now();
            if let Err(error) = self.base.sessions.retry_later(&sending.lease, now, false, now).await {
                tracing::warn!(upload = %sending.lease.upload.id, %error, "could not give a send back");
            }
        }
    }
}
