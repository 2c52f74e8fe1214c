use std::sync::Arc;
use std::time::Duration;

use telestore_store::Error as StoreError;
use telestore_types::Timestamp;
use tokio::sync::Mutex;

use crate::shared::backends::Backends;
use crate::shared::base::Base;
use crate::shared::bytes::Bytes;
use crate::shared::tasks::Tasks;
use crate::watching::check::{Check, in_time};
use crate::watching::standing::Standing;

/// How long a look counts: who asks more often costs no more.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Whether the engine can take uploads in and on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// Each thing that was looked at.
    pub checks: Vec<Check>,
}

impl Readiness {
    /// Whether all is well.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.wrong.is_none())
    }

    fn is_wrong(&self, name: &str) -> bool {
        self.checks.iter().any(|check| check.name == name && check.wrong.is_some())
    }
}

/// Looks at what the engine needs.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) base: Arc<Base>,
    pub(crate) bytes: Arc<Bytes>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) tasks: Arc<Tasks>,
    /// The credentials of all uploads, if they are the same.
    pub(crate) standing: Option<Arc<Standing>>,
    /// The last look. A caller that comes during a look waits for it.
    pub(crate) last: Mutex<Option<(Timestamp, Readiness)>>,
}

impl Health {
    pub(crate) async fn readiness(&self) -> Readiness {
        let mut last = self.last.lock().await;
        let now = self.base.now();
        if let Some((at, readiness)) = &*last
            && now >= *at
            && now.since(*at) < LOOK_EVERY
        {
            return readiness.clone();
        }
        let (database, disk, backend, telegram) =
            tokio::join!(self.database(), self.disk(), self.backend(), self.telegram());
        let checks = [self.engine(), database, disk, backend].into_iter().chain(telegram).collect();
        let readiness = Readiness { checks };
        for check in &readiness.checks {
            let before = last.as_ref().is_some_and(|(_, last)| last.is_wrong(check.name));
            match &check.wrong {
                Some(wrong) if !before => tracing::warn!(check = check.name, wrong, "not ready"),
                None if before => tracing::info!(check = check.name, "ready again"),
                _ => {}
            }
        }
        *last = Some((now, readiness.clone()));
        readiness
    }

    fn engine(&self) -> Check {
        let stopping = self.base.shutdown.is_cancelled().then(|| "it is stopping".to_owned());
        Check { name: "engine", wrong: stopping.or_else(|| self.tasks.wrong()) }
    }

    async fn database(&self) -> Check {
        let wrong = match in_time(self.base.sessions.probe()).await {
            Some(Ok(())) => None,
            Some(Err(error)) => {
                tracing::debug!(%error, "database does not take writes");
                Some("it does not take writes")
            }
            None => Some("it does not answer in time"),
        };
        Check { name: "database", wrong: wrong.map(str::to_owned) }
    }

    async fn disk(&self) -> Check {
        let late = || Some("it does not answer in time".to_owned());
        Check { name: "disk", wrong: in_time(self.wrong_with_the_disk()).await.unwrap_or_else(late) }
    }

    /// Besides how much is free: does with a file of nobody what an upload does with a chunk.
    async fn wrong_with_the_disk(&self) -> Option<String> {
        let limit = self.base.config.min_free_bytes;
        match self.bytes.chunks.free_bytes().await {
            Ok(Some(free)) if free < limit => {
                return Some(format!(
                    "{free} bytes are free, fewer than the {limit} below which new bytes are refused"
                ));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "cannot tell how much is free on the data disk");
                return Some("it cannot be read".to_owned());
            }
        }
        let error = self.bytes.chunks.probe().await.err()?;
        tracing::debug!(%error, "the data disk takes no file");
        Some(match error {
            StoreError::NoSpace(_) => "it is full".to_owned(),
            // What stands on another machine. Why may name its address.
            StoreError::Unavailable { what, .. } => format!("the {what} cannot be reached"),
            // Its step names no path.
            StoreError::Unfit { step, source, .. } => match source.downcast_ref::<std::io::Error>() {
                Some(error) => format!("{step} fails: {}", error.kind()),
                None => format!("{step} fails"),
            },
            _ => "it takes no file".to_owned(),
        })
    }

    async fn telegram(&self) -> Option<Check> {
        Some(self.standing.as_ref()?.check().await)
    }

    async fn backend(&self) -> Check {
        let wrong = match in_time(self.backends.credentials.reach()).await {
            Some(Ok(())) => None,
            Some(Err(error)) => {
                // Its words may name the address.
                tracing::debug!(%error, "backend cannot be reached");
                Some("it cannot be reached, or is not well")
            }
            None => Some("it does not answer in time"),
        };
        Check { name: "backend", wrong: wrong.map(str::to_owned) }
    }
}
