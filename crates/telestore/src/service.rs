use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::engine::{Rooms, Telestore};
use crate::shared::error::Result;
use crate::shared::tasks::{Task, Tasks};

/// An engine at work. Dropped, it stops at once, as if killed; nothing that was acknowledged is lost by that. So keep it:
///
/// ```compile_fail
/// # #![deny(unused_must_use)]
/// # async fn service(engine: telestore::Telestore) -> telestore::Result<()> {
/// engine.start().await?; // Dropped here: chunks are taken in, and nothing is ever sent.
/// # Ok(()) }
/// ```
///
/// ```
/// # #![deny(unused_must_use)]
/// # async fn service(engine: telestore::Telestore) -> telestore::Result<()> {
/// let running = engine.start().await?;
/// // The service runs.
/// running.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "an engine whose handle is dropped stops at once: it takes chunks in and sends nothing"]
pub struct Running {
    engine: Telestore,
    tasks: JoinSet<()>,
}

impl Running {
    /// Stops taking in and sending, lets what runs write down how far it is, and returns when all is quiet.
    pub async fn shutdown(mut self) {
        self.engine.0.shared.base.shutdown.cancel();
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
    /// [`Error::Storage`](crate::Error::Storage) if the stores cannot be read.
    pub async fn start(&self) -> Result<Running> {
        self.recover().await?;
        self.0.early.open();
        let mut tasks = JoinSet::new();
        self.keep_alive(
            &mut tasks,
            |all| &all.uploads,
            |rooms| async move {
                rooms.runner.run_all(&rooms.tasks.uploads).await;
            },
        );
        self.keep_alive(
            &mut tasks,
            |all| &all.outbox,
            |rooms| async move {
                rooms.delivery.run_all(&rooms.tasks.outbox).await;
            },
        );
        self.keep_alive(
            &mut tasks,
            |all| &all.sweeper,
            |rooms| async move {
                rooms.upkeep.run_all(&rooms.tasks.sweeper).await;
            },
        );
        self.keep_alive(
            &mut tasks,
            |all| &all.pulse,
            |rooms| async move {
                rooms.upkeep.live(&rooms.tasks.pulse).await;
            },
        );
        self.keep_alive(
            &mut tasks,
            |all| &all.observer,
            |rooms| async move {
                rooms.watching.observed.run_all(&rooms.tasks.observer).await;
            },
        );
        if self.can_fetch() {
            self.keep_alive(
                &mut tasks,
                |all| &all.fetches,
                |rooms| async move {
                    rooms.fetching.run_all(&rooms.tasks.fetches).await;
                },
            );
        }
        let upkeep = self.0.upkeep.clone();
        tasks.spawn(async move { upkeep.listen().await });
        if let Some(standing) = self.0.standing.clone() {
            tasks.spawn(async move { standing.keep_trying().await });
        }
        Ok(Running { engine: self.clone(), tasks })
    }

    /// Runs one of the tasks that must live.
    fn keep_alive<F>(&self, tasks: &mut JoinSet<()>, task: fn(&Tasks) -> &Task, run: fn(Arc<Rooms>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let rooms = Arc::clone(&self.0);
        tasks.spawn(async move { task(&rooms.tasks).watch(|| run(Arc::clone(&rooms))).await });
    }
}
