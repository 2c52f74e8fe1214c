use telestore_store::Change;

use crate::shared::tasks::Task;
use crate::upkeep::sweeper::Upkeep;

impl Upkeep {
    /// Tells the other workers that this one is alive, and keeps the accounts that it uses without a lease, for as long as
    /// the engine runs.
    pub(crate) async fn live(&self, task: &Task) {
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            let until = self.base.now() + self.base.config.lease;
            if let Err(error) = self.base.sessions.beat(&self.base.worker, until).await {
                tracing::warn!(%error, "could not write down that this worker is alive");
            }
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
