use std::time::Duration;

use telestore_store::Change;
use telestore_types::{Timestamp, is_due};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::shared::base::{AHEAD, Base};
use crate::shared::config::EngineConfig;
use crate::shared::tasks::Task;
use crate::upkeep::sweeper::Upkeep;

/// How long the connections of an uploader may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// How soon a worker that others look at says again that it is alive, after that could not be written down.
const SAY_AGAIN: Duration = Duration::from_secs(1);

/// How long a worker leaves to others what they tell of, since mostly the one that tells also takes it: if each tried at
/// once, each upload would cost each worker some questions to the database. What it has seen twice, this long apart, nobody
/// takes.
const LEFT_TO_OTHERS: Duration = Duration::from_millis(300);

/// How often a worker says that it is alive.
struct Pace {
    every: Duration,
    /// How long that may take.
    within: Duration,
    /// When to try again.
    again: Duration,
}

impl Pace {
    /// If other workers share the stores, half a minute without the database must fit into what is left of a lease of a
    /// minute when its connections [end](crate::shared::logins).
    fn of(config: &EngineConfig) -> Self {
        let lease = config.lease;
        match config.alone {
            true => Self { every: lease / 3, within: lease / 3, again: lease / 3 },
            false => Self { every: lease / 6, within: lease / 12, again: SAY_AGAIN.min(lease / 12) },
        }
    }
}

impl Upkeep {
    /// Tells the other workers that this one is alive, and keeps the accounts that it uses without a lease, for as long as
    /// the engine runs.
    pub(crate) async fn live(&self, task: &Task) {
        let (pace, mut is_late) = (Pace::of(&self.base.config), false);
        while !self.base.shutdown.is_cancelled() {
            task.beat();
            let was_late = std::mem::replace(&mut is_late, self.is_late());
            if is_late && !was_late {
                self.leave_accounts().await;
            }
            let alive = self.say_alive(pace.within).await;
            if alive {
                self.take_over_from_the_gone().await;
                self.keep_accounts().await;
            }
            self.rest(if alive { pace.every } else { pace.again }).await;
        }
    }

    /// Rests, but lets the others have at once what connections have left.
    async fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let logins = &self.backends.logins;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = self.base.shutdown.cancelled() => return,
                () = logins.freed() => logins.let_go().await,
            }
        }
    }

    async fn say_alive(&self, within: Duration) -> bool {
        let (began, until) = (Instant::now(), self.base.now() + self.base.config.lease);
        let why = match timeout(within, self.base.sessions.beat(&self.base.worker, until)).await {
            Ok(Ok(())) => {
                self.backends.logins.said_alive(began);
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(why, "could not write down that this worker is alive");
        false
    }

    async fn keep_accounts(&self) {
        self.backends.logins.keep().await;
        for user in self.sends.early.users() {
            match self.base.hold_account(&user).await {
                Ok(true) => {}
                Ok(false) => self.sends.early.stop_of(&user),
                Err(error) => tracing::warn!(%user, %error, "could not keep an account"),
            }
        }
    }

    /// Whether the others may count this worker as dead soon. One that is alone on its stores need not mind.
    fn is_late(&self) -> bool {
        !self.base.config.alone && self.backends.logins.is_over()
    }

    /// They use the accounts of a worker that counts as dead: whatever it had in hand, such as before it was frozen, ends
    /// here. Nothing new begins before it has said that it is alive.
    async fn leave_accounts(&self) {
        tracing::warn!(
            "nothing could be written for long: closing connections to Telegram, since other workers may go on"
        );
        self.sends.stop_all();
        for uploader in &self.backends.uploaders {
            // What does not close in time ends by itself: its time is over.
            let _ = timeout(CLOSE_WITHIN, uploader.close()).await;
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
        let (told, news) = watch::channel(Told::default());
        // Side by side: a question that the database leaves unanswered holds up no cancel, and no stop of this worker.
        tokio::select! {
            () = self.hear(&told) => {}
            () = self.look_around(&told, news) => {}
            () = self.base.shutdown.cancelled() => {}
        }
    }

    async fn hear(&self, told: &watch::Sender<Told>) {
        let mut changes = self.base.sessions.changes();
        loop {
            match changes.next().await {
                Change::Cancelled(key) => {
                    self.sends.early.forget(&key);
                    self.sends.stop_if_lost(&key).await;
                }
                // Whatever else it is.
                change => told.send_modify(|told| told.note(&change)),
            }
        }
    }

    async fn look_around(&self, told: &watch::Sender<Told>, mut news: watch::Receiver<Told>) {
        let mut seen = Seen::default();
        loop {
            // What waited at the last look is looked at once more, whether or not anything is told.
            if seen.is_nothing() && news.changed().await.is_err() {
                return;
            }
            sleep(LEFT_TO_OTHERS).await;
            // What is told from here on is looked for anew.
            news.mark_unchanged();
            let mut taken = Told::default();
            told.send_if_modified(|told| {
                taken = std::mem::take(told);
                false
            });
            seen = self.look_for(&taken, &seen).await;
        }
    }

    /// Wakes what has something to do that others leave, and gives what waits since this look. To ask costs less than to try and
    /// take it.
    async fn look_for(&self, told: &Told, before: &Seen) -> Seen {
        let Base { sessions, worker, work, outbox, .. } = &*self.base;
        let mut seen = Seen::default();
        let soon = self.base.now() + AHEAD;
        if told.queued || !before.queued.is_empty() {
            let due = sessions.next_due(worker).await;
            let due = due.map(|due| due.into_iter().filter(|due| is_due(*due, soon)).collect());
            seen.queued = left(due, &before.queued, work);
        }
        if told.event || !before.events.is_empty() {
            let due = sessions.outbox_due(soon).await;
            let due = due.map(|due| due.into_iter().map(|(_, at)| at).collect());
            seen.events = left(due, &before.events, outbox);
        }
        seen
    }
}

/// What is due, unless some of it was due at the same moment at the look before: that wakes who takes it.
fn left(due: telestore_store::Result<Vec<Timestamp>>, before: &[Timestamp], wake: &Notify) -> Vec<Timestamp> {
    match due {
        Ok(due) if !due.iter().any(|due| before.contains(due)) => due,
        // Whoever is woken finds out what is wrong with the store, too.
        _ => {
            wake.notify_one();
            Vec::new()
        }
    }
}

/// When what was found at the last look was due.
#[derive(Debug, Default)]
struct Seen {
    queued: Vec<Timestamp>,
    events: Vec<Timestamp>,
}

impl Seen {
    fn is_nothing(&self) -> bool {
        self.queued.is_empty() && self.events.is_empty()
    }
}

/// What other workers have told of.
#[derive(Debug, Default)]
struct Told {
    queued: bool,
    event: bool,
}

impl Told {
    fn note(&mut self, change: &Change) {
        self.queued |= !matches!(change, Change::Event);
        self.event |= !matches!(change, Change::Queued);
    }
}
