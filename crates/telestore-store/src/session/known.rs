//! What is known of workers.

use telestore_types::{Timestamp, UserId, WorkerId};

/// What a worker says of itself when it starts, for its operator.
///
/// ```
/// # use telestore_store::WorkerInfo;
/// let info = WorkerInfo::of_version("0.2.0").on_host("upload-3");
/// assert_eq!(info.host.as_deref(), Some("upload-3"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// The version of its program.
    pub version: String,
    /// The machine that it runs on, if that has a name.
    pub host: Option<String>,
}

impl WorkerInfo {
    /// A program of this version.
    pub fn of_version(version: impl Into<String>) -> Self {
        Self { version: version.into(), host: None }
    }

    /// The same, on this machine.
    #[must_use]
    pub fn on_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }
}

/// A worker that is alive, or was within the last day.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownWorker {
    /// Its name.
    pub id: WorkerId,
    /// What it said of itself; nothing where it is of an older version.
    pub info: Option<WorkerInfo>,
    /// When its process started, as it said.
    pub since: Option<Timestamp>,
    /// Until when it is alive by its own last word.
    pub until: Timestamp,
    /// Whether that is still to come.
    pub alive: bool,
    /// The accounts that it [holds](crate::SessionStore::hold_account): of users, and what else is held by a name.
    pub accounts: Vec<UserId>,
}

impl KnownWorker {
    /// A worker of which nothing else is known.
    pub fn new(id: WorkerId, until: Timestamp, alive: bool) -> Self {
        Self { id, info: None, since: None, until, alive, accounts: Vec::new() }
    }
}
