use std::future::Future;
use std::time::Duration;

use telestore_store::Error as StoreError;
use telestore_types::Timestamp;
use tokio::sync::Mutex;

use crate::Telestore;

/// How long a look counts: who asks more often costs no more.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How long each of the things that are looked at may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether one of the things that the engine needs is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `database`, `disk`, `backend` or `engine`; `telegram` where all uploads go with the same
    /// credentials.
    pub name: &'static str,
    /// What is wrong with it, in words for everybody: no address, no secret. `None` where it is well.
    pub wrong: Option<String>,
}

/// Whether the engine can take uploads in and on.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The last look. Whoever comes while somebody looks waits for that look.
pub(crate) type LastLook = Mutex<Option<(Timestamp, Readiness)>>;

impl Telestore {
    /// Looks at the database, the data disk and the TeleStore backend, and does with a file of nobody what an upload does
    /// with a chunk. It takes two seconds at most; an answer serves
    /// for three.
    pub async fn readiness(&self) -> Readiness {
        let mut last = self.0.ready.lock().await;
        let now = self.now();
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
        let stopping = self.0.shutdown.is_cancelled().then(|| "it is stopping".to_owned());
        Check { name: "engine", wrong: stopping.or_else(|| self.0.tasks.wrong()) }
    }

    async fn database(&self) -> Check {
        let wrong = match in_time(self.0.sessions.probe()).await {
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
        let limit = self.config().min_free_bytes;
        match self.0.chunks.free_bytes().await {
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
        let error = self.0.chunks.probe().await.err()?;
        tracing::debug!(%error, "the data disk takes no file");
        Some(match error {
            StoreError::NoSpace(_) => "it is full".to_owned(),
            // Its step names no path.
            StoreError::Unfit { step, source } => format!("{step} fails: {}", source.kind()),
            _ => "it takes no file".to_owned(),
        })
    }

    async fn telegram(&self) -> Option<Check> {
        Some(self.0.standing.as_ref()?.check().await)
    }

    async fn backend(&self) -> Check {
        let wrong = match in_time(self.0.credentials.reach()).await {
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

/// `None` where it takes too long.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, work).await.ok()
}
