use std::future::Future;
use std::time::Duration;

/// How long each of the things that are looked at may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether one of the things that the engine needs is well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// What was looked at: `database`, `disk`, `backend` or `engine`; `telegram` if all uploads go with the same
    /// credentials.
    pub name: &'static str,
    /// What is wrong with it, in words for everybody: no address, no secret. `None` if it is well.
    pub wrong: Option<String>,
}

/// `None` if it takes too long.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, work).await.ok()
}
