//! The tasks that must live: each is started again if it dies, and readiness tells of one that does not get on.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::shared::error::{Error, Result};

/// How long to wait before a task that died is started again.
const START_AGAIN: Duration = Duration::from_secs(1);

/// How long it is told of a death.
const TELL_FOR: Duration = Duration::from_secs(60);

/// How long a task may say nothing. The longest step of each is a call to the session store.
const SILENT_FOR: Duration = Duration::from_secs(3 * 60);

/// Runs to its end what must not stop if its caller goes away.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work.in_current_span()).await.map_err(|error| Error::Storage(Box::new(error)))?
}

/// The tasks of an engine.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub(crate) uploads: Task,
    pub(crate) outbox: Task,
    pub(crate) sweeper: Task,
    pub(crate) pulse: Task,
    pub(crate) observer: Task,
    pub(crate) fetches: Task,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            uploads: Task::new("uploads"),
            outbox: Task::new("outbox"),
            sweeper: Task::new("sweeper"),
            pulse: Task::new("pulse"),
            observer: Task::new("observer"),
            fetches: Task::new("fetches"),
        }
    }
}

impl Tasks {
    /// What is wrong with one of them, if something is.
    pub(crate) fn wrong(&self) -> Option<String> {
        let all = [&self.uploads, &self.outbox, &self.sweeper, &self.pulse, &self.observer, &self.fetches];
        all.into_iter().find_map(Task::wrong)
    }
}

/// A task that must live.
#[derive(Debug)]
pub(crate) struct Task {
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it said last that it gets on; `None` while it does not run.
    alive: Option<Instant>,
    died: Option<Instant>,
}

impl Task {
    fn new(name: &'static str) -> Self {
        Self { name, state: Mutex::default() }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// It gets on.
    pub(crate) fn beat(&self) {
        self.change(|state| state.alive = Some(Instant::now()));
    }

    /// Runs what `make` gives to its end, again if it panics.
    pub(crate) async fn watch<F>(&self, make: impl Fn() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            self.beat();
            let Err(died) = AbortOnDropHandle::new(tokio::spawn(make().in_current_span())).await else {
                break;
            };
            tracing::error!(task = self.name, error = %died, "a task of the engine died; starting it again");
            self.change(|state| state.died = Some(Instant::now()));
            tokio::time::sleep(START_AGAIN).await;
        }
        self.change(|state| state.alive = None);
    }

    fn wrong(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let longer =
            |since: Option<Instant>, than: Duration| since.is_some_and(|since| since.elapsed() > than);
        if longer(state.alive, SILENT_FOR) {
            return Some(format!("its task {} does not get on", self.name));
        }
        let died = state.died.is_some() && !longer(state.died, TELL_FOR);
        died.then(|| format!("its task {} died a moment ago and was started again", self.name))
    }
}
