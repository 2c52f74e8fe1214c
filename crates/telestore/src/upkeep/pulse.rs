use telestore_store::Change;
use tokio::time::{Instant, timeout};

use crate::shared::tasks::Task;
use crate::upkeep::sweeper::Upkeep;

impl Upkeep {
    /// Tells the other workers that this one is alive, and keeps the accounts that it uses without a lease, for as long as
    /// the engine runs.
    pub(crate) async fn live(&self, task: &Task) {
        let mut said = Instant::now();
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            let began = Instant::now();
            let until = self.base.now() + self.base.config.lease;
            let every = self.base.config.lease / 3;
            let why = match timeout(every, self.base.sessions.beat(&self.base.worker, until)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer in time".to_owned()),
            };
            match why {
                None => said = began,
                Some(why) => {
                    tracing::warn!(why, "could not write down that this worker is alive");
                    self.leave_accounts(said).await;
                }
            }
            self.take_over_from_the_gone().await;
            for user in self.sends.early.users() {
                match self.base.hold_account(&user).await {
                    Ok(true) => {}
                    Ok(false) => self.sends.early.stop_of(&user),
                    Err(error) => tracing::warn!(%user, %error, "could not keep an account"),
                }
            }
            self.base.rest(self.base.config.lease / 3, std::future::pending()).await;
        }
    }

    /// A worker of which the others hear nothing counts as dead soon, and they use its accounts: its own connections must
    /// be closed by then. One that is alone on its stores need not mind.
    async fn leave_accounts(&self, said: Instant) {
        if self.base.config.alone || said.elapsed() < self.base.config.lease * 2 / 3 {
            return;
        }
        tracing::warn!(
            "nothing could be written for long: closing connections to Telegram, since other workers may go on"
        );
        self.sends.stop_all();
        for uploader in &self.backends.uploaders {
            uploader.close().await;
        }
    }

    /// What a dead worker had in hand goes on soon. One that is alone on its stores has none to look after.
    async fn take_over_from_the_gone(&self) {
        if self.base.config.alone {
            return;
        }
        match self.release_gone().await {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "put in order what another worker left"),
            Err(error) => tracing::warn!(%error, "could not look after other workers"),
        }
    }

    /// Hears what other workers change, for as long as the engine runs.
    pub(crate) async fn listen(&self) {
        let mut changes = self.base.sessions.changes();
        loop {
            let change = tokio::select! {
                change = changes.next() => change,
                () = self.base.shutdown.cancelled() => return,
            };
            match change {
                Change::Queued => self.base.work.notify_one(),
                Change::Event => self.base.outbox.notify_one(),
                Change::Cancelled(key) => {
                    self.sends.early.forget(&key);
                    self.sends.stop_if_lost(&key).await;
                }
                _ => {
                    self.base.work.notify_one();
                    self.base.outbox.notify_one();
                }
            }
        }
    }
}
