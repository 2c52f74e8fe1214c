//! Objects of nobody: what they tell of rights, and of the store's clock.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::PutPayload;
use tokio::sync::Mutex;

use super::bucket::Bucket;
use super::trouble::WHAT;
use crate::{Error, Result};

/// The folder of trials.
const FOLDER: &str = "trials";

/// What a trial writes.
const BYTES: &[u8] = b"written to find out whether an object can be kept here";

/// How long each step of a trial may take.
const TRIAL: Duration = Duration::from_secs(5);

/// How long a trial that went well counts.
const FRESH: Duration = Duration::from_secs(15);

/// How long it is known what time the store has.
const CLOCK: Duration = Duration::from_secs(60 * 60);

/// After how long the trial of a process that was killed is taken away.
const LEFT: Duration = Duration::from_secs(60 * 60);

/// How many that were left are taken away at once.
const MOST_LEFT: usize = 1000;

/// When something went well last.
#[derive(Debug, Default)]
pub(super) struct Trials {
    tried: Mutex<Option<Instant>>,
    clock: Mutex<Option<(Instant, SystemTime)>>,
}

fn key() -> String {
    format!("{FOLDER}/{:032x}", rand::random::<u128>())
}

fn payload() -> PutPayload {
    PutPayload::from(Bytes::from_static(BYTES))
}

/// Writes an object, reads a part of it, lists it and deletes it.
pub(super) async fn try_out(bucket: &Bucket) -> Result<()> {
    let (bucket, key) = (bucket.on_trial(TRIAL), key());
    bucket.put(&key, payload()).await?;
    let read = async {
        let body = bucket.open(&key, 8..BYTES.len() as u64).await?;
        let pieces: Vec<Bytes> =
            body.try_collect().await.map_err(|_| Error::unavailable(WHAT, "the body of an object broke"))?;
        if pieces.concat() != BYTES[8..] {
            return Err(Error::unfit(WHAT, "reading an object", "it holds other bytes than were written"));
        }
        // Any page will do, since the right is the same for each.
        bucket.list(FOLDER, None, 1).await
    };
    let read = read.await;
    let deleted = bucket.delete(&[key]).await;
    read?;
    deleted
}

impl Trials {
    /// As [`try_out`], if that was not done just now.
    pub(super) async fn probe(&self, bucket: &Bucket) -> Result<()> {
        let mut tried = self.tried.lock().await;
        if tried.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        // Until it has gone well again.
        *tried = None;
        // A caller that waits no longer must not leave the object.
        let bucket = bucket.clone();
        let trial = tokio::spawn(async move { try_out(&bucket).await });
        trial.await.map_err(|error| Error::unavailable(WHAT, error))??;
        *tried = Some(Instant::now());
        Ok(())
    }

    /// What time the store has: not later than its own clock says, and at most some seconds earlier.
    pub(super) async fn now(&self, bucket: &Bucket) -> Result<SystemTime> {
        let mut clock = self.clock.lock().await;
        if let Some((at, now)) = *clock
            && at.elapsed() < CLOCK
        {
            return Ok(now + at.elapsed());
        }
        let key = key();
        bucket.put(&key, payload()).await?;
        let looked = bucket.look(&key).await;
        bucket.delete(&[key]).await?;
        // The time of a change, which is over.
        let now = looked?.modified;
        *clock = Some((Instant::now(), now));
        Ok(now)
    }

    /// Takes away what killed processes left.
    pub(super) async fn clear(&self, bucket: &Bucket) -> Result<()> {
        let left = bucket.list(FOLDER, None, MOST_LEFT).await?;
        if left.is_empty() {
            return Ok(());
        }
        let now = self.now(bucket).await?;
        let is_old = |modified: SystemTime| now.duration_since(modified).is_ok_and(|age| age >= LEFT);
        let old: Vec<String> =
            left.into_iter().filter(|found| is_old(found.modified)).map(|found| found.key).collect();
        bucket.delete(&old).await
    }
}
