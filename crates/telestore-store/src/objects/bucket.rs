//! Requests to an object store: each is tried again until it goes well or its time is over.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, PutOptions, PutPayload};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::cloud::{Act, Cloud};
use super::options::ObjectOptions;
use super::trouble::Trouble;
use crate::{Error, Result};

/// How long a request may take, besides its bytes.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);

/// The slowest line that is waited for, in bytes a second for each request.
const SLOWEST: u64 = 64 * 1024;

/// The pauses between two tries grow from the first of these to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How many objects one call may delete before the caller hears of it.
const DELETED_AT_ONCE: usize = 1000;

/// The body of an object, or of a range of it.
pub(super) type Body = BoxStream<'static, object_store::Result<Bytes>>;

/// An object as a listing shows it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Below the prefix.
    pub(super) key: String,
    pub(super) length: u64,
    pub(super) modified: SystemTime,
}

/// A place in a bucket, and how to speak with it.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    pub(super) cloud: Cloud,
    /// All keys begin with it; it ends with a slash if it is not empty.
    prefix: String,
    /// For writes: each has a connection.
    writers: Arc<Semaphore>,
    /// How long a request is made again.
    patience: Duration,
    is_trial: bool,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own text holds its credentials.
        f.debug_struct("Bucket")
            .field("cloud", &self.cloud)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        cloud: Cloud,
        prefix: &Path,
        options: &ObjectOptions,
    ) -> Self {
        let prefix = prefix.as_ref();
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let writers = Arc::new(Semaphore::new(options.writes_at_once.max(1)));
        Self { store, cloud, prefix, writers, patience: options.patience, is_trial: false }
    }

    /// The same place, for a trial: requests are given up sooner, and what is missing makes it unfit.
    pub(super) fn on_trial(&self, patience: Duration) -> Self {
        Self { patience: patience.min(self.patience), is_trial: true, ..self.clone() }
    }

    fn path(&self, key: &str) -> Path {
        Path::from_iter(format!("{}{key}", self.prefix).split('/'))
    }

    /// Writes an object, over whatever is there: its key is random, so that this is only its own earlier try.
    pub(super) async fn put(&self, key: &str, payload: PutPayload) -> Result<()> {
        let (path, bytes) = (self.path(key), payload.content_length() as u64);
        self.tried(Act::Write, bytes, || self.store.put_opts(&path, payload.clone(), PutOptions::default()))
            .await?;
        Ok(())
    }

    /// Begins to read a range. The body may break; how much came is the caller's to count.
    pub(super) async fn open(&self, key: &str, range: Range<u64>) -> Result<Body> {
        let path = self.path(key);
        let options =
            || GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let found = self.tried(Act::Read, 0, || self.store.get_opts(&path, options())).await?;
        Ok(found.into_stream())
    }

    /// Looks at an object without reading it.
    pub(super) async fn look(&self, key: &str) -> Result<Found> {
        let path = self.path(key);
        let options = || GetOptions { head: true, ..GetOptions::default() };
        let found = self.tried(Act::Read, 0, || self.store.get_opts(&path, options())).await?;
        Ok(self.found(&found.meta))
    }

    /// Deletes objects; those that are not there are no error.
    pub(super) async fn delete(&self, keys: &[String]) -> Result<()> {
        for keys in keys.chunks(DELETED_AT_ONCE) {
            self.tried(Act::Delete, 0, || self.delete_once(keys)).await?;
        }
        Ok(())
    }

    /// One try for all of these. What cannot be deleted does not keep the others.
    async fn delete_once(&self, keys: &[String]) -> object_store::Result<()> {
        let paths: Vec<_> = keys.iter().map(|key| Ok(self.path(key))).collect();
        let mut deletions = self.store.delete_stream(stream::iter(paths).boxed());
        let mut all = Ok(());
        while let Some(deleted) = deletions.next().await {
            match deleted {
                Ok(_) => {}
                Err(error) if Trouble::of(&error).is_missing() => {}
                Err(error) => all = all.and(Err(error)),
            }
        }
        all
    }

    /// Up to `limit` objects in a folder behind a key, in the order of their keys.
    pub(super) async fn list(&self, folder: &str, after: Option<&str>, limit: usize) -> Result<Vec<Found>> {
        let (folder, after) = (self.path(folder), after.map(|after| self.path(after)));
        let list = || {
            let found = match &after {
                Some(after) => self.store.list_with_offset(Some(&folder), after),
                None => self.store.list(Some(&folder)),
            };
            found.take(limit).try_collect::<Vec<_>>()
        };
        let found = self.tried(Act::List, 0, list).await?;
        Ok(found.iter().map(|meta| self.found(meta)).collect())
    }

    fn found(&self, meta: &object_store::ObjectMeta) -> Found {
        let key = meta.location.as_ref();
        let since = u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(0);
        Found {
            key: key.strip_prefix(&self.prefix).unwrap_or(key).to_owned(),
            length: meta.size,
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(since),
        }
    }

    /// Makes a request until it goes well, or patience is over.
    async fn tried<T, F>(&self, act: Act, bytes: u64, mut request: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let limit = LONGEST_ANSWER.min(self.patience) + Duration::from_secs(bytes / SLOWEST);
        let (began, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            // A place is not kept during a pause.
            let place = match act {
                Act::Write => self.writers.acquire().await.ok(),
                _ => None,
            };
            let answer = timeout(limit, request()).await;
            drop(place);
            let trouble = match answer {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => Trouble::of(&error),
                Err(_) => Trouble::late(limit),
            };
            if !trouble.is_passing() || began.elapsed() + pause >= self.patience {
                return Err(self.error(act, trouble));
            }
            tracing::debug!(?act, %trouble, "object store did not do it, trying again");
            // Not all at once, when a server that was away is back.
            sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    pub(super) fn error(&self, act: Act, trouble: Trouble) -> Error {
        trouble.into_error(act, self.cloud, self.is_trial)
    }
}
